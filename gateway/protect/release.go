package protect

import (
	"fmt"
	"math/big"

	"jali/crypto/noise"
	"jali/gateway/catalog"
)

// Release opens an exact result, adds noise and derives what may leave. It is called once per charge: a second call on the same
// Raw draws again and would have to be paid again. Its errors say nothing about the data.
func Release(raw Raw, spec Spec) (Released, error) {
	c, err := check(spec)
	if err != nil {
		return Released{}, fmt.Errorf("release: %w", err)
	}
	s, err := noise.NewSampler()
	if err != nil {
		return Released{}, fmt.Errorf("release: %w", err)
	}
	defer s.Close()
	return release(raw, c, s.Draw)
}

// release is the order of things: noise on everything first, then selection, then what people see. draw gives one fresh draw.
func release(raw Raw, c *checked, draw func(*noise.Gaussian) (*big.Int, error)) (Released, error) {
	exact, cells, err := unseal(raw, c)
	if err != nil {
		return Released{}, fmt.Errorf("release: %w", err)
	}
	noisy := make([][]*big.Int, len(c.Items))
	for item, g := range c.gauss {
		noisy[item] = make([]*big.Int, len(cells))
		for i := range cells {
			members := c.block(item, cells, i)
			if members == nil {
				continue
			}
			y, err := draw(g)
			if err != nil {
				return Released{}, fmt.Errorf("release: %w", err)
			}
			for _, cell := range members {
				if x := exact.Values[item][cell.at]; x != nil {
					y.Add(y, x)
				}
			}
			noisy[item][i] = y
		}
	}
	if c.Threshold != nil {
		cells, noisy = c.selectKeys(exact, cells, noisy)
	}

	out := Released{Columns: c.columns(cells), Noisy: noisy, Rows: make([]Row, len(cells))}
	for i, cell := range cells {
		out.Rows[i] = c.derive(cell, i, noisy)
		if out.Rows[i].Hidden {
			out.HiddenGroups++
		}
	}
	return out, nil
}

// block is the cells that the i-th number of an item is about: the cell itself or, for the first cell of a block, the block's. Nil:
// the number is another cell's.
func (c *checked) block(item int, cells []cell, i int) []cell {
	b := c.Items[item].Block
	if b <= 1 {
		return cells[i : i+1]
	}
	labels := c.Groups[len(c.Groups)-1].Labels
	at, end := i%len(labels), len(labels)
	if labels[end-1].Kind == catalog.Null {
		end--
	}
	switch {
	case at >= end:
		return cells[i : i+1]
	case at%b != 0:
		return nil
	}
	return cells[i : i+min(b, end-at)]
}

// selectKeys keeps the cells whose number of persons n is at least K and whose n-(K-1)+Y is at least Tau. The released number is
// that plus K-1, which is the noisy number itself. max(0, n-(K-1)) moves by at most 1 when a person comes or goes, so selection
// costs what the threshold was priced for; for n < K it is 0, and such a cell is dropped whatever its noise.
func (c *checked) selectKeys(exact Cells, cells []cell, noisy [][]*big.Int) ([]cell, [][]*big.Int) {
	t := c.Threshold
	bar := new(big.Int).Add(big.NewInt(t.Tau), big.NewInt(t.K-1))
	var kept []cell
	selected := make([][]*big.Int, len(noisy))
	for i, cell := range cells {
		n := exact.Values[t.Item][cell.at]
		if n == nil || !atLeast(n, t.K) || noisy[t.Item][i].Cmp(bar) < 0 {
			continue
		}
		kept = append(kept, cell)
		for item := range noisy {
			selected[item] = append(selected[item], noisy[item][i])
		}
	}
	return kept, selected
}

// derive makes the row of the i-th cell from its noisy numbers.
func (c *checked) derive(cell cell, i int, noisy [][]*big.Int) Row {
	row := Row{Values: make([]Cell, len(c.Outputs)), Error95: make([]Cell, len(c.Outputs))}
	small := c.Min > 0 && c.count >= 0 && !atLeast(noisy[c.count][i], c.Min)
	for j, o := range c.Outputs {
		switch {
		case o.Kind == OutGroup:
			label := cell.labels[o.Group]
			row.Values[j], row.Error95[j] = Cell{Label: &label}, Cell{Absent: true}
		case small, c.elsewhere(o, i, noisy):
			row.Values[j], row.Error95[j] = Cell{Absent: true}, Cell{Absent: true}
		default:
			row.Values[j], row.Error95[j] = c.measure(o, func(item int) *big.Int { return noisy[item][i] })
		}
	}
	row.Hidden = hidden(row.Values)
	return row
}

// elsewhere reports that a number of the output belongs to another cell of a block.
func (c *checked) elsewhere(o Output, i int, noisy [][]*big.Int) bool {
	return o.Kind == OutCount && noisy[o.N][i] == nil
}

// hidden reports that there are measures and all are absent.
func hidden(values []Cell) bool {
	measures, absent := 0, 0
	for _, v := range values {
		if v.Label == nil {
			measures++
			absent += b2i(v.Absent)
		}
	}
	return measures > 0 && absent == measures
}

func (c *checked) columns(cells []cell) []Column {
	columns := make([]Column, len(c.Outputs))
	for i, o := range c.Outputs {
		columns[i] = Column{Name: o.Name, Role: RoleMeasure, Kind: o.Kind, Unit: o.Unit}
		if o.Kind == OutGroup {
			columns[i].Role, columns[i].Type = RoleGroup, c.labelType(o.Group, cells)
		}
	}
	return columns
}

// labelType is the type of a group's labels: of its domain or, if private, of the keys kept.
func (c *checked) labelType(group int, cells []cell) string {
	if d := c.Groups[group]; !d.Private {
		return typeOf(d.Labels[0])
	}
	for _, cell := range cells {
		if cell.labels[group].Kind != catalog.Null {
			return typeOf(cell.labels[group])
		}
	}
	return typeText
}

const (
	typeInteger = "integer"
	typeDecimal = "decimal"
	typeDate    = "date"
	typeText    = "text"
)

func typeOf(v catalog.Value) string {
	switch v.Kind {
	case catalog.Int:
		return typeInteger
	case catalog.Fixed:
		return typeDecimal
	case catalog.Day:
		return typeDate
	}
	return typeText
}
