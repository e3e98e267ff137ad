package stat

// Margins is a two-way table with margins that add up: every margin is the sum of its printed cells.
type Margins struct {
	Rows, Cols []string
	Cells      [][]Estimate // by row and column; noise only
	RowTotals  []Estimate
	ColTotals  []Estimate
	Total      Estimate
}

// Crosstab sums the table down to two dimensions and adds margins. A margin's noise grows with the square root of how many cells it
// sums; one that must be sharper is bought as a table of its own.
func Crosstab(t Table, rows, cols string) (Margins, error) {
	m, err := t.Over(rows, cols)
	if err != nil {
		return Margins{}, err
	}
	r, c := m.Dims[0].Labels, m.Dims[1].Labels
	x := cross(m.Cells, len(r), len(c))
	v := m.Sigma * m.Sigma
	out := Margins{Rows: r, Cols: c, Total: noiseOnly("count", nil, x.n, v*float64(len(m.Cells)))}
	for i := range r {
		var line []Estimate
		for j := range c {
			line = append(line, noiseOnly("count", []string{r[i], c[j]}, m.Cells[i*len(c)+j], v))
		}
		out.Cells = append(out.Cells, line)
		out.RowTotals = append(out.RowTotals, noiseOnly("count", []string{r[i]}, x.row[i], v*float64(len(c))))
	}
	for j := range c {
		out.ColTotals = append(out.ColTotals, noiseOnly("count", []string{c[j]}, x.col[j], v*float64(len(r))))
	}
	return out, nil
}
