package protect

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var usual = Rules{K: 11, Base: 5, Percent: 10, Dominance: 90}

// people is a range of persons.
func people(from, to int) []uint32 {
	var out []uint32
	for p := from; p < to; p++ {
		out = append(out, uint32(p))
	}
	return out
}

// counted is a table of one count of persons over the labels a, b, c, ... with the persons given.
func counted(cells ...[]uint32) (Raw, Spec) {
	var labels []string
	found := Cells{Values: make([][]*big.Int, 1), Members: &Members{Shares: make([][]Share, 1)}}
	for i, persons := range cells {
		labels = append(labels, string(rune('a'+i)))
		found.Values[0] = append(found.Values[0], big.NewInt(int64(len(persons))))
		found.Members.Persons = append(found.Members.Persons, persons)
	}
	return NewRaw(found), Spec{
		Groups:  []Domain{{Name: "g", Labels: text1(labels...)}},
		Items:   []Item{{Name: ItemPersons}},
		Outputs: []Output{{Name: "g", Kind: OutGroup}, {Name: "n", Kind: OutCount}},
	}
}

// ask releases a table to Uni; nil when nothing may be told.
func ask(t testing.TB, m *Memory, r Rules, cells ...[]uint32) []string {
	t.Helper()
	raw, spec := counted(cells...)
	out, _, err := Suppress(raw, spec, r, []string{"Uni"}, m)
	if errors.Is(err, ErrNotReleased) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if out.Label != ControlledLabel {
		t.Error("the label is missing")
	}
	return table(out)
}

