package stat

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Errors of arguments. They name dimensions and labels, never a cell's value.
var (
	ErrTable    = errors.New("table is malformed")
	ErrArgument = errors.New("argument does not fit the table")
)

// maxCells bounds the work that one table can cause.
const maxCells = 1 << 20

// maxCell is where float64 stops holding every integer.
const maxCell = 1 << 53

// Table is a full crosstab: Cells has one count for each combination of the labels of Dims, the last dimension running fastest.
// Counts are raw: noisy, perhaps negative. Sigma is the standard deviation of the noise in each cell, 0 for an exact table.
type Table struct {
	Dims  []Dim
	Cells []float64
	Sigma float64
}

// Dim is one dimension. Lo and Hi give the values a label stands for: all values from Lo to Hi, or one value where Lo = Hi.
// Without them, labels that are numbers stand for themselves. Labels without a number (such as "other") may be NaN in Lo and Hi:
// they count in tables and are left out where a number is needed.
type Dim struct {
	Name   string
	Labels []string
	Lo, Hi []float64
}

// Check finds what no estimator could use.
func (t Table) Check() error {
	n := 1
	seen := map[string]bool{}
	for _, d := range t.Dims {
		if d.Name == "" || seen[d.Name] {
			return fmt.Errorf("%w: dimension %q has no name or comes twice", ErrTable, d.Name)
		}
		seen[d.Name] = true
		if len(d.Labels) == 0 {
			return fmt.Errorf("%w: dimension %q has no labels", ErrTable, d.Name)
		}
		if n *= len(d.Labels); n > maxCells {
			return fmt.Errorf("%w: more than %d cells", ErrTable, maxCells)
		}
		if len(d.Lo) != len(d.Hi) || len(d.Lo) != 0 && len(d.Lo) != len(d.Labels) {
			return fmt.Errorf("%w: dimension %q needs one Lo and one Hi for each label, or none", ErrTable, d.Name)
		}
		for i := range d.Lo {
			if d.Hi[i] < d.Lo[i] || math.Abs(d.Lo[i]) > maxCell {
				return fmt.Errorf("%w: dimension %q, label %q: Lo must be finite and not above Hi", ErrTable, d.Name, d.Labels[i])
			}
		}
	}
	if len(t.Cells) != n {
		return fmt.Errorf("%w: the dimensions make %d cells, the table has %d", ErrTable, n, len(t.Cells))
	}
	for _, c := range t.Cells {
		if math.IsNaN(c) || math.Abs(c) > maxCell {
			return fmt.Errorf("%w: a cell is no number below 2^53", ErrTable)
		}
	}
	if !(t.Sigma >= 0 && t.Sigma < maxCell) {
		return fmt.Errorf("%w: Sigma must be a number from 0 up", ErrTable)
	}
	return nil
}

// Over sums the table down to the named dimensions, in that order. Its cells are sums of disjoint cells, so their noise is again
// independent, and Sigma grows with the square root of how many went into each.
func (t Table) Over(names ...string) (Table, error) {
	if err := t.Check(); err != nil {
		return Table{}, err
	}
	at := make([]int, len(names))
	out := Table{Dims: make([]Dim, len(names))}
	n := 1
	for i, name := range names {
		d := t.dim(name)
		if d < 0 {
			return Table{}, fmt.Errorf("%w: no dimension %q (there are %q)", ErrArgument, name, t.names())
		}
		if slices.Contains(at[:i], d) {
			return Table{}, fmt.Errorf("%w: dimension %q is named twice", ErrArgument, name)
		}
		at[i], out.Dims[i] = d, t.Dims[d]
		n *= len(t.Dims[d].Labels)
	}
	out.Cells = make([]float64, n)
	out.Sigma = t.Sigma * math.Sqrt(float64(len(t.Cells)/n))
	index := make([]int, len(t.Dims))
	for _, c := range t.Cells {
		k := 0
		for _, d := range at {
			k = k*len(t.Dims[d].Labels) + index[d]
		}
		out.Cells[k] += c
		for d := len(index) - 1; d >= 0; d-- {
			if index[d]++; index[d] < len(t.Dims[d].Labels) {
				break
			}
			index[d] = 0
		}
	}
	return out, nil
}

// part is the piece of a table where the leading dimensions have these labels.
type part struct {
	group []string
	Table
}

// split sums the table down to by and rest, and cuts it into one piece over rest for each combination of labels of by.
func (t Table) split(by []string, rest ...string) ([]part, error) {
	m, err := t.Over(append(slices.Clone(by), rest...)...)
	if err != nil {
		return nil, err
	}
	lead, size := m.Dims[:len(by)], 1
	for _, d := range m.Dims[len(by):] {
		size *= len(d.Labels)
	}
	var parts []part
	for at := 0; at < len(m.Cells); at += size {
		p := part{Table: Table{Dims: m.Dims[len(by):], Cells: m.Cells[at : at+size], Sigma: m.Sigma}}
		k := at / size
		p.group = make([]string, len(lead))
		for i := len(lead) - 1; i >= 0; i-- {
			p.group[i] = lead[i].Labels[k%len(lead[i].Labels)]
			k /= len(lead[i].Labels)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func (t Table) dim(name string) int {
	return slices.IndexFunc(t.Dims, func(d Dim) bool { return d.Name == name })
}

func (t Table) names() []string {
	var names []string
	for _, d := range t.Dims {
		names = append(names, d.Name)
	}
	return names
}

// Pair picks two labels of a dimension. Without labels, a dimension with exactly two means: No is the first, Yes the second.
type Pair struct {
	Dim     string
	Yes, No string
}

// find returns the indexes of the two labels in d.
func (p Pair) find(d Dim) (yes, no int, err error) {
	if p.Yes == "" && p.No == "" && len(d.Labels) == 2 {
		return 1, 0, nil
	}
	yes, no = slices.Index(d.Labels, p.Yes), slices.Index(d.Labels, p.No)
	if p.No == "" && yes >= 0 && len(d.Labels) == 2 {
		no = 1 - yes
	}
	if yes < 0 || no < 0 || yes == no {
		return 0, 0, fmt.Errorf("%w: dimension %q needs two of its labels, Yes and No, and has %q", ErrArgument, d.Name, d.Labels)
	}
	return yes, no, nil
}

// bins gives the numbers behind the labels. ok is false where a label has none.
func (d Dim) bins() (lo, hi []float64, ok []bool, err error) {
	n := len(d.Labels)
	lo, hi, ok = make([]float64, n), make([]float64, n), make([]bool, n)
	any := false
	for i, l := range d.Labels {
		if d.Lo != nil {
			lo[i], hi[i] = d.Lo[i], d.Hi[i]
			if math.IsInf(hi[i], 1) {
				hi[i] = lo[i]
			}
		} else if v, err := strconv.ParseFloat(l, 64); err == nil {
			lo[i], hi[i] = v, v
		} else {
			lo[i], hi[i] = math.NaN(), math.NaN()
		}
		ok[i] = math.Abs(lo[i]) <= maxCell && math.Abs(hi[i]) <= maxCell
		any = any || ok[i]
	}
	if !any {
		return nil, nil, nil, fmt.Errorf("%w: dimension %q has no numbers: give its labels Lo and Hi", ErrArgument, d.Name)
	}
	return lo, hi, ok, nil
}
