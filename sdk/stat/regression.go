package stat

import (
	"fmt"
	"math"
)

// Logistic regresses the log odds of the outcome (Yes against No) on the model, by iteratively reweighted least squares on the
// table. With Sigma = 0 and bins of one value it is R's glm(family = binomial).
func Logistic(t Table, outcome Pair, m Model) (Fit, error) {
	d, tab, dim, err := m.against(t, outcome.Dim)
	if err != nil {
		return Fit{}, err
	}
	yes, no, err := outcome.find(dim)
	if err != nil {
		return Fit{}, err
	}
	response := make([]float64, len(dim.Labels))
	keep := make([]bool, len(dim.Labels))
	response[yes], keep[yes], keep[no] = 1, true, true
	p := d.problem("logistic regression", tab, response, nil, keep)
	p.mean, p.robust = logit, m.Robust
	y, n := p.totals()
	p.start[0] = math.Log((math.Max(y, 0) + 0.5) / (math.Max(n-y, 0) + 0.5))
	return p.fit(0, "odds ratio"), nil
}

// Linear regresses the middle of the response's bin on the model by least squares: all its sums are linear in the
// cells. With Sigma = 0 and bins of one value it is R's lm. (D'Orazio, Honaker & King 2015; Bernstein & Sheldon 2019.)
func Linear(t Table, response string, m Model) (Fit, error) {
	p, err := m.numeric(t, response, "linear regression")
	if err != nil {
		return Fit{}, err
	}
	p.mean, p.dispersion = identity, true
	return p.fit(0, ""), nil
}

// Poisson regresses a count (the middle of its bin) on the model with a log link. With Sigma = 0 and bins of one value it is
// R's glm(family = poisson); counts usually vary more than Poisson's law says, see [Model.Robust].
func Poisson(t Table, response string, m Model) (Fit, error) {
	p, err := m.numeric(t, response, "poisson regression")
	if err != nil {
		return Fit{}, err
	}
	for _, c := range p.cells {
		if c.rows[0].y < 0 {
			return Fit{}, fmt.Errorf("%w: dimension %q has counts below 0", ErrArgument, response)
		}
	}
	p.mean = exponential
	y, n := p.totals()
	p.start[0] = math.Log((math.Max(y, 0) + 0.5) / (math.Max(n, 0) + 0.5))
	return p.fit(0, "rate ratio"), nil
}

func (m Model) numeric(t Table, response, name string) (problem, error) {
	d, tab, dim, err := m.against(t, response)
	if err != nil {
		return problem{}, err
	}
	lo, hi, ok, err := dim.bins()
	if err != nil {
		return problem{}, err
	}
	mid, half := make([]float64, len(lo)), make([]float64, len(lo))
	for i := range lo {
		mid[i], half[i] = (lo[i]+hi[i])/2, (hi[i]-lo[i])/2
	}
	p := d.problem(name, tab, mid, half, ok)
	p.robust = m.Robust
	return p, nil
}

// against builds the design with an intercept and sums the table down to its dimensions and the response.
func (m Model) against(t Table, response string) (design, Table, Dim, error) {
	d, err := m.design(t, 1)
	if err != nil {
		return d, Table{}, Dim{}, err
	}
	tab, err := t.Over(append(append([]string{}, d.dims...), response)...)
	if err != nil {
		return d, tab, Dim{}, err
	}
	return d, tab, tab.Dims[len(tab.Dims)-1], nil
}

// problem of a table whose last dimension is the response.
func (d design) problem(name string, t Table, y, half []float64, keep []bool) problem {
	p := problem{name: name, names: append([]string{"(intercept)"}, d.names...), sigma: t.Sigma}
	p.start = make([]float64, len(p.names))
	w := len(y)
	for i, q := range d.patterns {
		if q.at != nil {
			q = pattern{append([]int{0}, q.at...), append([]float64{1}, q.x...), append([]float64{0}, q.half...)}
		}
		p.patterns = append(p.patterns, q)
		if q.at == nil {
			continue
		}
		for j := range w {
			if !keep[j] {
				continue
			}
			r := row{pattern: i, y: y[j], e: 1}
			if half != nil {
				r.halfY = half[j]
			}
			p.cells = append(p.cells, cell{t.Cells[i*w+j], []row{r}})
		}
	}
	return p
}

func (p problem) totals() (y, n float64) {
	for _, c := range p.cells {
		y += c.n * c.rows[0].y
		n += c.n
	}
	return y, n
}
