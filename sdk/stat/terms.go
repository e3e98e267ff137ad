package stat

import (
	"fmt"
	"math"
	"slices"
)

// Form is how a dimension enters a regression.
type Form int

// Forms of a term.
const (
	Category Form = iota // one coefficient for each label but the reference
	Number               // the middle of the bin
	Square               // the square of the middle
	Log                  // the natural logarithm of the middle
)

// Term is one covariate of a regression.
type Term struct {
	Dim  string
	Form Form
	Ref  string // Category: the label to compare with; the first label when empty
}

// Model is the right-hand side of a regression. Dimensions of the table that it does not name are summed out.
type Model struct {
	Terms []Term
	// Robust takes the sampling variance from the spread of the scores (the sandwich: Huber 1967, White 1980) instead of from
	// the model. R's glm does not; choose it for counts, which vary more than Poisson's law says.
	Robust bool
}

// maxParameters bounds the work of a fit.
const maxParameters = 200

// maxEntries bounds its memory: the entries of the design matrix that are not 0.
const maxEntries = 1 << 20

// pattern is one row of the design matrix, without its zeros.
type pattern struct {
	at   []int
	x    []float64
	half []float64 // half the width of the interval that x stands for
}

func (p pattern) eta(beta []float64) float64 {
	s := 0.0
	for i, k := range p.at {
		s += p.x[i] * beta[k]
	}
	return s
}

func (p pattern) add(to []float64, w float64) {
	for i, k := range p.at {
		to[k] += w * p.x[i]
	}
}

func (p pattern) addOuter(m matrix, w float64) {
	for i, k := range p.at {
		for j, l := range p.at {
			m[k][l] += w * p.x[i] * p.x[j]
		}
	}
}

// design is the covariate part of the design matrix: one pattern for each combination of labels of the dimensions it uses.
type design struct {
	dims     []string  // in the order of the patterns
	names    []string  // of the parameters
	patterns []pattern // an absent combination (a label without a number) has at == nil
}

// design builds the patterns; parameters are numbered from first on. Without first, number 0 is the intercept.
func (m Model) design(t Table, first int) (design, error) {
	var d design
	if err := t.Check(); err != nil {
		return d, err
	}
	var dims []Dim
	for _, term := range m.Terms {
		i := t.dim(term.Dim)
		if i < 0 {
			return d, fmt.Errorf("%w: no dimension %q (there are %q)", ErrArgument, term.Dim, t.names())
		}
		if !slices.Contains(d.dims, term.Dim) {
			d.dims = append(d.dims, term.Dim)
			dims = append(dims, t.Dims[i])
		}
	}
	// columns[i] holds, for each label of a term's dimension, what it adds to the row; nil where it has no number.
	type column struct {
		dim  int
		rows []pattern
	}
	var columns []column
	n := first
	for _, term := range m.Terms {
		k := slices.Index(d.dims, term.Dim)
		rows, names, err := term.rows(dims[k], n)
		if err != nil {
			return d, err
		}
		d.names = append(d.names, names...)
		n += len(names)
		columns = append(columns, column{k, rows})
	}
	if n > maxParameters {
		return d, fmt.Errorf("%w: %d parameters, at most %d", ErrArgument, n, maxParameters)
	}
	size := 1
	for _, dim := range dims {
		size *= len(dim.Labels)
	}
	if size*len(columns) > maxEntries {
		return d, fmt.Errorf("%w: %d combinations of labels with %d terms each are too many: use coarser labels or fewer terms", ErrArgument, size, len(columns))
	}
	index := make([]int, len(dims))
	for range size {
		row := pattern{at: []int{}}
		for _, c := range columns {
			r := c.rows[index[c.dim]]
			if r.at == nil {
				row.at = nil
				break
			}
			row.at, row.x, row.half = append(row.at, r.at...), append(row.x, r.x...), append(row.half, r.half...)
		}
		d.patterns = append(d.patterns, row)
		for i := len(index) - 1; i >= 0; i-- {
			if index[i]++; index[i] < len(dims[i].Labels) {
				break
			}
			index[i] = 0
		}
	}
	return d, nil
}

// rows gives one pattern for each label of the dimension.
func (t Term) rows(d Dim, first int) (rows []pattern, names []string, err error) {
	rows = make([]pattern, len(d.Labels))
	if t.Form == Category {
		ref := 0
		if t.Ref != "" {
			ref = slices.Index(d.Labels, t.Ref)
		}
		if ref < 0 {
			return nil, nil, fmt.Errorf("%w: dimension %q has no label %q", ErrArgument, d.Name, t.Ref)
		}
		for i, l := range d.Labels {
			rows[i] = pattern{at: []int{}}
			if i != ref {
				rows[i] = pattern{at: []int{first + len(names)}, x: []float64{1}, half: []float64{0}}
				names = append(names, d.Name+"="+l)
			}
		}
		return rows, names, nil
	}
	f := func(x float64) float64 { return x }
	name := d.Name
	switch t.Form {
	case Number:
	case Square:
		f, name = func(x float64) float64 { return x * x }, d.Name+"^2"
	case Log:
		f, name = math.Log, "log("+d.Name+")"
	default:
		return nil, nil, fmt.Errorf("%w: unknown form %d of dimension %q", ErrArgument, t.Form, d.Name)
	}
	lo, hi, ok, err := d.bins()
	if err != nil {
		return nil, nil, err
	}
	for i := range lo {
		if !ok[i] {
			continue
		}
		if t.Form == Log && lo[i] <= 0 {
			return nil, nil, fmt.Errorf("%w: dimension %q, label %q: the logarithm needs values above 0", ErrArgument, d.Name, d.Labels[i])
		}
		mid := f((lo[i] + hi[i]) / 2)
		half := math.Max(math.Abs(f(hi[i])-mid), math.Abs(mid-f(lo[i])))
		if t.Form == Square && lo[i] < 0 && hi[i] > 0 {
			half = math.Max(half, mid)
		}
		rows[i] = pattern{at: []int{first}, x: []float64{mid}, half: []float64{half}}
	}
	return rows, []string{name}, nil
}
