package stat

import (
	"fmt"
	"math"
)

// maxDF bounds the work of a test: it inverts matrices of this size.
const maxDF = 100

// maxDrawn bounds the work of one replicate over all groups: the covariance of a group's score, and ten steps for each cell that is
// drawn. It keeps the work of a table of any shape below some seconds.
const maxDrawn = 200_000

// ChiSquare is Pearson's test of independence of two dimensions, without continuity correction, in each group of by.
//
// P is a parametric bootstrap under the null (Gaboardi et al. 2016; Kifer & Rogers 2017): 2,000 tables drawn from the noisy
// margins, with fresh noise. Rows and columns whose label nobody carries (a total below 1) leave the table. NoiseLo and
// NoiseHi cover Pearson's statistic of the exact table.
func ChiSquare(t Table, rows, cols string, seed Seed, by ...string) ([]Test, error) {
	parts, err := t.split(by, rows, cols)
	if err != nil {
		return nil, err
	}
	k, cells := (len(parts[0].Dims[0].Labels)-1)*(len(parts[0].Dims[1].Labels)-1), len(parts[0].Cells)
	if k > maxDF {
		return nil, fmt.Errorf("%w: %d degrees of freedom, at most %d: use coarser labels", ErrArgument, k, maxDF)
	}
	if most := maxDrawn / (k*k + 10*cells); len(parts) > most {
		return nil, fmt.Errorf("%w: %d groups of %d cells, at most %d: each is drawn %d times", ErrArgument, len(parts), cells, most, replicates)
	}
	var out []Test
	for _, p := range parts {
		out = append(out, independence(p, seed))
	}
	return out, nil
}

// crossed is a table with its margins.
type crossed struct {
	cells      []float64
	row, col   []float64
	n          float64
	rows, cols int
}

func cross(cells []float64, rows, cols int) crossed {
	c := crossed{cells: cells, rows: rows, cols: cols, row: make([]float64, rows), col: make([]float64, cols)}
	for i := range rows {
		for j := range cols {
			v := cells[i*cols+j]
			c.row[i], c.col[j], c.n = c.row[i]+v, c.col[j]+v, c.n+v
		}
	}
	return c
}

// used drops empty rows and columns: their expected counts are 0 or negative.
func (c crossed) used() crossed {
	var cells []float64
	rows := 0
	for i := range c.rows {
		if c.row[i] < 1 {
			continue
		}
		rows++
		for j := range c.cols {
			if c.col[j] >= 1 {
				cells = append(cells, c.cells[i*c.cols+j])
			}
		}
	}
	if rows == 0 || len(cells) == 0 {
		return crossed{}
	}
	return cross(cells, rows, len(cells)/rows)
}

func (c crossed) pearson() float64 {
	x := 0.0
	for i := range c.rows {
		for j := range c.cols {
			e := c.row[i] * c.col[j] / c.n
			if e > 0 {
				d := c.cells[i*c.cols+j] - e
				x += d * d / e
			}
		}
	}
	return x
}

func independence(p part, seed Seed) Test {
	const name = "chi-square"
	c := cross(p.Cells, len(p.Dims[0].Labels), len(p.Dims[1].Labels)).used()
	df := (c.rows - 1) * (c.cols - 1)
	if c.rows < 2 || c.cols < 2 {
		return hiddenTest(name, p.group, max(df, 0), "too noisy: fewer than two rows or columns have a total of 1 or more")
	}
	sd := p.Sigma * math.Sqrt(float64(len(c.cells)))
	if c.n < floor*sd {
		return hiddenTest(name, p.group, df, TooNoisy)
	}
	test := Test{Name: name, Group: p.group, DF: df, Statistic: c.pearson()}
	test.NaiveP = ChiSquareTail(test.Statistic, df)
	test.P = c.underNull(p.Sigma, test.Statistic, seed)
	s := c.score(p.Sigma)
	var ok1, ok2 bool
	test.Wald, ok1 = s.wald()
	test.NoiseLo, test.NoiseHi, ok2 = s.exact(seed)
	if !ok1 || !ok2 {
		return hiddenTest(name, p.group, df, NotFinite)
	}
	test.WaldP = ChiSquareTail(test.Wald, df)
	if p.Sigma > 0 {
		for i := range c.rows {
			for j := range c.cols {
				if c.row[i]*c.col[j]/c.n < floor*p.Sigma {
					test.Warning = "an expected count is below 4 standard deviations of the noise: trust P, not NaiveP"
				}
			}
		}
	}
	return test.done()
}

// underNull draws tables with the margins' product as mean, adds noise and counts how many are at least as far out.
func (c crossed) underNull(sigma, observed float64, seed Seed) float64 {
	d := seed.draws()
	positive := 0.0
	for i := range c.rows {
		for j := range c.cols {
			positive += c.row[i] * c.col[j] / c.n
		}
	}
	cells := make([]float64, len(c.cells))
	extreme := 0
	for range replicates {
		left, mass := math.Round(c.n), positive
		for i := range c.rows {
			for j := range c.cols {
				e := c.row[i] * c.col[j] / c.n
				k := d.binomial(left, e/mass)
				left, mass = left-k, mass-e
				cells[i*c.cols+j] = k + sigma*d.normal()
			}
		}
		if cross(cells, c.rows, c.cols).pearson() >= observed {
			extreme++
		}
	}
	return tail(extreme)
}

// score is the (r-1)(c-1) residuals O - E of all but the last row and column. Under independence their covariance is
// n (diag(p) - pp') x (diag(q) - qq'), and Pearson's statistic is their quadratic form. Noise enters through the double
// centring that takes O to O - E: to first order O - E is (I - p1') O (I - 1q').
func (c crossed) score(sigma float64) score {
	k := (c.rows - 1) * (c.cols - 1)
	s := score{u: make([]float64, k), v: square0(k), e: square0(k)}
	p, q := make([]float64, c.rows), make([]float64, c.cols)
	for i := range p {
		p[i] = c.row[i] / c.n
	}
	for j := range q {
		q[j] = c.col[j] / c.n
	}
	inner := func(p []float64, a, b int) float64 { // sum over x of (1[a=x]-p_a)(1[b=x]-p_b)
		v := float64(len(p))*p[a]*p[b] - p[a] - p[b]
		if a == b {
			v++
		}
		return v
	}
	multi := func(p []float64, a, b int) float64 {
		v := -p[a] * p[b]
		if a == b {
			v += p[a]
		}
		return v
	}
	w := c.cols - 1
	for x := range k {
		i, j := x/w, x%w
		s.u[x] = c.cells[i*c.cols+j] - c.row[i]*c.col[j]/c.n
		for y := range k {
			h, l := y/w, y%w
			s.v[x][y] = c.n * multi(p, i, h) * multi(q, j, l)
			s.e[x][y] = sigma * sigma * inner(p, i, h) * inner(q, j, l)
		}
	}
	return s
}
