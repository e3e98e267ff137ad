package protect

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"jali/gateway/catalog"
)

// ControlledLabel is on every answer, quote and receipt of mode sdc.
const ControlledLabel = "disclosure-controlled, no formal guarantee"

// ErrNotReleased: no cell may be printed. It depends on the data, so it is one error without any detail: a small cell, a dominant
// person and an overlap with earlier answers look the same (Kenthapadi, Mishra and Nissim 2005).
var ErrNotReleased = errors.New("not released")

// Rules are the parameters of classical disclosure control (disclosure-control.md section 10). None has a default.
type Rules struct {
	K         int64 // persons in a printed cell, at least; also the least difference of two printed sets of persons
	Base      int64 // printed figures are multiples of it, in their output unit
	Percent   int64 // p of the p % rule
	Dominance int64 // k of the (n,k) rule, n = 2, in percent
}

// Check reports what Suppress would refuse the rules for.
func (r Rules) Check() error {
	if r.K < 1 || r.Base < 1 || r.Base > r.K || r.Percent < 1 || r.Percent > 100 || r.Dominance < 1 || r.Dominance > 100 {
		return fmt.Errorf("%w: rules of disclosure control are out of range", ErrSpec)
	}
	return nil
}

// Suppress opens an exact result and releases it under classical rules: the other valve, for populations in mode sdc. What it
// prints has no formal guarantee; docs/sdc.md says what breaks it.
//
// Guaranteed, of each printed cell: at least K persons are in it and contribute to it; no person dominates a figure; the persons
// in it differ from every set the parties have been told of, by no one or by at least K on one side; and the figures are made of
// rounded parts only. The same holds of every margin that can be added up from printed cells. What is printed is in memory when
// Suppress returns: a second question in the meantime is judged by it. The caller makes Disclosed durable before the answer
// leaves.
//
// Everything withheld looks the same, whatever the reason; when nothing can be printed the error is ErrNotReleased.
func Suppress(raw Raw, spec Spec, rules Rules, parties []string, memory *Memory) (Released, Disclosed, error) {
	c, err := checkControlled(spec, rules)
	if err != nil {
		return Released{}, Disclosed{}, fmt.Errorf("suppress: %w", err)
	}
	if len(parties) == 0 || memory == nil {
		return Released{}, Disclosed{}, fmt.Errorf("suppress: %w: nobody to remember for", ErrSpec)
	}
	exact, cells, err := unseal(raw, c)
	if err != nil {
		return Released{}, Disclosed{}, fmt.Errorf("suppress: %w", err)
	}
	if err := exact.Members.check(len(cells), len(c.Items)); err != nil {
		return Released{}, Disclosed{}, fmt.Errorf("suppress: %w", err)
	}
	t := &ruling{checked: c, rules: rules, exact: exact, cells: cells, show: make([]bool, len(cells)), sets: make([][]*told, len(cells))}

	memory.mu.Lock()
	defer memory.mu.Unlock()
	known := memory.of(parties)
	t.choose(known)
	told := t.defendMargins(known)
	if !slices.Contains(t.show, true) {
		return Released{}, Disclosed{}, ErrNotReleased
	}
	for i, shown := range t.show {
		if shown {
			told = append(told, t.sets[i]...)
		}
	}
	d := Disclosed{parties: slices.Sorted(slices.Values(parties)), sets: told}
	memory.add(d)
	return t.print(), d, nil
}

// Check of a specification for Suppress: CheckControlled reports what Suppress would refuse it for. Call it before charging.
func (s Spec) CheckControlled(rules Rules) error {
	_, err := checkControlled(s, rules)
	return err
}

func checkControlled(s Spec, rules Rules) (*checked, error) {
	c := &checked{Spec: s, cells: 1, count: -1}
	if err := rules.Check(); err != nil {
		return nil, err
	}
	if err := c.checkGroups(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if c.private || len(c.Items) == 0 {
		return nil, fmt.Errorf("%w: private keys or no items", ErrSpec)
	}
	if err := c.checkOutputs(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	for _, o := range c.Outputs {
		switch o.Kind {
		case OutGroup, OutCount, OutSum, OutMean:
		default:
			return nil, fmt.Errorf("%w: output %s is not one of mode sdc", ErrSpec, o.Name)
		}
		if o.Center != 0 {
			return nil, fmt.Errorf("%w: output %s is centred", ErrSpec, o.Name)
		}
	}
	return c, nil
}

// ruling is one answer on its way through the rules.
type ruling struct {
	*checked
	rules Rules
	exact Cells
	cells []cell
	show  []bool
	sets  [][]*told // per shown cell: what its figures tell of; the first is the cell's set of persons
}

// persons is the number of persons in a cell.
func (t *ruling) persons(i int) int64 { return int64(len(t.exact.Members.Persons[i])) }

// choose decides cell by cell, the largest first, so that of two cells that are too close the larger is printed.
func (t *ruling) choose(known []*told) {
	order := make([]int, len(t.cells))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(t.persons(b), t.persons(a)) })
	var chosen []*told
next:
	for _, i := range order {
		if !t.large(i) || t.whole(i) {
			continue
		}
		var own []*told
		for _, s := range t.describe(i) {
			if s.clashes(known, t.rules.K) || s.clashes(chosen, t.rules.K) || s.clashes(own, t.rules.K) {
				continue next
			}
			own = append(own, s)
		}
		t.show[i] = true
		t.sets[i] = own
		chosen = append(chosen, own...)
	}
}

