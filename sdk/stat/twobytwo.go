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

// RiskRatio of outcome for exposure. Delta method, n = a+b in each arm: Var(log RR) = sum over arms of
// b/(a n) + sigma^2 (a^2+b^2)/(a n)^2, since noise in a moves log(a/n) by b/(a n) and noise in b by -1/n.
func RiskRatio(t Table, q TwoByTwo, by ...string) ([]Estimate, error) {
	return q.each(t, by, func(f fourfold) Estimate {
		s, noise, v := 0.0, 0.0, f.sigma*f.sigma
		for _, arm := range [][2]float64{{f.a, f.b}, {f.c, f.d}} {
			a, b := arm[0], arm[1]
			n := a + b
			if a < 1 || b < 1 {
				return hidden("risk ratio", f.group, CellBelow1)
			}
			s += b / (a * n)
			noise += v * (a*a + b*b) / (a * a * n * n)
		}
		return f.warn(logNormal("risk ratio", f.group, math.Log(f.a/(f.a+f.b))-math.Log(f.c/(f.c+f.d)), s, noise))
	})
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
