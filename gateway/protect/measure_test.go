package protect

import (
	"math"
	"math/big"
	"testing"

	"jali/gateway/catalog"
)

// moments releases n, centred sum and squares without noise at sigma 1 each.
func moments(t *testing.T, n, s, q int64, center int64, decimals int) []Cell {
	t.Helper()
	r := withoutNoise(t, NewRaw(Cells{Values: [][]*big.Int{bigs(n), bigs(s), bigs(q)}}), Spec{
		Items: []Item{{Name: ItemRows, Sigma2: sigma2(1, 1)}, {Name: "s", Sigma2: sigma2(1, 1)}, {Name: "q", Sigma2: sigma2(1, 1)}},
		Outputs: []Output{
			{Name: "mean", Kind: OutMean, N: 0, S: 1, Center: center, Decimals: decimals},
			{Name: "var", Kind: OutVar, N: 0, S: 1, Q: 2, Center: center, Decimals: decimals},
			{Name: "sd", Kind: OutSD, N: 0, S: 1, Q: 2, Center: center, Decimals: decimals},
		},
	})
	for j, e := range r.Rows[0].Error95 {
		if v := r.Rows[0].Values[j]; e.Absent != v.Absent || !e.Absent && !(e.Float > 0) {
			t.Errorf("half-width of %+v is %+v", v, e)
		}
	}
	return r.Rows[0].Values
}

func TestMoments(t *testing.T) {
	const absent = -1 // marks absence: no case has this value
	for _, c := range []struct {
		name          string
		n, s, q       int64
		center        int64
		decimals      int
		mean, vari    float64
		below, hidden bool
	}{
		{name: "1 2 3 4 5 around 3", n: 5, s: 0, q: 10, center: 3, mean: 3, vari: 2.5},
		{name: "1 2 3 4 5 around 0", n: 5, s: 15, q: 55, mean: 3, vari: 2.5},
		{name: "cents", n: 5, s: 1500, q: 550_000, decimals: 2, mean: 3, vari: 2.5},
		{name: "negative", n: 5, s: -15, q: 55, mean: -3, vari: 2.5},
		{name: "far centre, no cancellation", n: 5, s: 0, q: 10, center: 1 << 60, mean: 1 << 60, vari: 2.5},
		{name: "drowned", n: 10, s: 50, q: 7, mean: 5, vari: 0, below: true},
		{name: "exactly at 4 sigma", n: 4, s: 4, q: 10, mean: 1, vari: 2},
		{name: "just below 4 sigma", n: 3, s: 3, q: 9, mean: absent, vari: absent, hidden: true},
		{name: "nobody", n: 0, s: 3, q: 9, mean: absent, vari: absent, hidden: true},
		{name: "negative count", n: -500, s: 3, q: 9, mean: absent, vari: absent, hidden: true},
		{name: "largest count", n: math.MaxInt64, s: math.MaxInt64, q: math.MaxInt64, mean: 1, vari: 0, below: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := moments(t, c.n, c.s, c.q, c.center, c.decimals)
			want := []float64{c.mean, c.vari, math.Sqrt(c.vari)}
			for j, w := range want {
				if v[j].Absent != c.hidden {
					t.Fatalf("figure %d: %+v", j, v[j])
				}
				if !c.hidden && (math.Abs(v[j].Float-w) > 1e-9*math.Abs(w) || v[j].Below != (c.below && j > 0)) {
					t.Errorf("figure %d: %+v, want %v", j, v[j], w)
				}
			}
		})
	}
}

// TestFieller compares the half-width with the roots of Fieller's equation, found by plain bisection.
func TestFieller(t *testing.T) {
	for _, c := range []struct{ n, s, sn, ss float64 }{
		{100, 250, 10, 40}, {100, -250, 10, 40}, {40, 0, 10, 5}, {41, 41 * 30, 10, 300}, {1e6, 3e7, 25, 1e4}, {1000, 5, 0.5, 0.5},
	} {
		over := func(x float64) float64 {
			return (c.s-x*c.n)*(c.s-x*c.n) - z*z*(c.ss*c.ss+x*x*c.sn*c.sn)
		}
		root := func(sign float64) float64 {
			lo, hi := 0.0, 1e9 // over is negative at the ratio and positive far away
			for range 200 {
				mid := (lo + hi) / 2
				if over(c.s/c.n+sign*mid) < 0 {
					lo = mid
				} else {
					hi = mid
				}
			}
			return lo
		}
		want := math.Max(root(1), root(-1))
		if got := fieller(c.n, c.s/c.n, c.sn, c.ss); math.Abs(got/want-1) > 1e-6 {
			t.Errorf("%+v: half-width %v, roots say %v", c, got, want)
		}
	}
	if !math.IsInf(fieller(10, 1, 10, 1), 1) {
		t.Error("an unbounded interval has a finite half-width")
	}
}

