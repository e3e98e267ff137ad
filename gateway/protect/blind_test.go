package protect

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"jali/crypto/cohort"
	"jali/crypto/noise"
)

func blindSpec(t *testing.T, bounds ...int64) BlindSpec {
	t.Helper()
	p, err := cohort.ParamsByID("ecq1-a")
	if err != nil {
		t.Fatal(err)
	}
	return BlindSpec{Params: p, Select: []Axis{{Places: []int{2, 0, -1, 3}, Size: 5}}, Bounds: bounds}
}

func cells(values ...int64) Cells {
	row := make([]*big.Int, len(values))
	for i, v := range values {
		if v != 0 {
			row[i] = big.NewInt(v)
		}
	}
	return Cells{Values: [][]*big.Int{row}}
}

func items(sigma2 int64) []Item {
	return []Item{{Name: ItemPersons, Sigma2: noise.Variance{Num: big.NewInt(sigma2), Den: big.NewInt(1)}}}
}

// What comes out of the cipher is the sum over the selected slots plus noise of the variance bought, fresh each time.
func TestEvaluateBlind(t *testing.T) {
	s := blindSpec(t, 1000)
	vectors, err := PrepareBlind(NewRaw(cells(100, 20, 777, 3)), s)
	if err != nil {
		t.Fatal(err)
	}
	const sigma2, rounds = 25, 60
	key, body, err := cohort.GenerateKey(s.Params, [32]byte{1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	registration, err := cohort.ParseRegistration(s.Params, [32]byte{1}, body, false)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := cohort.NewLayout(s.Params, s.Entries())
	if err != nil {
		t.Fatal(err)
	}
	selector, err := cohort.NewSelector(s.Entries())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{2, 3, 4} { // 100 + 3 + an entry without cell; 777 has no entry
		if err := selector.Select(i); err != nil {
			t.Fatal(err)
		}
	}
	q := cohort.Query{Layout: layout, Nonce: [32]byte{2}}
	enc, err := key.Encrypt(q, selector, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := enc.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	upload, err := cohort.ReadUpload(&b, layout, false)
	if err != nil {
		t.Fatal(err)
	}
	var sum, squares float64
	for range rounds {
		reply, err := EvaluateBlind(t.Context(), vectors, s, items(sigma2), BlindQuestion{Key: registration, Query: q, Upload: upload})
		if err != nil {
			t.Fatal(err)
		}
		got, err := key.Decrypt(reply, []int64{1000})
		if err != nil {
			t.Fatal(err)
		}
		d := float64(got[0] - 103)
		if d > 60 || d < -60 {
			t.Fatalf("answer %d is beyond 12 sigma of 103", got[0])
		}
		sum, squares = sum+d, squares+d*d
	}
	// The mean of 60 draws of sigma 5 has sigma 0.65: 6 sigma, false-reject rate 2*10^-9. The sum of squares over sigma^2 is
	// chi-squared with 60 degrees: outside 15..160 with probability below 10^-9.
	if m := sum / rounds; m > 3.9 || m < -3.9 {
		t.Errorf("mean of the noise is %.2f", m)
	}
	if c := squares / sigma2; c < 15 || c > 160 {
		t.Errorf("variance of the noise: %.0f of %d expected", c, rounds)
	}
}

// Nothing of a sealed vector shows, and what does not fit is refused without saying how.
func TestPrepareBlindRefuses(t *testing.T) {
	const canary = 987_654_321
	for name, test := range map[string]struct {
		raw  Raw
		spec BlindSpec
	}{
		"beyond the bound": {NewRaw(cells(canary, 0, 0, 0)), blindSpec(t, 1000)},
		"sum beyond":       {NewRaw(cells(600, -600, 0, 0)), blindSpec(t, 1000)},
		"fewer cells":      {NewRaw(cells(canary)), blindSpec(t, 1<<40)},
		"more items":       {NewRaw(cells(1, 2, 3, 4)), blindSpec(t, 1000, 1000)},
		"zero":             {Raw{}, blindSpec(t, 1000)},
	} {
		v, err := PrepareBlind(test.raw, test.spec)
		if !errors.Is(err, ErrRaw) || bytes.Contains([]byte(err.Error()), []byte("987654321")) || v.open != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	v, err := PrepareBlind(NewRaw(cells(canary, 0, 0, 0)), blindSpec(t, 1<<31))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if bytes.Contains(fmt.Appendf(nil, format, v), []byte("987654321")) {
			t.Errorf("%s prints a sealed value", format)
		}
	}
}

func TestBlindSpecCheck(t *testing.T) {
	good := blindSpec(t, 1000)
	if err := good.Check(items(25)); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*BlindSpec)
		items  []Item
	}{
		"no parameters": {func(s *BlindSpec) { s.Params = nil }, items(25)},
		"slot twice":    {func(s *BlindSpec) { s.Select = []Axis{{[]int{1, 1}, 5}} }, items(25)},
		"slot beyond":   {func(s *BlindSpec) { s.Select = []Axis{{[]int{5}, 5}} }, items(25)},
		"no list":       {func(s *BlindSpec) { s.Select = nil }, items(25)},
		"empty list":    {func(s *BlindSpec) { s.Select = []Axis{{}} }, items(25)},
		"bound beyond":  {func(s *BlindSpec) { s.Bounds = []int64{1 << 40} }, items(25)},
		"noise beyond":  {func(*BlindSpec) {}, items(1 << 60)},
		"no items":      {func(*BlindSpec) {}, nil},
		"no noise":      {func(*BlindSpec) {}, []Item{{Name: "rows"}}},
	} {
		s := good
		test.change(&s)
		if err := s.Check(test.items); !errors.Is(err, ErrSpec) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Cells of two lists and a group column lie where the lists say: first list slowest, one vector per group.
func TestVectorsPlace(t *testing.T) {
	s := BlindSpec{Select: []Axis{{Places: []int{1, 0}, Size: 3}, {Places: []int{-1, 0, 1}, Size: 2}}, Groups: 2}
	row := make([]*big.Int, 12) // cell (a, b, g) holds 100 a + 10 b + g + 1
	for i := range row {
		row[i] = big.NewInt(int64(100*(i/6) + 10*(i/2%3) + i%2 + 1))
	}
	got, err := s.vectors(row, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	// Entry (place of a)*2 + place of b; a = 0 is at place 1, a = 1 at 0, nothing at 2; b = 0 is left out.
	want := [][]int64{{111, 121, 11, 21, 0, 0}, {112, 122, 12, 22, 0, 0}}
	if fmt.Sprint(got) != fmt.Sprint(want) || s.Entries() != 6 || s.Sums() != 2 {
		t.Errorf("vectors %v, want %v", got, want)
	}
	if _, err := s.vectors(row[:11], 10_000); !errors.Is(err, ErrRaw) {
		t.Error("a result of another shape was taken")
	}
	if _, err := s.vectors(row, 530); !errors.Is(err, ErrRaw) { // the sum over both groups is 532
		t.Error("a sum over all groups beyond the bound was taken")
	}
}

// Each number of the reply has the noise of its item, whatever its group: small for the first, large for the second.
func TestEvaluateBlindGroups(t *testing.T) {
	s := blindSpec(t, 1000, 1000)
	s.Select, s.Groups = []Axis{{Places: []int{0, 1}, Size: 2}}, 2
	one := cells(10, 20, 1, 2).Values[0] // cell (entry, group)
	vectors, err := PrepareBlind(NewRaw(Cells{Values: [][]*big.Int{one, one}}), s)
	if err != nil {
		t.Fatal(err)
	}
	key, body, err := cohort.GenerateKey(s.Params, [32]byte{1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	registration, err := cohort.ParseRegistration(s.Params, [32]byte{1}, body, false)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := cohort.NewLayout(s.Params, s.Entries())
	if err != nil {
		t.Fatal(err)
	}
	selector, err := cohort.NewSelector(s.Entries())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(selector.Select(0), selector.Select(1)); err != nil {
		t.Fatal(err)
	}
	q := cohort.Query{Layout: layout, Nonce: [32]byte{2}}
	enc, err := key.Encrypt(q, selector, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := enc.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	upload, err := cohort.ReadUpload(&b, layout, false)
	if err != nil {
		t.Fatal(err)
	}
	most := make([]int64, 4)
	for range 20 {
		reply, err := EvaluateBlind(t.Context(), vectors, s, append(items(1), items(100_000_000)...), BlindQuestion{Key: registration, Query: q, Upload: upload})
		if err != nil {
			t.Fatal(err)
		}
		got, err := key.Decrypt(reply, []int64{1 << 30, 1 << 30, 1 << 30, 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []int64{11, 11, 22, 22} { // group 0: both items, then group 1
			most[i] = max(most[i], got[i]-want, want-got[i])
		}
	}
	for i, n := range most { // draws of sigma 1 stay within 12; 20 of sigma 10,000 all within 100 have probability below 10^-40
		if small := i%2 == 0; small != (n <= 12) || !small && n <= 100 {
			t.Errorf("number %d is up to %d off", i, n)
		}
	}
}
