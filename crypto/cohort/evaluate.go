package cohort

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// ErrEvaluation: parts that do not belong together.
var ErrEvaluation = errors.New("cannot evaluate")

// Aggregate is one number to be released: a table, and the noise drawn for this release alone. Each is charged for, and gets masks
// of its own: two answers with the same masks would show a cheater their difference (attack A11).
type Aggregate struct {
	Table *Table
	Noise int64
}

// Evaluation is an accepted question. Every field is required but Workers.
type Evaluation struct {
	Key        *Registration
	Query      Query
	Upload     *Upload
	Aggregates []Aggregate
	// Workers is the number of goroutines; 0 means one per processor. A worker holds about 2 MB in set A, and 1 MB more for each
	// aggregate, of at most four at a time.
	Workers int
}

// atOnce is how many aggregates share a pass over the ciphertexts.
const atOnce = 4

// Evaluate computes the answer: for each aggregate in turn, ReplyBytes bytes. The caller has validated the upload by Intake, has
// redeemed the nonce, and has charged for every aggregate; whatever comes of it, garbage included, stays charged.
// An error says nothing about data or selector: it depends on public facts and on ctx only.
func Evaluate(ctx context.Context, e Evaluation) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	var seed [seedBytes]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("draw masks: %w", err)
	}
	defer clear(seed[:])
	return e.run(ctx, seed)
}

func (e *Evaluation) check() error {
	l := e.Query.Layout
	if e.Key == nil || e.Upload == nil || l == nil || len(e.Aggregates) == 0 {
		return fmt.Errorf("%w: key, upload, layout and aggregates are required", ErrEvaluation)
	}
	if e.Key.params != l.params {
		return fmt.Errorf("%w: the key is of set %s, the query of %s", ErrEvaluation, e.Key.params.id, l.params.id)
	}
	if e.Upload.layout.Digest() != l.Digest() {
		return fmt.Errorf("%w: the upload was taken in for other rules or another table size", ErrEvaluation)
	}
	for _, a := range e.Aggregates {
		switch {
		case a.Table == nil || a.Table.params != l.params || a.Table.n != l.n:
			return fmt.Errorf("%w: a table does not fit the query", ErrEvaluation)
		case a.Noise > a.Table.maxNoise || a.Noise < -a.Table.maxNoise:
			return fmt.Errorf("%w: noise beyond what the table has room for; draw again", ErrEvaluation)
		}
	}
	return nil
}

// run is deterministic in the mask seed.
func (e *Evaluation) run(ctx context.Context, seed [seedBytes]byte) ([]byte, error) {
	var out []byte
	for from := 0; from < len(e.Aggregates); from += atOnce {
		to := min(from+atOnce, len(e.Aggregates))
		jobs := make([]*job, 0, atOnce)
		for i, a := range e.Aggregates[from:to] {
			jobs = append(jobs, newJob(e.Query.Layout, a, digestOf(labelAggregate, seed[:], le64(from+i))))
		}
		err := e.pass(ctx, jobs)
		for _, j := range jobs {
			if err == nil {
				out = append(out, j.sums.finish(e.Query.Layout.params, e.Key, j.offset(), j.seed[:])...)
			}
			j.wipe()
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pass goes over the ciphertexts once for several jobs, blocks shared out to workers with a state each.
func (e *Evaluation) pass(ctx context.Context, jobs []*job) error {
	l := e.Query.Layout
	workers := e.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, l.blocks)
	c1 := e.Query.seed(e.Key.kd, e.Upload.nonceC[:])
	var next atomic.Int64
	all := make([]*worker, workers)
	var wg sync.WaitGroup
	for i := range all {
		all[i] = newWorker(l.params, jobs, i == 0)
		wg.Go(func() {
			for ctx.Err() == nil {
				j := int(next.Add(1) - 1)
				if j >= l.blocks {
					return
				}
				all[i].block(e, jobs, c1, j)
			}
		})
	}
	wg.Wait()
	for i, w := range all {
		for k, j := range jobs {
			if i > 0 && ctx.Err() == nil {
				j.sums.merge(w.sums[k], l.params)
			}
		}
		w.wipe(i > 0)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	return nil
}

// job is one aggregate under way.
type job struct {
	layout *Layout
	Aggregate
	seed Digest
	rho  []uint64 // rho' of each rule
	sums *accumulator
}

func newJob(l *Layout, a Aggregate, seed Digest) *job {
	j := &job{layout: l, Aggregate: a, seed: seed, rho: make([]uint64, len(l.rules)), sums: newAccumulator(l.params)}
	st := newStream(labelRule, seed[:], 0)
	st.uniform(j.rho, l.params.t, uint64(1)<<bits.Len64(l.params.t)-1)
	st.wipe()
	return j
}

// offset is N^-1 (noise - sum of rho'_c K_c) mod t, the plaintext added to the constant coefficient.
func (j *job) offset() uint64 {
	p := j.layout.params
	t := p.t
	mul := func(x, y uint64) uint64 { hi, lo := bits.Mul64(x, y); return bits.Rem64(hi, lo, t) }
	v := uint64(j.Noise) + t&uint64(j.Noise>>63)
	for c, r := range j.layout.rules {
		v = (v + t - mul(j.rho[c], uint64(r.min))) % t
	}
	return mul(v, p.arith().tNI)
}

func (j *job) wipe() {
	clear(j.seed[:])
	clear(j.rho)
	j.sums.wipe()
}

// worker is the state of one goroutine.
type worker struct {
	ops             []*operands
	sums            []*accumulator
	h0, c1, rho, mu []uint64
}

// newWorker lets the first worker add to the sums of the jobs themselves.
func newWorker(p *Params, jobs []*job, first bool) *worker {
	b := make([]uint64, 4*p.n())
	cut := func(i int) []uint64 { return b[i*p.n() : (i+1)*p.n()] }
	w := &worker{h0: cut(0), c1: cut(1), rho: cut(2), mu: cut(3)}
	for _, j := range jobs {
		w.ops = append(w.ops, newOperands(p))
		if first {
			w.sums = append(w.sums, j.sums)
		} else {
			w.sums = append(w.sums, newAccumulator(p))
		}
	}
	return w
}

// block adds block j to all jobs, limb by limb so that one limb's data stay in cache.
func (w *worker) block(e *Evaluation, jobs []*job, seed Digest, j int) {
	layout := e.Query.Layout
	p := layout.params
	ar := p.arith()
	for k, job := range jobs {
		w.ops[k].draw(layout, job.Table, job.rho, job.seed[:], j)
	}
	st := newStream(labelQuery, seed[:], j)
	for i := range ar.limb {
		l := &ar.limb[i]
		st.uniform(w.c1, l.q, l.mask)
		unpack(w.h0, e.Upload.blocks[j][i*p.limbBytes():(i+1)*p.limbBytes()], p.width)
		for c := range w.h0 {
			w.h0[c] += l.half
		}
		for k, o := range w.ops {
			o.rho(w.rho, l)
			l.transform(w.rho)
			o.mu(w.mu, l)
			l.transform(w.mu)
			rho0, mu0 := o.constants(l)
			w.sums[k].add(i, l, w.h0, w.c1, w.rho, w.mu, rho0, mu0)
		}
	}
}

func (w *worker) wipe(sums bool) {
	for k := range w.ops {
		w.ops[k].wipe()
		if sums {
			w.sums[k].wipe()
		}
	}
	clear(w.rho)
	clear(w.mu)
}
