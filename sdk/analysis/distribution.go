package analysis

import (
	"fmt"
	"math"
	"slices"

	"jali/sdk/stat"
)

// part is the histogram over some dimensions where those of by have these labels.
type part struct {
	group []string
	table stat.Table
}

// parts cuts the table by the groups asked for.
func (d *deriver) parts(rest ...string) ([]part, error) { return d.cut(d.table, rest...) }

func (d *deriver) cut(t stat.Table, rest ...string) ([]part, error) {
	m, err := t.Over(append(slices.Clone(d.spec.By), rest...)...)
	if err != nil {
		return nil, err
	}
	lead, size := m.Dims[:len(d.spec.By)], 1
	for _, dim := range m.Dims[len(lead):] {
		size *= len(dim.Labels)
	}
	var out []part
	for at := 0; at < len(m.Cells); at += size {
		p := part{make([]string, len(lead)), stat.Table{Dims: m.Dims[len(lead):], Cells: m.Cells[at : at+size], Sigma: m.Sigma}}
		k := at / size
		for i := len(lead) - 1; i >= 0; i-- {
			p.group[i] = lead[i].Labels[k%len(lead[i].Labels)]
			k /= len(lead[i].Labels)
		}
		out = append(out, p)
	}
	return out, nil
}

// histogram lists the bins with their counts and the share below each.
func (d *deriver) histogram() error {
	parts, err := d.parts(d.spec.Value)
	if err != nil {
		return err
	}
	d.head(append(slices.Clone(d.spec.By), d.spec.Value), "count", "exact_lower95", "exact_upper95", "share", "cumulative")
	for _, p := range parts {
		total, below := 0.0, 0.0
		for _, n := range p.table.Cells {
			total += n
		}
		for i, n := range p.table.Cells {
			below += n
			share, cumulative := n/total, below/total
			if total < 4*p.table.Sigma*math.Sqrt(float64(len(p.table.Cells))) || total < 1 {
				share, cumulative = math.NaN(), math.NaN()
			}
			half := halfWidth * p.table.Sigma
			d.row(append(slices.Clone(p.group), p.table.Dims[0].Labels[i]), false, "", n, n-half, n+half, share, cumulative)
		}
	}
	return nil
}

// halfWidth is the two-sided 95 % point of the normal distribution.
const halfWidth = 1.959963984540054

// quantiles reads them off the distribution of each group.
func (d *deriver) quantiles() error {
	parts, err := d.parts(d.spec.Value)
	if err != nil {
		return err
	}
	if err := reckoned(len(parts), len(parts[0].table.Cells), len(d.spec.At)); err != nil {
		return err
	}
	levels := make([][]part, len(d.levels))
	for l, level := range d.levels {
		if levels[l], err = d.cut(level, d.spec.Value); err != nil {
			return err
		}
	}
	d.head(append(slices.Clone(d.spec.By), "q"), append([]string{"quantile"}, intervals...)...)
	d.out.Columns[len(d.spec.By)].Label = false
	d.out.Columns[len(d.spec.By)+1].Unit = d.unit(d.spec.Value)
	for i, p := range parts {
		dist, err := d.distribution(i, p.table, levels)
		if err != nil {
			return err
		}
		for _, q := range d.spec.At {
			e, err := dist.Quantile(q)
			if err != nil {
				return err
			}
			lo, hi := e.Reference()
			d.row(p.group, e.Hidden, e.Warning, e.Value, e.Lo, e.Hi, lo, hi)
			row := d.out.Rows[len(d.out.Rows)-1]
			d.out.Rows[len(d.out.Rows)-1] = slices.Insert(row, len(p.group), any(q))
		}
	}
	return nil
}

