package stat

import "math"

// MantelHaenszel is the odds ratio common to all strata (Mantel & Haenszel 1959): sum a d/n over sum b c/n, by strata of by.
// Sampling: Robins, Breslow & Greenland (1986). Noise: delta method, the gradient of the logarithm in every cell. Strata with
// a noisy total below 4 sigma leave, and the warning says so.
func MantelHaenszel(t Table, q TwoByTwo, by ...string) (Estimate, error) {
	const name = "Mantel-Haenszel odds ratio"
	strata, err := q.cut(t, by)
	if err != nil {
		return Estimate{}, err
	}
	var r, s, pr, both, qs float64
	warning := ""
	used := strata[:0]
	for _, f := range strata {
		n := f.a + f.b + f.c + f.d
		if n < 1 || n < floor*2*f.sigma {
			warning = "a stratum with a total below 4 standard deviations of its noise is left out"
			continue
		}
		used = append(used, f)
		ri, si := f.a*f.d/n, f.b*f.c/n
		p, u := (f.a+f.d)/n, (f.b+f.c)/n
		r, s = r+ri, s+si
		pr, both, qs = pr+p*ri, both+p*si+u*ri, qs+u*si
	}
	if !(r > 0) || !(s > 0) {
		return hidden(name, nil, "too noisy: no stratum has cases and controls on both sides"), nil
	}
	noise, vr, vs := 0.0, 0.0, 0.0
	for _, f := range used {
		n := f.a + f.b + f.c + f.d
		v := f.sigma * f.sigma
		ad, bc := f.a*f.d/n, f.b*f.c/n
		for _, g := range [4][2]float64{ // gradients of ad/n and bc/n in a, b, c, d
			{f.d/n - ad/n, -bc / n},
			{-ad / n, f.c/n - bc/n},
			{-ad / n, f.b/n - bc/n},
			{f.a/n - ad/n, -bc / n},
		} {
			d := g[0]/r - g[1]/s
			noise += v * d * d
			vr += v * g[0] * g[0]
			vs += v * g[1] * g[1]
		}
	}
	if r < floor*math.Sqrt(vr) || s < floor*math.Sqrt(vs) {
		return hidden(name, nil, TooNoisy), nil
	}
	e := logNormal(name, nil, math.Log(r/s), pr/(2*r*r)+both/(2*r*s)+qs/(2*s*s), noise)
	if !e.Hidden {
		e.Warning = warning
	}
	return e, nil
}