// TestNoFigureIsEverNotANumber releases extreme moments at extreme noise.
func TestNoFigureIsEverNotANumber(t *testing.T) {
	extremes := []*big.Int{nil, big.NewInt(0), big.NewInt(1), big.NewInt(-1), big.NewInt(2), big.NewInt(math.MaxInt64), big.NewInt(math.MinInt64)}
	for _, bits := range []uint{126, 900} {
		x := new(big.Int).Lsh(big.NewInt(1), bits)
		extremes = append(extremes, x, new(big.Int).Neg(x))
	}
	spec := Spec{
		Groups: []Domain{{Name: "g"}},
		Items:  []Item{{Name: ItemRows}, {Name: "s"}, {Name: "q"}},
		Outputs: []Output{
			{Name: "n", Kind: OutCount, N: 0, Decimals: 18},
			{Name: "s", Kind: OutSum, S: 1, Decimals: 18},
			{Name: "mean", Kind: OutMean, N: 0, S: 1, Center: math.MinInt64, Decimals: 18},
			{Name: "var", Kind: OutVar, N: 0, S: 1, Q: 2, Decimals: 18},
			{Name: "sd", Kind: OutSD, N: 0, S: 1, Q: 2},
		},
	}
	raw := Cells{Values: make([][]*big.Int, 3)}
	for _, n := range extremes {
		for _, s := range extremes {
			for _, q := range extremes {
				raw.Values[0], raw.Values[1], raw.Values[2] = append(raw.Values[0], n), append(raw.Values[1], s), append(raw.Values[2], q)
				spec.Groups[0].Labels = append(spec.Groups[0].Labels, catalog.IntValue(int64(len(raw.Values[0]))))
			}
		}
	}
	huge := sigma2(1, 1)
	huge.Num = new(big.Int).Lsh(huge.Num, 1000)
	tiny := sigma2(1, 1)
	tiny.Den = new(big.Int).Lsh(tiny.Den, 1000)
	for _, v := range []struct{ n, s, q int }{{0, 0, 0}, {1, 1, 1}, {0, 1, 1}, {1, 0, 0}} {
		for i, which := range []int{v.n, v.s, v.q} {
			spec.Items[i].Sigma2 = huge
			if which == 0 {
				spec.Items[i].Sigma2 = tiny
			}
		}
		r := withoutNoise(t, NewRaw(raw), spec)
		for _, row := range r.Rows {
			for j := range row.Values {
				for _, c := range []Cell{row.Values[j], row.Error95[j]} {
					if math.IsNaN(c.Float) || math.IsInf(c.Float, 0) {
						t.Fatalf("%s is %v", r.Columns[j].Name, c.Float)
					}
				}
				if e := row.Error95[j]; e.Float < 0 || e.Fixed != nil && e.Fixed.Sign() < 0 {
					t.Fatalf("negative half-width %+v", e)
				}
			}
		}
		if back, err := Decode(Encode(r)); err != nil || len(back.Rows) != len(r.Rows) {
			t.Fatalf("extreme table does not read back: %v", err)
		}
	}
}

// TestHalfWidthAtBoundsWhatIsReleased: at the edge of the bounds, where it is reached, and elsewhere.
func TestHalfWidthAtBoundsWhatIsReleased(t *testing.T) {
	for _, c := range []struct {
		x    sample
		e    int64
		near bool // values at the edge: the bound for the mean is nearly reached
	}{
		{values(50, map[int64]int64{50: 2_000}), 50, true},
		{values(50, map[int64]int64{0: 2_000}), 50, false},
		{values(50, map[int64]int64{50: 1_000, -50: 1_000}), 50, false},
		{values(1, map[int64]int64{1: 700, 0: 300}), 10, false},
	} {
		spec := Spec{
			Items: []Item{
				{Name: ItemRows, Sigma2: bought(t, big.NewInt(c.e))},
				{Name: "s", Sigma2: bought(t, big.NewInt(c.e*c.x.u))},
				{Name: "q", Sigma2: bought(t, big.NewInt(c.e*c.x.u*c.x.u))},
			},
			Outputs: []Output{
				{Name: "n", Kind: OutCount, N: 0},
				{Name: "total", Kind: OutSum, S: 1, Decimals: 2},
				{Name: "mean", Kind: OutMean, N: 0, S: 1, Decimals: 2},
				{Name: "var", Kind: OutVar, N: 0, S: 1, Q: 2, Decimals: 2},
				{Name: "sd", Kind: OutSD, N: 0, S: 1, Q: 2, Decimals: 2},
			},
		}
		r := withoutNoise(t, NewRaw(Cells{Values: [][]*big.Int{bigs(c.x.n), bigs(c.x.s), bigs(c.x.q)}}), spec)
		for j, o := range spec.Outputs {
			got, _ := shown(r.Rows[0].Error95[j])
			bound, ok := HalfWidthAt(o, spec.Items, c.x.n)
			if !ok || got > bound*1.02 { // the ratio of spreads is the distance up to the half counted in spread
				t.Errorf("%s of %+v: half-width %v, quoted %v %v", o.Name, c.x, got, bound, ok)
			}
			if (o.Kind == OutCount || o.Kind == OutSum || o.Kind == OutMean && c.near) && got < bound*0.98 {
				t.Errorf("%s of %+v: half-width %v, quoted %v", o.Name, c.x, got, bound)
			}
		}
		if _, ok := HalfWidthAt(spec.Outputs[2], spec.Items, c.e*4/2); ok {
			t.Error("a mean that would be hidden has a half-width")
		}
	}
	if _, ok := HalfWidthAt(Output{Kind: OutMean, N: 0, S: 1}, []Item{{}, {}}, 100); ok {
		t.Error("items without noise have a half-width")
	}
	if _, ok := HalfWidthAt(Output{Kind: OutMean, N: 0, S: 5}, []Item{{Sigma2: sigma2(1, 1)}}, 100); ok {
		t.Error("an item that is not there has a half-width")
	}
	if _, ok := HalfWidthAt(Output{Kind: OutGroup}, []Item{{Sigma2: sigma2(1, 1)}}, 100); ok {
		t.Error("a group has a half-width")
	}
}
