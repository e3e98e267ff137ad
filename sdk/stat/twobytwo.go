package stat

import "math"

// TwoByTwo names exposure and outcome.
type TwoByTwo struct{ Exposure, Outcome Pair }

// fourfold is a 2x2 table: a exposed with outcome, b exposed without, c and d unexposed.
type fourfold struct {
	group      []string
	a, b, c, d float64
	sigma      float64
}

func (q TwoByTwo) cut(t Table, by []string) ([]fourfold, error) {
	parts, err := t.split(by, q.Exposure.Dim, q.Outcome.Dim)
	if err != nil {
		return nil, err
	}
	e1, e0, err := q.Exposure.find(parts[0].Dims[0])
	if err != nil {
		return nil, err
	}
	o1, o0, err := q.Outcome.find(parts[0].Dims[1])
	if err != nil {
		return nil, err
	}
	w := len(parts[0].Dims[1].Labels)
	var out []fourfold
	for _, p := range parts {
		out = append(out, fourfold{p.group, p.Cells[e1*w+o1], p.Cells[e1*w+o0], p.Cells[e0*w+o1], p.Cells[e0*w+o0], p.Sigma})
	}
	return out, nil
}

// OddsRatio of outcome for exposure in each group of by. Woolf (1955) with noise:
// Var(log OR) = sum (1/n_i + sigma^2/n_i^2). Hidden when a cell is below 1.
func OddsRatio(t Table, q TwoByTwo, by ...string) ([]Estimate, error) {
	return q.each(t, by, func(f fourfold) Estimate {
		s, v := 0.0, f.sigma*f.sigma
		noise := 0.0
		for _, n := range []float64{f.a, f.b, f.c, f.d} {
			if n < 1 {
				return hidden("odds ratio", f.group, CellBelow1)
			}
			s += 1 / n
			noise += v / (n * n)
		}
		return f.warn(logNormal("odds ratio", f.group, math.Log(f.a)-math.Log(f.b)-math.Log(f.c)+math.Log(f.d), s, noise))
	})
}

// RiskRatio of outcome for exposure: the two score intervals with noise, joined by square-and-add on the log scale (Donner & Zou
// 2012). The delta method's Var(log RR) of the design covers the exact ratio in 97.2 % at 5 sigma per cell; this does in 95.
func RiskRatio(t Table, q TwoByTwo, by ...string) ([]Estimate, error) {
	return q.each(t, by, func(f fourfold) Estimate {
		if min(f.a, f.b, f.c, f.d) < 1 {
			return hidden("risk ratio", f.group, CellBelow1)
		}
		s1, s0 := share(f.a, f.b, f.sigma), share(f.c, f.d, f.sigma)
		x, y := s1.estimate("", nil, s1.y, -s1.y), s0.estimate("", nil, s0.y, -s0.y)
		if x.Hidden || y.Hidden {
			return hidden("risk ratio", f.group, TooNoisy)
		}
		e := Estimate{Name: "risk ratio", Group: f.group, Value: x.Value / y.Value}
		e.Lo, e.Hi = ratioOf(x.Value, x.Lo, x.Hi, y.Value, y.Lo, y.Hi)
		e.NoiseLo, e.NoiseHi = ratioOf(x.Value, x.NoiseLo, x.NoiseHi, y.Value, y.NoiseLo, y.NoiseHi)
		e.NaiveLo, e.NaiveHi = ratioOf(x.Value, x.NaiveLo, x.NaiveHi, y.Value, y.NaiveLo, y.NaiveHi)
		return f.warn(e.done())
	})
}

// ratioOf joins on the log scale; an end at or below 0 is minus infinity there, and leaves the ratio unbounded on its side.
func ratioOf(x, xl, xh, y, yl, yh float64) (lo, hi float64) {
	log := func(v float64) float64 { return math.Log(math.Max(v, 0)) }
	lo, hi = square(log(x), log(xl), log(xh), log(y), log(yl), log(yh))
	return math.Exp(lo), math.Exp(hi)
}

// RiskDifference, exposed minus unexposed: the two score intervals with noise, joined by Newcombe's square-and-add (1998).
func RiskDifference(t Table, q TwoByTwo, by ...string) ([]Estimate, error) {
	return q.each(t, by, func(f fourfold) Estimate {
		s1, s0 := share(f.a, f.b, f.sigma), share(f.c, f.d, f.sigma)
		x, y := s1.estimate("", nil, s1.y, -s1.y), s0.estimate("", nil, s0.y, -s0.y)
		if x.Hidden || y.Hidden {
			return hidden("risk difference", f.group, TooNoisy)
		}
		e := Estimate{Name: "risk difference", Group: f.group, Value: x.Value - y.Value}
		e.Lo, e.Hi = square(x.Value, x.Lo, x.Hi, y.Value, y.Lo, y.Hi)
		e.NoiseLo, e.NoiseHi = square(x.Value, x.NoiseLo, x.NoiseHi, y.Value, y.NoiseLo, y.NoiseHi)
		e.NaiveLo, e.NaiveHi = square(x.Value, x.NaiveLo, x.NaiveHi, y.Value, y.NaiveLo, y.NaiveHi)
		return e.done()
	})
}

func square(x, xl, xh, y, yl, yh float64) (lo, hi float64) {
	return x - y - math.Hypot(x-xl, yh-y), x - y + math.Hypot(xh-x, y-yl)
}

func (q TwoByTwo) each(t Table, by []string, f func(fourfold) Estimate) ([]Estimate, error) {
	tables, err := q.cut(t, by)
	if err != nil {
		return nil, err
	}
	var out []Estimate
	for _, x := range tables {
		out = append(out, f(x))
	}
	return out, nil
}

func (f fourfold) warn(e Estimate) Estimate {
	if !e.Hidden && min(f.a, f.b, f.c, f.d) < floor*f.sigma {
		e.Warning = SmallCell
	}
	return e
}
