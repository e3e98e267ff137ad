package engine

import (
	"context"
	"math"
	"math/big"
	"sync"

	"jali/gateway/protect"
	"jali/gateway/query"
)

// F1 and F2 (disclosure-control.md section 6.3): the filtered rows stream by in person order, and per person the loop keeps at
// most l0 groups and clips what each adds. The stream is cut into ranges of person ordinals that run in parallel; a person is
// in exactly one range, so the sums do not depend on the cut. The bounds of F1 and F2 differ only in Bounds.Groups: with keys
// fixed per person nobody has a second group, and no choice is ever made.

// parallelRows is the size of the first private table from which a stream is cut.
const parallelRows = 100_000

// bounded answers a plan by the person-ordered stream.
func (e *Engine) bounded(ctx context.Context, plan *query.Plan, key [32]byte) (protect.Cells, error) {
	s, err := newStreaming(plan, key)
	if err != nil {
		return protect.Cells{}, err
	}
	loops, err := e.loops(ctx, s)
	if err != nil {
		return protect.Cells{}, err
	}
	return s.cells(loops), nil
}

// loops streams all persons, in parallel shares where there are many rows.
func (e *Engine) loops(ctx context.Context, s *streaming) ([]*loop, error) {
	shares := int64(1)
	if e.rows[s.fact] >= parallelRows {
		shares = int64(e.threads)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		group sync.WaitGroup
		loops = make([]*loop, shares)
		fails = make([]error, shares)
	)
	for i := range shares {
		group.Add(1)
		go func() {
			defer group.Done()
			loops[i], fails[i] = e.share(ctx, s, e.persons*i/shares, e.persons*(i+1)/shares, shares > 1)
			if fails[i] != nil {
				cancel()
			}
		}()
	}
	group.Wait()
	// The first failure in order that is not the echo of another's cancellation.
	var failed error
	for _, err := range fails {
		if err != nil && (failed == nil || failed == context.Canceled) {
			failed = err
		}
	}
	if failed != nil {
		return nil, failed
	}
	return loops, nil
}

// share streams the persons with ordinals in [lo, hi).
func (e *Engine) share(ctx context.Context, s *streaming, lo, hi int64, cut bool) (*loop, error) {
	l := s.loop(lo, hi)
	if lo == hi {
		return l, nil
	}
	w := &writer{dialect: e.dialect}
	if cut {
		w.lo, w.hi = lo, hi
	}
	if err := s.write(w); err != nil {
		return nil, err
	}
	if err := e.store.stream(ctx, statement{w.String(), w.args, s.types()}, l.chunk); err != nil {
		return nil, err
	}
	return l, l.finish()
}

// streaming is a plan prepared for the stream; it is read-only while loops run.
type streaming struct {
	plan     *query.Plan
	fact     string // first private table
	readers  []groupReader
	measures []measure
	itemAt   []int // per item: index into measures, or slotPersons, slotRows
	size     int64 // public cells
	choose   bool  // someone may have more groups than allowed
	rowsHi   int64 // clip of rows per person and group
	rows     int64 // most rows of a person, proved
	wide     bool  // a person's sum may leave 63 bits
	members  bool  // note who is in the cells
	rank     ranker
	hashes   []uint64 // h of each public cell
}

const (
	slotPersons = -1
	slotRows    = -2
)

// groupReader reads one GROUP BY column of the stream.
type groupReader struct {
	ref    query.ColumnRef
	enc    encoding
	labels *labeler // nil: private keys
}

func newStreaming(plan *query.Plan, key [32]byte) (*streaming, error) {
	s := &streaming{plan: plan, rank: newRanker(key), rowsHi: plan.Bounds.PerCol, rows: plan.Bounds.Rows}
	s.fact = factOf(plan.Tables)
	if s.rows < 1 || s.rows > math.MaxInt32 {
		return nil, errPlan
	}
	var err error
	if s.size, err = domainSize(plan); err != nil {
		return nil, err
	}
	for i, r := range plan.GroupBy {
		g := groupReader{ref: r, enc: encodingOf(r.Column)}
		if d := plan.Domains[i]; !d.Private {
			if g.labels, err = newLabeler(r, d); err != nil {
				return nil, err
			}
		} else if r.Band != nil || !plan.Private {
			return nil, errPlan
		}
		s.readers = append(s.readers, g)
	}
	for _, it := range plan.Items {
		switch {
		case it.Col == nil && it.Kind == query.Persons:
			s.itemAt = append(s.itemAt, slotPersons)
			continue
		case it.Col == nil && it.Kind == query.Rows:
			if it.Hi != nil && it.Hi.IsInt64() {
				s.rowsHi = min(s.rowsHi, it.Hi.Int64())
			}
			s.itemAt = append(s.itemAt, slotRows)
			continue
		case it.Col == nil:
			return nil, errPlan
		}
		m, err := measureOf(it)
		if err != nil {
			return nil, err
		}
		if !m.inRange(s.rows) {
			return nil, errRange
		}
		s.wide = s.wide || !m.narrow(s.rows)
		s.itemAt = append(s.itemAt, len(s.measures))
		s.measures = append(s.measures, m)
	}
	s.choose = plan.Private || plan.Bounds.Groups < min(s.rows, s.size)
	if s.choose && !plan.Private {
		s.hashes = make([]uint64, s.size)
		for i := range s.hashes {
			s.hashes[i] = s.rank.ofCell(i)
		}
	}
	return s, nil
}

// factOf names the first private table that is read.
func factOf(tables []query.TableRef) string {
	for _, t := range tables {
		switch {
		case t.Table.Public:
		case t.Sub != nil:
			return factOf(t.Sub.Tables)
		default:
			return t.Table.Name
		}
	}
	return ""
}

// write makes the statement of one share: person, groups, measured columns. A scan yields rows in the order they are stored,
// that of persons; a join need not, so it is sorted. The loop checks the order either way.
func (s *streaming) write(w *writer) error {
	var refs []query.ColumnRef
	for _, g := range s.readers {
		refs = append(refs, plainRef(g.ref))
	}
	for _, m := range s.measures {
		refs = append(refs, m.ref)
	}
	if err := w.project(s.plan.Tables, s.plan.Where, refs); err != nil {
		return err
	}
	reads := 0
	s.plan.EachFrom(func(tables []query.TableRef, _ []int64) { reads += len(tables) })
	if reads > 1 || !w.dialect.stored() {
		w.WriteString(" ORDER BY 1")
	}
	return nil
}

// types is how the columns of the statement lie.
func (s *streaming) types() []string {
	types := []string{"INTEGER"}
	for _, g := range s.readers {
		types = append(types, g.enc.typ)
	}
	for _, m := range s.measures {
		types = append(types, m.enc.typ)
	}
	return types
}

// cells adds up the shares.
func (s *streaming) cells(loops []*loop) protect.Cells {
	if s.plan.Private {
		return s.privateCells(loops)
	}
	c := protect.Cells{Values: make([][]*big.Int, len(s.itemAt))}
	for j := range s.itemAt {
		c.Values[j] = make([]*big.Int, s.size)
		for cell := range c.Values[j] {
			v := new(big.Int)
			for _, l := range loops {
				v.Add(v, l.value(j, cell))
			}
			c.Values[j][cell] = v
		}
	}
	return c
}
