package protect

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/crypto/noise"
	"jali/gateway/catalog"
)

// withoutNoise releases with draws of zero, so that logic can be tested on known numbers. It exists in tests only.
func withoutNoise(t testing.TB, raw Raw, spec Spec) Released {
	t.Helper()
	c, err := check(spec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := release(raw, c, func(*noise.Gaussian) (*big.Int, error) { return new(big.Int), nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func text1(labels ...string) []catalog.Value {
	var out []catalog.Value
	for _, l := range labels {
		if l == "" {
			out = append(out, catalog.Value{})
			continue
		}
		out = append(out, catalog.StringValue(l))
	}
	return out
}

func bigs(ns ...int64) []*big.Int {
	var out []*big.Int
	for _, n := range ns {
		out = append(out, big.NewInt(n))
	}
	return out
}

func sigma2(num, den int64) noise.Variance {
	return noise.Variance{Num: big.NewInt(num), Den: big.NewInt(den)}
}

// table prints a released table as people would see it.
func table(r Released) []string {
	var out []string
	for _, row := range r.Rows {
		var cells []string
		for j, v := range row.Values {
			s := "-"
			switch {
			case v.Label != nil && v.Label.Kind != catalog.Null:
				s = v.Label.String()
			case v.Label != nil:
				s = "other"
			case v.Fixed != nil:
				s = decimal(v.Fixed.String(), v.Dec)
			case !v.Absent:
				s = big.NewFloat(v.Float).Text('g', 6)
			}
			if e := row.Error95[j]; e.Fixed != nil {
				s += "±" + decimal(e.Fixed.String(), e.Dec)
			}
			cells = append(cells, s)
		}
		s := strings.Join(cells, " ")
		if row.Hidden {
			s += " hidden"
		}
		out = append(out, s)
	}
	return out
}

func sexByYear() Spec {
	return Spec{
		Groups: []Domain{
			{Name: "sex", Labels: text1("M", "F", "")},
			{Name: "year", Labels: []catalog.Value{catalog.IntValue(2009), catalog.IntValue(2008)}},
		},
		Items: []Item{{Name: ItemRows, Sigma2: sigma2(1, 1)}, {Name: "sum(cost)", Sigma2: sigma2(10_000, 1)}},
		Outputs: []Output{
			{Name: "sex", Kind: OutGroup, Group: 0},
			{Name: "n", Kind: OutCount, N: 0},
			{Name: "year", Kind: OutGroup, Group: 1},
			{Name: "cost", Kind: OutSum, S: 1, Decimals: 2, Unit: "EUR"},
		},
	}
}

func TestPublicKeysShowTheWholeDomain(t *testing.T) {
	spec := sexByYear()
	values := [][]*big.Int{bigs(10, 11, 12, 13, 14, 15), bigs(100, -250, 5, 0, 70000, 1)}
	values[0][4], values[1][3] = nil, nil // nil is zero
	r := withoutNoise(t, NewRaw(Cells{Values: values}), spec)
	want := []string{
		"M 10±2 2009 1.00±1.96", "M 11±2 2008 -2.50±1.96", "F 12±2 2009 0.05±1.96", "F 13±2 2008 0.00±1.96",
		"other 0±2 2009 700.00±1.96", "other 15±2 2008 0.01±1.96",
	}
	if d := cmp.Diff(want, table(r)); d != "" {
		t.Error(d)
	}
	columns := []Column{
		{Name: "sex", Role: RoleGroup, Kind: OutGroup, Type: "text"},
		{Name: "n", Role: RoleMeasure, Kind: OutCount},
		{Name: "year", Role: RoleGroup, Kind: OutGroup, Type: "integer"},
		{Name: "cost", Role: RoleMeasure, Kind: OutSum, Unit: "EUR"},
	}
	if d := cmp.Diff(columns, r.Columns); d != "" {
		t.Error(d)
	}
	if r.HiddenGroups != 0 || len(r.Noisy) != 2 || r.Noisy[1][4].Int64() != 70000 {
		t.Errorf("hidden %d, noisy %v", r.HiddenGroups, r.Noisy)
	}
	if values[0][0].Int64() != 10 {
		t.Error("the engine's numbers were changed")
	}
}

func TestOneCellWithoutGroups(t *testing.T) {
	r := withoutNoise(t, NewRaw(Cells{Values: [][]*big.Int{bigs(42)}}), Spec{
		Items:   []Item{{Name: ItemRows, Sigma2: sigma2(4, 1)}},
		Outputs: []Output{{Name: "n", Kind: OutCount}},
	})
	if d := cmp.Diff([]string{"42±4"}, table(r)); d != "" {
		t.Error(d)
	}
}

func TestSmallCountsAreHidden(t *testing.T) {
	spec := Spec{
		Groups: []Domain{{Name: "g", Labels: text1("a", "b", "c")}},
		Items: []Item{
			{Name: "rows(x)", Sigma2: sigma2(1, 1)},
			{Name: ItemRows, Sigma2: sigma2(1, 1)},
			{Name: ItemPersons, Sigma2: sigma2(1, 1)},
			{Name: "sum(x)", Sigma2: sigma2(1, 1)},
		},
		Min: 11,
	}
	group := Output{Name: "g", Kind: OutGroup}
	nonNull := Output{Name: "nx", Kind: OutCount, N: 0}
	rows := Output{Name: "n", Kind: OutCount, N: 1}
	persons := Output{Name: "p", Kind: OutCount, N: 2}
	total := Output{Name: "x", Kind: OutSum, S: 3}
	values := [][]*big.Int{bigs(5, 11, 20), bigs(10, 30, 40), bigs(11, 10, 12), bigs(1, 2, 3)}
	for _, c := range []struct {
		name    string
		outputs []Output
		want    []string
	}{
		{"persons decide before rows", []Output{group, rows, persons, total}, []string{"a 10±2 11±2 1±2", "b - - - hidden", "c 40±2 12±2 3±2"}},
		{"rows decide before rows of a column", []Output{group, nonNull, rows}, []string{"a - - hidden", "b 11±2 30±2", "c 20±2 40±2"}},
		{"rows of a column decide alone", []Output{group, nonNull, total}, []string{"a - - hidden", "b 11±2 2±2", "c 20±2 3±2"}},
		{"an item no output counts with does not decide", []Output{group, total}, []string{"a 1±2", "b 2±2", "c 3±2"}},
		{"labels alone are not hidden", []Output{group}, []string{"a", "b", "c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec.Outputs = c.outputs
			r := withoutNoise(t, NewRaw(Cells{Values: values}), spec)
			if d := cmp.Diff(c.want, table(r)); d != "" {
				t.Error(d)
			}
			if n := strings.Count(strings.Join(c.want, "\n"), "hidden"); r.HiddenGroups != n {
				t.Errorf("%d hidden groups, want %d", r.HiddenGroups, n)
			}
		})
	}
}

func privateSpec() Spec {
	return Spec{
		Groups:    []Domain{{Name: "sex", Labels: text1("M", "F", "")}, {Name: "code", Private: true}},
		Items:     []Item{{Name: "sum(x)", Sigma2: sigma2(4, 1)}, {Name: ItemPersons, Sigma2: sigma2(4, 1)}},
		Outputs:   []Output{{Name: "code", Kind: OutGroup, Group: 1}, {Name: "sex", Kind: OutGroup}, {Name: "p", Kind: OutCount, N: 1}, {Name: "x", Kind: OutSum, S: 0}},
		Threshold: &Threshold{Item: 1, Tau: 5, K: 11},
	}
}

func TestPrivateKeysPassTheThreshold(t *testing.T) {
	keys := [][]catalog.Value{text1("F", "b"), text1("M", "b"), text1("M", ""), text1("M", "a"), text1("", "z"), text1("F", "a"), text1("F", "c")}
	// n - (K-1) >= Tau is n >= 15.
	values := [][]*big.Int{bigs(1, 2, 3, 4, 5, 6, 7), bigs(15, 14, 99, 400, 15, 10, 11)}
	spec := privateSpec()
	r := withoutNoise(t, NewRaw(Cells{Keys: keys, Values: values}), spec)
	want := []string{"a M 400±4 4±4", "other M 99±4 3±4", "b F 15±4 1±4", "z other 15±4 5±4"}
	if d := cmp.Diff(want, table(r)); d != "" {
		t.Error(d)
	}
	// What was dropped leaves no trace, not even its number.
	if r.HiddenGroups != 0 {
		t.Errorf("%d hidden groups", r.HiddenGroups)
	}
	for _, item := range r.Noisy {
		if len(item) != 4 {
			t.Errorf("%d noisy numbers for 4 rows", len(item))
		}
	}
	if d := cmp.Diff([]int64{400, 99, 15, 15}, []int64{r.Noisy[1][0].Int64(), r.Noisy[1][1].Int64(), r.Noisy[1][2].Int64(), r.Noisy[1][3].Int64()}); d != "" {
		t.Error(d)
	}
	// The engine's order carries nothing.
	for range 20 {
		order := rand.Perm(len(keys))
		shuffled := Cells{Values: [][]*big.Int{nil, nil}}
		for _, i := range order {
			shuffled.Keys = append(shuffled.Keys, keys[i])
			for item := range values {
				shuffled.Values[item] = append(shuffled.Values[item], values[item][i])
			}
		}
		if d := cmp.Diff(want, table(withoutNoise(t, NewRaw(shuffled), spec))); d != "" {
			t.Fatal(d)
		}
	}
	if r := withoutNoise(t, NewRaw(Cells{Values: [][]*big.Int{nil, nil}}), spec); len(r.Rows) != 0 || r.Columns[0].Type != "text" {
		t.Errorf("an empty result gives %v", table(r))
	}
}

// TestPreThresholdHolds: a group below K is never kept, however much noise it gets; one of exactly K persons is kept with the
// probability the threshold was computed for. K=5, sigma=2, delta_t/l0 = 1e-3: Tau is the exact 0.999 quantile.
func TestPreThresholdHolds(t *testing.T) {
	const cells = 60_000
	v := sigma2(4, 1)
	tau, err := noise.Tau(v, 1e15, 1)
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{
		Groups:    []Domain{{Name: "code", Private: true}},
		Items:     []Item{{Name: ItemPersons, Sigma2: v}},
		Outputs:   []Output{{Name: "code", Kind: OutGroup}, {Name: "p", Kind: OutCount}},
		Threshold: &Threshold{Tau: tau, K: 5},
	}
	kept := func(persons int64) int {
		raw := Cells{Values: [][]*big.Int{make([]*big.Int, cells)}}
		for i := range cells {
			raw.Keys = append(raw.Keys, []catalog.Value{catalog.IntValue(int64(i))})
			raw.Values[0][i] = big.NewInt(persons)
		}
		r, err := Release(NewRaw(raw), spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range r.Rows {
			if row.Values[1].Fixed.Int64() < tau+4 {
				t.Fatalf("a count of %v was kept below the threshold %d+4", row.Values[1].Fixed, tau)
			}
		}
		return len(r.Rows)
	}
	for _, n := range []int64{0, 1, 4} {
		if k := kept(n); k != 0 {
			t.Errorf("%d groups of %d persons were kept", k, n)
		}
	}
	// Binomial(60000, p), p <= 1e-3 exact; six standard errors are exceeded with probability below 1e-7.
	p, err := noise.Tail(v, tau-1)
	if err != nil {
		t.Fatal(err)
	}
	q, _ := p.Float64()
	want := q * cells
	if k := float64(kept(5)); q > 1e-3 || math.Abs(k-want) > 6*math.Sqrt(want) {
		t.Errorf("%v groups of K persons were kept, expected %.1f", k, want)
	}
	if k := kept(1000); k != cells {
		t.Errorf("only %d of %d large groups were kept", k, cells)
	}
}

// TestEveryCellHasItsOwnNoise: over 40,000 empty cells and two items, draws have the variance bought, neighbouring cells and items
// are uncorrelated, and equal neighbours are as rare as independence makes them. Each check is at 5 standard errors or more: false
// rejects below 1e-6 each.
func TestEveryCellHasItsOwnNoise(t *testing.T) {
	const cells = 40_000
	spec := Spec{
		Groups:  []Domain{{Name: "g", Labels: make([]catalog.Value, cells)}},
		Items:   []Item{{Name: ItemPersons, Sigma2: sigma2(100, 1)}, {Name: ItemRows, Sigma2: sigma2(100, 1)}},
		Outputs: []Output{{Name: "p", Kind: OutCount, N: 0}, {Name: "n", Kind: OutCount, N: 1}},
		Min:     1 << 40, // everything is hidden: noise comes first all the same
	}
	for i := range cells {
		spec.Groups[0].Labels[i] = catalog.IntValue(int64(i))
	}
	r, err := Release(NewRaw(Cells{Values: [][]*big.Int{make([]*big.Int, cells), make([]*big.Int, cells)}}), spec)
	if err != nil {
		t.Fatal(err)
	}
	if r.HiddenGroups != cells || len(r.Rows) != cells {
		t.Errorf("%d rows, %d hidden", len(r.Rows), r.HiddenGroups)
	}
	x := make([][]float64, 2)
	for item := range x {
		for _, y := range r.Noisy[item] {
			x[item] = append(x[item], float64(y.Int64()))
		}
	}
	correlate := func(name string, a, b []float64) {
		sum, equal := 0.0, 0.0
		for i := range a {
			sum += a[i] * b[i]
			if a[i] == b[i] {
				equal++
			}
		}
		n := float64(len(a))
		if z := sum / 100 / math.Sqrt(n); math.Abs(z) > 5 {
			t.Errorf("%s: correlation at %.1f standard errors", name, z)
		}
		// P[equal] = 1/(2 sigma sqrt(pi)) = 0.0282
		p := 1 / (20 * math.Sqrt(math.Pi))
		if z := (equal - n*p) / math.Sqrt(n*p*(1-p)); math.Abs(z) > 5 {
			t.Errorf("%s: %v equal pairs, %.1f standard errors off", name, equal, z)
		}
	}
	correlate("items", x[0], x[1])
	for item := range x {
		correlate("cells", x[item][1:], x[item][:cells-1])
		correlate("cells two apart", x[item][2:], x[item][:cells-2])
		sum, square := 0.0, 0.0
		for _, y := range x[item] {
			sum, square = sum+y, square+y*y
		}
		if z := sum / 10 / math.Sqrt(cells); math.Abs(z) > 5 {
			t.Errorf("mean off by %.1f standard errors", z)
		}
		if z := (square/100/cells - 1) / math.Sqrt(2.0/cells); math.Abs(z) > 5 {
			t.Errorf("variance off by %.1f standard errors", z)
		}
	}
}

func TestReleasesDiffer(t *testing.T) {
	spec := sexByYear()
	spec.Items[0].Sigma2 = sigma2(1e12, 1)
	raw := NewRaw(Cells{Values: [][]*big.Int{bigs(1, 2, 3, 4, 5, 6), bigs(1, 2, 3, 4, 5, 6)}})
	seen := map[string]bool{}
	for range 50 {
		r, err := Release(raw, spec)
		if err != nil {
			t.Fatal(err)
		}
		// Two of 300 draws at sigma 10^6 are equal with probability about 1%; two whole rows never.
		seen[strings.Join(table(r), "\n")] = true
	}
	if len(seen) != 50 {
		t.Errorf("%d different tables of 50", len(seen))
	}
}

func TestMalformedResultsAreRefusedAlike(t *testing.T) {
	public, private := sexByYear(), privateSpec()
	six := bigs(1, 2, 3, 4, 5, 6)
	k := func(keys ...[]catalog.Value) [][]catalog.Value { return keys }
	var text string
	for _, c := range []struct {
		name string
		raw  Raw
		spec Spec
	}{
		{"zero Raw", Raw{}, public},
		{"no items", NewRaw(Cells{}), public},
		{"item missing", NewRaw(Cells{Values: [][]*big.Int{six}}), public},
		{"cell missing", NewRaw(Cells{Values: [][]*big.Int{six, six[:5]}}), public},
		{"cell too many", NewRaw(Cells{Values: [][]*big.Int{append(bigs(0), six...), append(bigs(0), six...)}}), public},
		{"keys of public groups", NewRaw(Cells{Keys: k(text1("M", "a")), Values: [][]*big.Int{six, six}}), public},
		{"key of wrong length", NewRaw(Cells{Keys: k(text1("M")), Values: [][]*big.Int{bigs(1), bigs(20)}}), private},
		{"more keys than values", NewRaw(Cells{Keys: k(text1("M", "a"), text1("M", "b")), Values: [][]*big.Int{bigs(1), bigs(20)}}), private},
		{"key outside the domain", NewRaw(Cells{Keys: k(text1("X", "a")), Values: [][]*big.Int{bigs(1), bigs(20)}}), private},
		{"a key twice", NewRaw(Cells{Keys: k(text1("M", "a"), text1("M", "a")), Values: [][]*big.Int{bigs(1, 1), bigs(20, 20)}}), private},
	} {
		r, err := Release(c.raw, c.spec)
		if !errors.Is(err, ErrRaw) || r.Rows != nil || r.Noisy != nil {
			t.Errorf("%s: %v, %v", c.name, table(r), err)
			continue
		}
		if text == "" {
			text = err.Error()
		}
		if err.Error() != text {
			t.Errorf("%s: refused as %q, others as %q", c.name, err, text)
		}
	}
}

func TestFailedSourceReleasesNothing(t *testing.T) {
	c, err := check(sexByYear())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	r, err := release(NewRaw(Cells{Values: [][]*big.Int{bigs(1, 2, 3, 4, 5, 6), bigs(1, 2, 3, 4, 5, 6)}}), c, func(*noise.Gaussian) (*big.Int, error) {
		if n++; n == 12 {
			return nil, noise.ErrSource
		}
		return new(big.Int), nil
	})
	if !errors.Is(err, noise.ErrSource) || r.Rows != nil || r.Noisy != nil || n != 12 {
		t.Errorf("after %d draws: %v, %v", n, table(r), err)
	}
}
