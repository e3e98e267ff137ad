package cohort

import (
	"errors"
	"fmt"
)

// ErrTable: values or bounds that a table cannot be made of. Its text is for the custodian's operator: a sum that does not fit
// is a fact about the data.
var ErrTable = errors.New("cannot prepare table")

// Domain names the published list that slots stand for. The list must not depend on the data: a list of the people present
// discloses who is.
type Domain struct {
	Dataset string
	Version string // data version
	Mapping string // version of the slot mapping
	Mask    Digest // what a policy leaves out; entries left out have value 0 and keep their slot
	Entries int
}

// ID is the table id of the protocol: H("ecq1/table", dataset, version, n, N, params, mapping, mask). Several tables, such as
// a count and a sum over the same list, share it.
func (d Domain) ID(p *Params) Digest {
	return digestOf(labelTable, []byte(d.Dataset), []byte(d.Version), le64(d.Entries), le64(p.n()), []byte(p.id), []byte(d.Mapping), d.Mask[:])
}

// TableConfig says how values become a table. Every field is required but Allow.
type TableConfig struct {
	Params *Params
	// Low and High clip every value: the declared bounds of the measure, over which sensitivity is computed.
	Low, High int64
	// MaxNoise bounds |noise|: what is added to the sum never wraps.
	MaxNoise int64
	// Allow leaves out entries that the policy does not grant: they get value 0. Nil allows all.
	Allow func(entry int) bool
}

// Table is a vector of values in the form evaluation needs: the coefficients, mod t, of the polynomial whose slots are the
// values. Eight bytes per slot; the transform mod q is shared with that of the masks, which differ at every evaluation. A Table is
// read-only and may serve many evaluations at once.
type Table struct {
	params   *Params
	n        int
	maxNoise int64
	blocks   [][]uint64
}

// PrepareTable clips the values, checks that sum |value| + MaxNoise stays below t/2 whatever is selected, and encodes.
func PrepareTable(values []int64, c TableConfig) (*Table, error) {
	p := c.Params
	if len(values) < 1 || len(values) > maxSlots {
		return nil, fmt.Errorf("%w: %d values, between 1 and %d are possible", ErrTable, len(values), maxSlots)
	}
	if c.Low > c.High || c.Low > 0 || c.High < 0 || c.MaxNoise < 0 {
		return nil, fmt.Errorf("%w: bounds must enclose 0, the value of entries that are left out, and noise must not be negative", ErrTable)
	}
	a, n := p.arith(), p.n()
	t := &Table{params: p, n: len(values), maxNoise: c.MaxNoise}
	room := p.Limit() - c.MaxNoise
	for from := 0; from < len(values); from += n {
		block := make([]uint64, n)
		for i, v := range values[from:min(from+n, len(values))] {
			if c.Allow != nil && !c.Allow(from+i) {
				v = 0
			}
			v = min(max(v, c.Low), c.High)
			// Compared before it is subtracted, and the lowest int64 has no absolute value: nothing wraps.
			if v > room || v < -room || room < 0 {
				return nil, fmt.Errorf("%w: sum of values and noise may exceed the range of set %s; use a set with a larger t, or a coarser unit", ErrTable, p.id)
			}
			room -= max(v, -v)
			block[i] = uint64(v) + p.t&uint64(v>>63)
		}
		a.t.INTT(block, block)
		t.blocks = append(t.blocks, block)
	}
	return t, nil
}

// Entries is the number of values.
func (t *Table) Entries() int { return t.n }

// Params is the parameter set of the table.
func (t *Table) Params() *Params { return t.params }

// Bytes is what the table holds in memory, for caches.
func (t *Table) Bytes() int { return len(t.blocks) * t.params.n() * 8 }