// large applies the frequency rule to the cell and to what every output is made of, and the dominance rules to magnitudes.
func (t *ruling) large(i int) bool {
	if t.persons(i) < t.rules.K {
		return false
	}
	for _, o := range t.Outputs {
		used, _ := o.items() // checked
		for _, item := range used {
			if o.Kind == OutGroup {
				continue
			}
			shares := t.exact.Members.Shares[item]
			if shares == nil {
				continue
			}
			s := shares[i]
			if int64(len(s.Persons)) < t.rules.K || t.rules.dominated(s) {
				return false
			}
			if t.Items[item].Binary && t.persons(i) == int64(len(s.Persons)) {
				return false // all of them: a rate of 100 %
			}
		}
	}
	return true
}

// dominated is the p % rule, T - x1 - x2 < (p/100) x1, or the (n,k) rule with n = 2, x1 + x2 > (k/100) T (Hundepool et al. 2012).
func (r Rules) dominated(s Share) bool {
	rest := new(big.Int).Sub(s.Total, big.NewInt(s.First))
	rest.Sub(rest, big.NewInt(s.Second))
	hundred := big.NewInt(100)
	left := new(big.Int).Mul(rest, hundred)
	if left.Cmp(new(big.Int).Mul(big.NewInt(r.Percent), big.NewInt(s.First))) < 0 {
		return true
	}
	two := new(big.Int).Add(big.NewInt(s.First), big.NewInt(s.Second))
	return two.Mul(two, hundred).Cmp(new(big.Int).Mul(big.NewInt(r.Dominance), s.Total)) > 0
}

// whole reports a cell of 100 %: along a group column that is not open, all other cells are empty, so everybody has its value.
func (t *ruling) whole(i int) bool {
	stride := 1
	for g := len(t.Groups) - 1; g >= 0; g-- {
		size := len(t.Groups[g].Labels)
		if size > 1 && !t.Groups[g].Open {
			alone := true
			for r := range size {
				other := i + (r-t.cells[i].ranks[g])*stride
				alone = alone && (other == i || t.persons(other) == 0)
			}
			if alone {
				return true
			}
		}
		stride *= size
	}
	return false
}

// describe lists what the cell's figures tell of: the persons of the cell itself, whoever has a value where some have none, whoever adds
// 1 to a sum of zeros and ones, which is a count, and of every sum and count of rows who contributes how much.
func (t *ruling) describe(i int) []*told {
	out := []*told{newTold(bitmap(t.exact.Members.Persons[i]), nil)}
	for _, o := range t.Outputs {
		if o.Kind == OutGroup {
			continue
		}
		used, _ := o.items() // checked
		for _, item := range used {
			shares := t.exact.Members.Shares[item]
			if shares == nil || shares[i].Each == nil && !t.Items[item].Binary && !t.isCount(item) {
				continue
			}
			s := newTold(bitmap(shares[i].Persons), shares[i].Each)
			if !slices.ContainsFunc(out, s.equal) {
				out = append(out, s)
			}
		}
	}
	return out
}

// isCount reports whether some output uses the item as its count.
func (t *ruling) isCount(item int) bool {
	return slices.ContainsFunc(t.Outputs, func(o Output) bool { return (o.Kind == OutCount || o.Kind == OutMean) && o.N == item })
}

func bitmap(persons []uint32) *roaring.Bitmap {
	b := roaring.New()
	b.AddMany(persons)
	b.RunOptimize()
	return b
}

// print makes the released table.
func (t *ruling) print() Released {
	out := Released{Columns: t.columns(t.cells), Rows: make([]Row, len(t.cells)), Label: ControlledLabel}
	for i, c := range t.cells {
		row := Row{Values: make([]Cell, len(t.Outputs)), Error95: make([]Cell, len(t.Outputs))}
		for j, o := range t.Outputs {
			row.Values[j], row.Error95[j] = Cell{Absent: true}, Cell{Absent: true}
			if o.Kind == OutGroup {
				row.Values[j].Absent, row.Values[j].Label = false, new(catalog.Value)
				*row.Values[j].Label = c.labels[o.Group]
			} else if t.show[i] {
				row.Values[j], row.Error95[j] = t.figure(o, i)
			}
		}
		if row.Hidden = hidden(row.Values); row.Hidden {
			out.HiddenGroups++
		}
		out.Rows[i] = row
	}
	return out
}
