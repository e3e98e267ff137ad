package stat

import (
	"fmt"
	"math"
)

// WeightedDifference is the difference in the mean of a numeric outcome between treated (Yes) and untreated (No), each weighted
// by the inverse of their probability of the treatment they had, which a logistic regression on the model gives (Robins, Hernán & Brumback
// 2000; weights normalised in each arm, so that stabilised ones give the same).
//
// Both variances come from the influence of a cell on the stacked equations of regression and means, so that the
// estimation of the weights is in them. R's answers that take weights as known are wider. Bias counts the bins of the outcome,
// not those of covariates.
func WeightedDifference(t Table, treatment Pair, outcome string, m Model) (Estimate, error) {
	const name = "weighted difference"
	d, err := m.design(t, 1)
	if err != nil {
		return Estimate{}, err
	}
	tab, err := t.Over(append(append([]string{}, d.dims...), treatment.Dim, outcome)...)
	if err != nil {
		return Estimate{}, err
	}
	arms, out := tab.Dims[len(d.dims)], tab.Dims[len(d.dims)+1]
	yes, no, err := treatment.find(arms)
	if err != nil {
		return Estimate{}, err
	}
	lo, hi, ok, err := out.bins()
	if err != nil {
		return Estimate{}, err
	}
	// One response per pair of labels: the treatment alone enters the regression.
	w := len(arms.Labels) * len(lo)
	response, keep := make([]float64, w), make([]bool, w)
	for j := range lo {
		response[yes*len(lo)+j] = 1
		keep[yes*len(lo)+j], keep[no*len(lo)+j] = ok[j], ok[j]
	}
	p := d.problem(name, tab, response, nil, keep)
	p.mean = logit
	treated, n := p.totals()
	p.start[0] = math.Log((math.Max(treated, 0) + 0.5) / (math.Max(n-treated, 0) + 0.5))
	beta, j, ok1 := p.solve()
	if !ok1 {
		return hidden(name, nil, NoFit), nil
	}
	a, ok1 := j.inverse()
	if !ok1 || !p.steady(a, beta) {
		return hidden(name, nil, "too noisy: the probabilities of treatment cannot be estimated"), nil
	}
	var values []float64 // of the outcome, cell by cell, in the order of p.cells
	var half []float64
	for _, q := range d.patterns {
		if q.at == nil {
			continue
		}
		for k := range w {
			if keep[k] {
				i := k % len(lo)
				values, half = append(values, (lo[i]+hi[i])/2), append(half, (hi[i]-lo[i])/2)
			}
		}
	}
	if len(values) != len(p.cells) {
		return Estimate{}, fmt.Errorf("%w: cells and outcomes do not match", ErrTable)
	}
	return p.weighted(name, beta, a, values, half), nil
}

func (p problem) weighted(name string, beta []float64, a matrix, values, half []float64) Estimate {
	var sum, weight, bias, square [2]float64
	warning := ""
	for i, c := range p.cells {
		k, w := p.weight(c, beta)
		sum[k] += c.n * w * values[i]
		weight[k] += c.n * w
		square[k] += w * w
		bias[k] += math.Max(c.n, 0) * w * half[i]
		if w > 50 {
			warning = "some have a probability below 2 % of the treatment they had: the groups hardly overlap"
		}
	}
	for k := range weight {
		if weight[k] < 1 || weight[k] < floor*p.sigma*math.Sqrt(square[k]) {
			return hidden(name, nil, TooNoisy)
		}
	}
	mean := [2]float64{sum[0] / weight[0], sum[1] / weight[1]}
	// How the weighted sums move with the coefficients of the regression.
	slope := [2][]float64{make([]float64, len(beta)), make([]float64, len(beta))}
	for i, c := range p.cells {
		k, w := p.weight(c, beta)
		sign := 1.0
		if k == 1 {
			sign = -1
		}
		p.patterns[c.rows[0].pattern].add(slope[k], sign*c.n*(values[i]-mean[k])*(w-1))
	}
	pull := [2][]float64{a.times(slope[0]), a.times(slope[1])}
	score := make([]float64, len(beta))
	noise, sampling := 0.0, 0.0
	for i, c := range p.cells {
		p.psi(c, beta, score)
		k, w := p.weight(c, beta)
		own := w * (values[i] - mean[k])
		influence := [2]float64{dot(pull[0], score), dot(pull[1], score)}
		influence[k] += own
		f := influence[1]/weight[1] - influence[0]/weight[0]
		noise += f * f
		sampling += c.n * f * f
	}
	e := normal(name, nil, mean[1]-mean[0], sampling, p.sigma*p.sigma*noise)
	e.Bias = bias[0]/weight[0] + bias[1]/weight[1]
	if !e.Hidden {
		e.Warning = warning
	}
	return e.done()
}

// weight is the arm (1 treated) of a cell and the inverse of its probability.
func (p problem) weight(c cell, beta []float64) (arm int, w float64) {
	r := c.rows[0]
	mu, _ := p.mean(p.patterns[r.pattern].eta(beta))
	if r.y == 1 {
		return 1, 1 / math.Max(mu, 1e-9)
	}
	return 0, 1 / math.Max(1-mu, 1e-9)
}