// distribution is the consistent histogram of the i-th group, from all levels that were bought.
func (d *deriver) distribution(i int, t stat.Table, levels [][]part) (stat.Distribution, error) {
	tree, err := d.tree(t)
	if err != nil {
		return stat.Distribution{}, err
	}
	leaves := tree.Levels[0]
	if len(levels) > 0 && len(leaves) == len(t.Cells) {
		// The tree is complete: blocks that reach beyond the last bin hold bins in which nobody can be.
		top := d.spec.Levels[0].Block
		for len(leaves)%top != 0 {
			leaves, tree.Edges = append(leaves, 0), append(tree.Edges, tree.Edges[len(tree.Edges)-1]+1)
		}
		tree.Levels, tree.Fanout = nil, Fanout
		for l, parts := range levels {
			block := d.spec.Levels[l].Block
			nodes := make([]float64, len(leaves)/block)
			for n := range nodes {
				if n*block < len(t.Cells) {
					nodes[n] = parts[i].table.Cells[n*block]
				}
			}
			tree.Levels = append(tree.Levels, nodes)
		}
		tree.Levels = append(tree.Levels, leaves)
	}
	return tree.Consistent()
}

// tree is the histogram of one group over the bins that stand for numbers. Bins of whole numbers name the values at both their
// ends, those of decimals the value where the next one begins.
func (d *deriver) tree(t stat.Table) (stat.Tree, error) {
	dim := t.Dims[0]
	tree := stat.Tree{Sigma: t.Sigma, Whole: true}
	var leaves []float64
	last := math.NaN()
	for i := range dim.Labels {
		if len(dim.Lo) == 0 || math.IsNaN(dim.Lo[i]) {
			continue
		}
		lo, hi := dim.Lo[i], dim.Hi[i]
		if lo != math.Trunc(lo) || hi != math.Trunc(hi) || lo == last {
			tree.Whole = false
		}
		tree.Edges, leaves, last = append(tree.Edges, lo), append(leaves, t.Cells[i]), hi
	}
	if len(leaves) == 0 {
		return tree, fmt.Errorf("%w: %s has no numbers", ErrSpec, dim.Name)
	}
	if tree.Whole {
		last++
	}
	tree.Edges = append(tree.Edges, last)
	tree.Levels = [][]float64{leaves}
	return tree, nil
}

func (d *deriver) moments(list []stat.Summary, err error) error {
	if err != nil {
		return err
	}
	var figures []string
	for _, name := range []string{"mean", "variance", "sd"} {
		figures = append(figures, name)
		for _, i := range intervals {
			figures = append(figures, name+"_"+i)
		}
	}
	d.head(d.spec.By, figures...)
	for _, s := range list {
		var row []float64
		for _, e := range []stat.Estimate{s.Mean, s.Variance, s.SD} {
			lo, hi := e.Reference()
			if e.Hidden {
				row = append(row, math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN())
				continue
			}
			row = append(row, e.Value, e.Lo, e.Hi, lo, hi)
		}
		d.row(s.Mean.Group, false, s.Mean.Warning, row...)
	}
	return nil
}

// crosstab lists the cells of each group with margins that add up.
func (d *deriver) crosstab() error {
	a, b := d.spec.Exposure.Dim, d.spec.Outcome.Dim
	parts, err := d.parts(a, b)
	if err != nil {
		return err
	}
	d.head(append(slices.Clone(d.spec.By), a, b), "count", "exact_lower95", "exact_upper95", "row_share", "column_share")
	for _, p := range parts {
		m, err := stat.Crosstab(p.table, a, b)
		if err != nil {
			return err
		}
		add := func(row, column string, e, inRow, inColumn stat.Estimate) {
			share := func(of stat.Estimate) float64 {
				if of.Value < 1 || of.Value < 2*(of.NoiseHi-of.Value) {
					return math.NaN()
				}
				return e.Value / of.Value
			}
			d.row(append(slices.Clone(p.group), row, column), e.Hidden, e.Warning, e.Value, e.NoiseLo, e.NoiseHi, share(inRow), share(inColumn))
		}
		for i, row := range m.Rows {
			for j, column := range m.Cols {
				add(row, column, m.Cells[i][j], m.RowTotals[i], m.ColTotals[j])
			}
			add(row, "(all)", m.RowTotals[i], m.RowTotals[i], m.Total)
		}
		for j, column := range m.Cols {
			add("(all)", column, m.ColTotals[j], m.Total, m.ColTotals[j])
		}
		add("(all)", "(all)", m.Total, m.Total, m.Total)
	}
	return nil
}
