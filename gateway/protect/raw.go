package protect

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"jali/gateway/catalog"
)

// ErrRaw: the engine's result does not fit the specification. The text never says how: it would tell of the data.
var ErrRaw = errors.New("engine result does not fit the plan")

// Cells is what an engine found, exactly: Values[item][cell]. With public keys Keys is nil and a cell's number is its
// mixed-radix index over Spec.Groups (last group column fastest); len(Values[i]) is the product of the domain sizes.
// With private keys Keys[cell] has one value per group column and only cells that occur are listed.
type Cells struct {
	Keys   [][]catalog.Value
	Values [][]*big.Int // a nil entry is zero
	// Members is there for Suppress alone.
	Members *Members
}

// Raw holds Cells in a closure, so that no printer, logger or encoder can reach them; only this package opens it.
type Raw struct{ open func() Cells }

// NewRaw seals cells. Anything may fill a Raw; only Release and Suppress open it.
func NewRaw(c Cells) Raw { return Raw{open: func() Cells { return c }} }

// cell is one group in domain order: ranks[i] orders it by group column i, labels[i] is its label there.
type cell struct {
	at     int // index into Cells.Values[item]
	labels []catalog.Value
	ranks  []int
}

// unseal opens the engine's result, checks that it fits, and lists its cells in domain order, whatever order the engine chose.
func unseal(raw Raw, c *checked) (Cells, []cell, error) {
	if raw.open == nil {
		return Cells{}, nil, fmt.Errorf("open result: %w", ErrRaw)
	}
	found := raw.open()
	n := c.cells
	if c.private {
		n = len(found.Keys)
	} else if found.Keys != nil {
		return Cells{}, nil, fmt.Errorf("open result: %w", ErrRaw)
	}
	if len(found.Values) != len(c.Items) {
		return Cells{}, nil, fmt.Errorf("open result: %w", ErrRaw)
	}
	for _, values := range found.Values {
		if len(values) != n {
			return Cells{}, nil, fmt.Errorf("open result: %w", ErrRaw)
		}
	}
	if !c.private {
		return found, c.publicCells(), nil
	}
	cells, err := c.privateCells(found.Keys)
	return found, cells, err
}

// publicCells enumerates the domain.
func (c *checked) publicCells() []cell {
	cells := make([]cell, c.cells)
	for i := range cells {
		labels, ranks := make([]catalog.Value, len(c.Groups)), make([]int, len(c.Groups))
		for g, rest := len(c.Groups)-1, i; g >= 0; g-- {
			size := len(c.Groups[g].Labels)
			ranks[g] = rest % size
			labels[g] = c.Groups[g].Labels[ranks[g]]
			rest /= size
		}
		cells[i] = cell{at: i, labels: labels, ranks: ranks}
	}
	return cells
}

// privateCells sorts the keys: by value where they are private, in catalogue order where they are public.
func (c *checked) privateCells(keys [][]catalog.Value) ([]cell, error) {
	cells := make([]cell, len(keys))
	for i, key := range keys {
		if len(key) != len(c.Groups) {
			return nil, fmt.Errorf("open result: %w", ErrRaw)
		}
		cells[i] = cell{at: i, labels: key, ranks: make([]int, len(key))}
	}
	for g, d := range c.Groups {
		rank := map[catalog.Value]int{}
		labels := d.Labels
		if d.Private {
			for _, key := range keys {
				rank[key[g]] = 0
			}
			labels = make([]catalog.Value, 0, len(rank))
			for v := range rank {
				labels = append(labels, v)
			}
			slices.SortFunc(labels, compare)
		}
		for i, v := range labels {
			rank[v] = i
		}
		for i := range cells {
			r, ok := rank[cells[i].labels[g]]
			if !ok { // a key outside the public domain
				return nil, fmt.Errorf("open result: %w", ErrRaw)
			}
			cells[i].ranks[g] = r
		}
	}
	slices.SortFunc(cells, func(a, b cell) int { return slices.Compare(a.ranks, b.ranks) })
	for i := 1; i < len(cells); i++ {
		if slices.Equal(cells[i-1].ranks, cells[i].ranks) { // two draws for one group
			return nil, fmt.Errorf("open result: %w", ErrRaw)
		}
	}
	return cells, nil
}

// compare orders values of one column: numbers and dates by size, text by bytes after numbers, NULL last.
func compare(a, b catalog.Value) int {
	rank := func(v catalog.Value) int { return b2i(v.Kind == catalog.String) + 2*b2i(v.Kind == catalog.Null) }
	switch {
	case rank(a) != rank(b):
		return cmp.Compare(rank(a), rank(b))
	case a.Kind == catalog.String:
		return cmp.Compare(a.S, b.S)
	case a.Decimals != b.Decimals:
		return scaled(a, b.Decimals).Cmp(scaled(b, a.Decimals))
	}
	return cmp.Compare(a.N, b.N)
}

// scaled is v's integer with so many decimals more.
func scaled(v catalog.Value, decimals int) *big.Int {
	return new(big.Int).Mul(big.NewInt(v.N), pow10(decimals))
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