func TestSuppress(t *testing.T) {
	for name, c := range map[string]struct {
		before [][]uint32 // each asked alone
		cells  [][]uint32
		want   string
	}{
		"small, empty and smallest": {nil, [][]uint32{people(0, 10), nil, people(20, 31), people(40, 140)}, "a - hidden, b - hidden, c 10±2, d 100±2"},
		"rounded":                   {nil, [][]uint32{people(0, 12), people(20, 33), people(40, 57), people(60, 78)}, "a 10±2, b 15±2, c 15±2, d 20±2"},
		"all in one group":          {nil, [][]uint32{people(0, 50), nil}, ""},
		"nothing large":             {nil, [][]uint32{people(0, 10), people(10, 20)}, ""},
		"three persons less":        {[][]uint32{people(0, 103)}, [][]uint32{people(0, 100), people(200, 240)}, "a - hidden, b 40±2"},
		"three others":              {[][]uint32{people(3, 103)}, [][]uint32{people(0, 100), people(200, 240)}, "a - hidden, b 40±2"},
		"the same persons":          {[][]uint32{people(0, 100)}, [][]uint32{people(0, 100), people(200, 240)}, "a 100±2, b 40±2"},
		"eleven persons less":       {[][]uint32{people(0, 111)}, [][]uint32{people(0, 100), people(200, 240)}, "a 100±2, b 40±2"},
		"a margin of a total": { // a + b + d is the total less the three of c: the smallest, d, goes too
			[][]uint32{people(0, 153)}, [][]uint32{people(0, 100), people(100, 130), people(130, 133), people(133, 153)}, "a 100±2, b 30±2, c - hidden, d - hidden",
		},
		"two groups too close": {nil, [][]uint32{people(0, 100), people(0, 95), people(200, 240)}, "a 100±2, b - hidden, c 40±2"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &Memory{}
			for _, b := range c.before {
				if ask(t, m, usual, b, people(1000, 1200)) == nil {
					t.Fatal("what comes before is not told")
				}
			}
			if got := strings.Join(ask(t, m, usual, c.cells...), ", "); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// Another organisation has another memory; a party of one agreement shares what all its parties were told.
func TestMemoryOfParties(t *testing.T) {
	m := &Memory{}
	tell := func(who string, persons []uint32) error {
		raw, spec := counted(persons, people(1000, 1200))
		_, _, err := Suppress(raw, spec, usual, strings.Split(who, "+"), m)
		if err == nil && !slices.ContainsFunc(m.of(strings.Split(who, "+")), func(s *told) bool { return s.n == uint64(len(persons)) }) {
			return ErrNotReleased // the cell was withheld, the other was told
		}
		return err
	}
	for i, c := range []struct {
		who     string
		persons []uint32
		told    bool
	}{
		{"Uni", people(0, 100), true},
		{"Lab", people(0, 103), true}, // nobody has told Lab of the 100
		{"Uni", people(0, 104), false},
		{"Lab+Uni", people(0, 101), false},
		{"Lab+Uni", people(300, 400), true},
		{"Uni", people(300, 402), false},
		{"Lab", people(300, 402), false},
		{"Else", people(300, 402), true},
	} {
		if err := tell(c.who, c.persons); (err == nil) != c.told {
			t.Errorf("step %d, %s: %v", i, c.who, err)
		}
	}
}

// 1,000 nested pairs, 1 to 10 persons apart: none is told. Without the rule all are, which is the twin.
func TestPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for _, c := range []struct {
		k    int64
		want func(int) bool
	}{{11, func(n int) bool { return n == 0 }}, {1, func(n int) bool { return n == 1000 }}} {
		m, both, rules := &Memory{}, 0, usual
		rules.K, rules.Base = c.k, 1
		for range 1000 {
			low, size, diff := r.IntN(100_000), 50+r.IntN(5000), 1+r.IntN(10)
			first := ask(t, m, rules, people(low, low+size), people(1_000_000, 1_001_000)) // the second group keeps the table from being empty
			second := ask(t, m, rules, people(low, low+size+diff), people(1_000_000, 1_001_000))
			if !strings.Contains(first[0], "hidden") && !strings.Contains(second[0], "hidden") {
				both++
			}
		}
		if !c.want(both) {
			t.Errorf("smallest difference %d: %d of 1,000 pairs were told", c.k, both)
		}
	}
}

// share is one item's contributions, person by person.
func share(persons []uint32, x ...int64) Share {
	s := Share{Total: new(big.Int)}
	for i, v := range x {
		if v == 0 {
			continue
		}
		s.Persons = append(s.Persons, persons[i])
		v = max(v, -v)
		s.Total.Add(s.Total, big.NewInt(v))
		if v > s.First {
			s.First, s.Second = v, s.First
		} else {
			s.Second = max(s.Second, v)
		}
	}
	return s
}

func repeat(n int, v int64, first ...int64) []int64 {
	out := slices.Clone(first)
	for len(out) < n {
		out = append(out, v)
	}
	return out
}

// Magnitudes: the worked cases of the p % and (n,k) rules, contributors below the smallest cell, and rates of 100 %.
func TestMagnitudes(t *testing.T) {
	for name, c := range map[string]struct {
		x      []int64
		binary bool
		want   string
	}{
		"even":                       {repeat(40, 10), false, "a 400±2"},
		"sum is rounded":             {repeat(40, 10, 13), false, "a 405±2"},
		"p %, just kept":             {repeat(40, 1, 380, 1), false, "-"},   // the rest is 38 = 10 % of 380, but two have more than 90 %
		"dominance":                  {repeat(40, 1, 400, 1), false, "-"},   // 401 of 439
		"dominance, just kept":       {repeat(40, 2, 400, 280), false, "-"}, // p %: 76 >= 40; n,k: 680/756 = 89.9 %
		"p % breaks":                 {repeat(40, 1, 1000, 900), false, "-"},
		"ten contribute":             {repeat(40, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5), false, "-"},
		"eleven contribute":          {repeat(40, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5), false, "a 55±2"},
		"losses dominate":            {repeat(40, 1, -1000), false, "-"},
		"all have it":                {repeat(40, 1), true, "-"},
		"all but five have it":       {repeat(40, 1, 0, 0, 0, 0, 0), true, "-"},
		"all but eleven have it":     {repeat(40, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), true, "a 30±2"},
		"zeros of a sum tell no set": {repeat(40, 7, 0, 0, 0, 0, 0), false, "a 245±2"},
	} {
		t.Run(name, func(t *testing.T) {
			persons, sum := people(0, 40), new(big.Int)
			for _, v := range c.x {
				sum.Add(sum, big.NewInt(v))
			}
			if name == "dominance, just kept" {
				c.want = "a 755±2"
			}
			found := Cells{
				Values:  [][]*big.Int{{sum, nil}},
				Members: &Members{Persons: [][]uint32{persons, people(100, 140)}, Shares: [][]Share{{share(persons, c.x...), share(nil)}}},
			}
			spec := Spec{
				Groups: []Domain{{Name: "g", Labels: text1("a", "b")}}, Items: []Item{{Name: "sum(x)", Binary: c.binary}},
				Outputs: []Output{{Name: "g", Kind: OutGroup}, {Name: "s", Kind: OutSum}},
			}
			out, _, err := Suppress(NewRaw(found), spec, usual, []string{"Uni"}, &Memory{})
			got := "-"
			if err == nil {
				got = table(out)[0]
			} else if !errors.Is(err, ErrNotReleased) {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// A mean is the quotient of rounded parts, and its half-width holds the true mean, whatever the parts are.
func TestMeanOfRoundedParts(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 0))
	for range 3000 {
		n := 11 + r.IntN(300)
		var x []int64
		sum := int64(0)
		for range n {
			x = append(x, r.Int64N(900)-100)
			sum += x[len(x)-1]
		}
		persons, ones := people(0, n), repeat(n, 1)
		found := Cells{
			Values:  [][]*big.Int{bigs(int64(n)), bigs(sum)},
			Members: &Members{Persons: [][]uint32{persons}, Shares: [][]Share{{share(persons, ones...)}, {share(persons, x...)}}},
		}
		spec := Spec{Items: []Item{{Name: ItemRows}, {Name: "sum"}}, Outputs: []Output{{Name: "mean", Kind: OutMean, N: 0, S: 1, Decimals: 1}}}
		out, _, err := Suppress(NewRaw(found), spec, usual, []string{"Uni"}, &Memory{})
		if errors.Is(err, ErrNotReleased) {
			continue // one dominates
		}
		if err != nil {
			t.Fatal(err)
		}
		v, h := out.Rows[0].Values[0].Float, out.Rows[0].Error95[0].Float
		rn, rs := round(big.NewInt(int64(n)), big.NewInt(5)), round(big.NewInt(sum), big.NewInt(50))
		if want := tenDigits(toFloat(rs) / toFloat(rn) / 10); v != want {
			t.Fatalf("mean %v, rounded parts %v/%v", v, rs, rn)
		}
		if m := float64(sum) / float64(n) / 10; m < v-h || m > v+h {
			t.Fatalf("true mean %v outside %v +- %v", m, v, h)
		}
	}
}

func TestRound(t *testing.T) {
	for _, c := range [][3]int64{{0, 5, 0}, {2, 5, 0}, {3, 5, 5}, {7, 5, 5}, {8, 5, 10}, {-2, 5, 0}, {-3, 5, -5}, {4, 10, 0}, {5, 10, 10}, {-5, 10, -10}, {7, 1, 7}} {
		if got := round(big.NewInt(c[0]), big.NewInt(c[1])); got.Int64() != c[2] {
			t.Errorf("round(%d, %d) = %v, want %d", c[0], c[1], got, c[2])
		}
	}
}

// What is refused before data: rules out of range, and what a Raw without persons would let through.
func TestSuppressRefuses(t *testing.T) {
	raw, spec := counted(people(0, 50), people(60, 90))
	for name, r := range map[string]Rules{"zero": {}, "base above the cell": {11, 12, 10, 90}, "percent": {11, 5, 101, 90}, "dominance": {11, 5, 10, 0}} {
		if _, _, err := Suppress(raw, spec, r, []string{"Uni"}, &Memory{}); !errors.Is(err, ErrSpec) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Suppress(raw, spec, usual, nil, &Memory{}); !errors.Is(err, ErrSpec) {
		t.Errorf("nobody: %v", err)
	}
	bare := NewRaw(Cells{Values: [][]*big.Int{bigs(50, 30)}})
	if _, _, err := Suppress(bare, spec, usual, []string{"Uni"}, &Memory{}); !errors.Is(err, ErrRaw) {
		t.Errorf("no persons: %v", err)
	}
	twice, _ := counted([]uint32{1, 1, 2}, people(60, 90))
	if _, _, err := Suppress(twice, spec, usual, []string{"Uni"}, &Memory{}); !errors.Is(err, ErrRaw) {
		t.Errorf("a person twice: %v", err)
	}
	if _, err := Release(raw, spec); err == nil {
		t.Error("the other valve takes a specification without noise")
	}
}

// Memory and what is told show nothing to a printer.
func TestMemoryIsSealed(t *testing.T) {
	m := &Memory{}
	raw, spec := counted(people(77_000, 77_100), people(88_000, 88_050))
	_, d, err := Suppress(raw, spec, usual, []string{"Uni"}, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if got := fmt.Sprintf(verb+verb, m, d); strings.ContainsAny(got, "0123456789") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

// What is encoded is restored, and judges like the original.
func TestDisclosedRoundTrip(t *testing.T) {
	m := &Memory{}
	raw, spec := counted(people(0, 100), people(200, 5000))
	_, d, err := Suppress(raw, spec, usual, []string{"Uni", "Lab"}, m)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again := &Memory{}
	if err := again.Restore(b); err != nil {
		t.Fatal(err)
	}
	if len(again.sets) != len(m.sets) || len(m.sets) != 3 { // two cells and their sum
		t.Fatalf("%d sets, restored %d", len(m.sets), len(again.sets))
	}
	if got := ask(t, again, usual, people(0, 97), people(7000, 7100)); !strings.Contains(got[0], "hidden") {
		t.Errorf("a restored memory tells %v", got)
	}
	for i := range len(b) {
		if err := new(Memory).Restore(b[:i]); !errors.Is(err, ErrMemory) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func FuzzRestore(f *testing.F) {
	d := Disclosed{parties: []string{"Lab", "Uni"}, sets: []*told{newTold(bitmap(people(0, 50)), nil), newTold(bitmap([]uint32{1, 70_000, 1 << 31}), []int64{1, 1 << 40, 3})}}
	b, err := d.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{1, 1, 'x', 1, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &Memory{}
		if err := m.Restore(b); err != nil {
			if !errors.Is(err, ErrMemory) || len(m.sets) > 0 {
				t.Fatalf("%v, %d sets", err, len(m.sets))
			}
			return
		}
		if _, err := (Disclosed{parties: m.sets[0].parties, sets: m.sets}).Encode(); err != nil {
			t.Fatal(err)
		}
	})
}

// Figures over the same persons differ by what a few of them contribute: by fewer than k is too close, whoever has more rows in the one
// and whoever in the other; and what is restored is as close as it was.
func TestContributionsAreRemembered(t *testing.T) {
	rows := func(n int, more ...int64) []int64 {
		out := slices.Repeat([]int64{2}, n)
		copy(out, more)
		return out
	}
	for name, c := range map[string]struct {
		a, b  *told
		clash bool
	}{
		"one has a row less":            {newTold(bitmap(people(0, 50)), rows(50)), newTold(bitmap(people(0, 50)), rows(50, 1)), true},
		"ten have, either way":          {newTold(bitmap(people(0, 50)), rows(50)), newTold(bitmap(people(0, 50)), rows(50, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3)), true},
		"eleven have":                   {newTold(bitmap(people(0, 50)), rows(50)), newTold(bitmap(people(0, 50)), rows(50, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)), false},
		"the same":                      {newTold(bitmap(people(0, 50)), rows(50)), newTold(bitmap(people(0, 50)), rows(50)), false},
		"persons, and rows of all":      {newTold(bitmap(people(0, 50)), nil), newTold(bitmap(people(0, 50)), rows(50)), false},
		"persons, and one more row":     {newTold(bitmap(people(0, 50)), nil), newTold(bitmap(people(0, 50)), append([]int64{7}, slices.Repeat([]int64{1}, 49)...)), true},
		"other persons, the last ahead": {newTold(bitmap(people(0, 50)), rows(50)), newTold(bitmap(people(3, 51)), rows(48)), true},
		"far apart":                     {newTold(bitmap(people(0, 50)), rows(50)), newTold(bitmap(people(20, 80)), rows(60)), false},
	} {
		for range 2 {
			if got := c.a.clash(c.b, 11); got != c.clash {
				t.Errorf("%s: %v", name, got)
			}
			c.a, c.b = c.b, c.a
		}
		b, err := Disclosed{parties: []string{"Uni"}, sets: []*told{newTold(bitmap(people(90, 99)), nil), c.a}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		m := &Memory{}
		if err := m.Restore(b); err != nil || !m.sets[1].equal(c.a) {
			t.Errorf("%s: restored %v, %v", name, m.sets, err)
		}
		for _, cut := range [][]byte{b[:len(b)-1], append(b[:len(b):len(b)], 1, 1), append(b[:len(b):len(b)], 9)} {
			if err := new(Memory).Restore(cut); c.a.each != nil && !errors.Is(err, ErrMemory) {
				t.Errorf("%s: other bytes are restored: %v", name, err)
			}
		}
	}
}
