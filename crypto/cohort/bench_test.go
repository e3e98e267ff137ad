//go:build unix

package cohort

import (
	"context"
	"io"
	"math/bits"
	"syscall"
	"testing"
	"time"

	"github.com/tuneinsight/lattigo/v5/core/rlwe"
	"github.com/tuneinsight/lattigo/v5/ring"
	"github.com/tuneinsight/lattigo/v5/schemes/bgv"
)

// Times are processor time of this process, best of all rounds: the machine is shared, and what is compared runs in turns in the
// same process. Wall time is given where two goroutines are compared.

const million = 1_000_000

// cpuTime is the processor time that f takes, in milliseconds.
func cpuTime(f func()) float64 {
	var a, b syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &a); err != nil {
		panic(err)
	}
	f()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &b); err != nil {
		panic(err)
	}
	ms := func(t syscall.Timeval) float64 { return float64(t.Sec)*1e3 + float64(t.Usec)/1e3 }
	return ms(b.Utime) + ms(b.Stime) - ms(a.Utime) - ms(a.Stime)
}

// best keeps the lowest figure per name.
type best map[string]float64

func (m best) time(name string, f func()) {
	if v := cpuTime(f); m[name] == 0 || v < m[name] {
		m[name] = v
	}
}

// benchQuestion is an accepted question over n entries.
func benchQuestion(b *testing.B, p *Params, n int) (*world, Evaluation) {
	b.Helper()
	r := rng(60)
	w := newWorld(b, p, randomValues(r, n, 0, 1000))
	q := w.query(w.layout())
	u := w.upload(q, pick(b, r, n, n/3))
	return w, Evaluation{Key: w.reg, Query: q, Upload: u, Aggregates: []Aggregate{{w.table, 0}}, Workers: 1}
}

func evaluate(b *testing.B, e Evaluation) {
	if _, err := Evaluate(context.Background(), e); err != nil {
		b.Fatal(err)
	}
}

// floor measures what an evaluation cannot do without, with the library's fastest primitives: for each limb of each block two
// transforms, six products and the expansion of c1, and for each block three words of mask randomness per slot.
func (m best) floor(p *Params, blocks int) {
	ar := p.arith()
	x, y, z := make([]uint64, p.n()), make([]uint64, p.n()), make([]uint64, p.n())
	st := newStream("bench", make([]byte, 32), 0)
	limbs := func(f func(l *limb)) func() {
		return func() {
			for range blocks {
				for i := range ar.limb {
					f(&ar.limb[i])
				}
			}
		}
	}
	st.uniform(x, p.q[p.limbs()-1], ar.limb[0].mask)
	m.time("ntt", limbs(func(l *limb) {
		l.NTTLazy(x, y)
		l.NTTLazy(x, z)
	}))
	m.time("products", limbs(func(l *limb) {
		for range 6 {
			l.MulCoeffsMontgomeryLazyThenAddLazy(x, y, z)
		}
	}))
	m.time("expansion", limbs(func(l *limb) { st.uniform(x, l.q, l.mask) }))
	m.time("masks", func() {
		for range 3 * blocks * p.n() {
			x[0] ^= st.word()
		}
	})
}

// stock is the same question on the library's own API, without check and flooding.
type stock struct {
	params  bgv.Parameters
	encrypt *rlwe.Encryptor
	encoder *bgv.Encoder
	eval    *bgv.Evaluator
	cts     []*rlwe.Ciphertext
	pts     []*rlwe.Plaintext
}

func newStock(b *testing.B, p *Params, blocks int, galois bool) *stock {
	b.Helper()
	lit := bgv.ParametersLiteral{LogN: p.logN, Q: p.q, PlaintextModulus: p.t}
	if galois {
		// Key switching of the inner sum needs a special prime.
		primes := ring.NewNTTFriendlyPrimesGenerator(56, uint64(2*p.n()))
		special, err := primes.NextDownstreamPrime()
		must(b, err)
		lit.P = []uint64{special}
	}
	params, err := bgv.NewParametersFromLiteral(lit)
	must(b, err)
	kg := rlwe.NewKeyGenerator(params)
	sk := kg.GenSecretKeyNew()
	s := &stock{params: params, encrypt: rlwe.NewEncryptor(params, sk), encoder: bgv.NewEncoder(params)}
	var keys rlwe.EvaluationKeySet
	if galois {
		els := append(params.GaloisElementsForInnerSum(1, params.MaxSlots()/2), params.GaloisElementForRowRotation())
		keys = rlwe.NewMemEvaluationKeySet(nil, kg.GenGaloisKeysNew(els, sk)...)
	}
	s.eval = bgv.NewEvaluator(params, keys)
	slots := make([]uint64, params.MaxSlots())
	for i := range slots {
		slots[i] = uint64(i & 1)
	}
	for range blocks {
		pt := bgv.NewPlaintext(params, params.MaxLevel())
		must(b, s.encoder.Encode(slots, pt))
		s.pts = append(s.pts, pt)
		ct, err := s.encrypt.EncryptNew(pt)
		must(b, err)
		s.cts = append(s.cts, ct)
	}
	return s
}

func (s *stock) mulThenAdd(b *testing.B) *rlwe.Ciphertext {
	sum := bgv.NewCiphertext(s.params, 1, s.params.MaxLevel())
	sum.Scale = s.params.NewScale(1)
	for i, ct := range s.cts {
		if err := s.eval.MulThenAdd(ct, s.pts[i], sum); err != nil {
			b.Fatal(err)
		}
	}
	return sum
}

// BenchmarkEvaluate compares one evaluation over a million subjects with its floor and with the library's unchecked linear
// combination of the same number of ciphertexts.
func BenchmarkEvaluate(b *testing.B) {
	for _, p := range sets {
		b.Run(p.id, func(b *testing.B) {
			_, e := benchQuestion(b, p, million)
			blocks := e.Query.Layout.blocks
			s := newStock(b, p, blocks, false)
			m := best{}
			for b.Loop() {
				m.time("evaluate", func() { evaluate(b, e) })
				m.floor(p, blocks)
				m.time("unchecked", func() { s.mulThenAdd(b) })
			}
			strict := m["ntt"] + m["products"]
			full := strict + m["expansion"] + m["masks"]
			b.ReportMetric(m["evaluate"], "cpu-ms")
			b.ReportMetric(strict, "ntt+products-ms")
			b.ReportMetric(full, "floor-ms")
			b.ReportMetric(m["unchecked"], "unchecked-ms")
			b.ReportMetric(m["evaluate"]/strict, "vs-ntt+products")
			b.ReportMetric(m["evaluate"]/full, "vs-floor")
			b.ReportMetric(m["evaluate"]/m["unchecked"], "vs-unchecked")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkStock compares the whole route, client and gateway, with the library's: encrypt under the secret key, multiply and
// add, inner sum with Galois keys; no check, no flooding. 100,000 subjects.
func BenchmarkStock(b *testing.B) {
	p := sets[0]
	const n = 100_000
	w, e := benchQuestion(b, p, n)
	blocks := e.Query.Layout.blocks
	s := newStock(b, p, blocks, true)
	sel := pick(b, rng(61), n, n/3)
	m := best{}
	for b.Loop() {
		m.time("ours", func() {
			enc, err := w.key.Encrypt(w.query(e.Query.Layout), sel, nil, nil)
			must(b, err)
			_, err = enc.WriteTo(io.Discard)
			must(b, err)
			evaluate(b, e)
		})
		m.time("stock", func() {
			for i, pt := range s.pts {
				if err := s.encrypt.Encrypt(pt, s.cts[i]); err != nil {
					b.Fatal(err)
				}
			}
			sum := s.mulThenAdd(b)
			if err := s.eval.InnerSum(sum, 1, s.params.MaxSlots()/2, sum); err != nil {
				b.Fatal(err)
			}
			turned, err := s.eval.RotateRowsNew(sum)
			must(b, err)
			must(b, s.eval.Add(sum, turned, sum))
		})
	}
	b.ReportMetric(m["ours"], "cpu-ms")
	b.ReportMetric(m["stock"], "stock-ms")
	b.ReportMetric(m["ours"]/m["stock"], "vs-stock")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSmall is a category domain of one block.
func BenchmarkSmall(b *testing.B) {
	for _, p := range sets {
		b.Run(p.id, func(b *testing.B) {
			_, e := benchQuestion(b, p, 8192)
			m := best{}
			for b.Loop() {
				m.time("small", func() {
					for range 10 {
						evaluate(b, e)
					}
				})
			}
			b.ReportMetric(m["small"]/10, "cpu-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkWorkers is the speed-up of two goroutines over one, in wall time, and what it costs in processor time.
func BenchmarkWorkers(b *testing.B) {
	_, e := benchQuestion(b, sets[0], million)
	wall := func(workers int) (ms, used float64) {
		e.Workers = workers
		start := time.Now()
		used = cpuTime(func() { evaluate(b, e) })
		return float64(time.Since(start).Microseconds()) / 1e3, used
	}
	var one, two, cpu1, cpu2 float64
	for b.Loop() {
		w1, c1 := wall(1)
		w2, c2 := wall(2)
		if one == 0 || w1 < one {
			one, cpu1 = w1, c1
		}
		if two == 0 || w2 < two {
			two, cpu2 = w2, c2
		}
	}
	b.ReportMetric(one, "one-wall-ms")
	b.ReportMetric(two, "two-wall-ms")
	b.ReportMetric(one/two, "speed-up")
	b.ReportMetric(cpu2/cpu1, "cpu-ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkClient is what a researcher's machine does, and what travels. The baseline of encryption is its transforms.
func BenchmarkClient(b *testing.B) {
	for _, p := range sets {
		b.Run(p.id, func(b *testing.B) {
			w, e := benchQuestion(b, p, 10*p.n())
			sel := pick(b, rng(62), 10*p.n(), p.n())
			ar := p.arith()
			x := make([]uint64, p.n())
			reply, err := Evaluate(b.Context(), e)
			must(b, err)
			m := best{}
			for b.Loop() {
				enc, err := w.key.Encrypt(w.query(e.Query.Layout), sel, nil, nil)
				must(b, err)
				m.time("encrypt", func() {
					for j := range 10 {
						if _, err := enc.Block(j); err != nil {
							b.Fatal(err)
						}
					}
				})
				m.time("transforms", func() {
					for range 10 {
						ar.t.INTT(x, x)
						for i := range ar.limb {
							ar.limb[i].NTTLazy(x, x)
						}
					}
				})
				m.time("decrypt", func() {
					for range 100 {
						if _, err := w.key.Decrypt(reply, []int64{0}); err != nil {
							b.Fatal(err)
						}
					}
				})
				m.time("key", func() {
					for range 10 {
						newKey(p, w.crs, [32]byte{})
					}
				})
				m.time("table", func() {
					if _, err := PrepareTable(w.values, TableConfig{Params: p, High: 1000}); err != nil {
						b.Fatal(err)
					}
				})
			}
			b.ReportMetric(m["encrypt"]/10, "encrypt-ms/block")
			b.ReportMetric(m["encrypt"]/m["transforms"], "encrypt-vs-ntt")
			b.ReportMetric(m["decrypt"]/100, "decrypt-ms")
			b.ReportMetric(m["key"]/10, "key-ms")
			b.ReportMetric(m["table"]/10, "table-ms/block")
			b.ReportMetric(float64(e.Upload.Bytes()-nonceBytes)/float64(10*p.n()), "up-bytes/subject")
			b.ReportMetric(float64(len(reply))/1e3, "down-kB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkPrimitives prices the parts, per block of set A, in microseconds of processor time.
func BenchmarkPrimitives(b *testing.B) {
	p := sets[0]
	_, e := benchQuestion(b, p, p.n())
	l := &p.arith().limb[0]
	ops := newOperands(p)
	acc := newAccumulator(p)
	x, y := make([]uint64, p.n()), make([]uint64, p.n())
	job := newJob(e.Query.Layout, e.Aggregates[0], Digest{})
	st := newStream("bench", make([]byte, 32), 0)
	tm := uint64(1)<<bits.Len64(l.q) - 1
	for name, f := range map[string]func(){
		"draw":   func() { ops.draw(e.Query.Layout, e.Aggregates[0].Table, nil, job.seed[:], 0) },
		"rho":    func() { ops.rho(x, l) },
		"mu":     func() { ops.mu(x, l) },
		"ntt":    func() { l.NTTLazy(x, y) },
		"kernel": func() { acc.add(0, l, x, y, x, y, 1, 1) },
		"unpack": func() { unpack(x, e.Upload.blocks[0][:p.limbBytes()], p.width) },
		"expand": func() { st.uniform(x, l.q, tm) },
		"finish": func() { acc.finish(p, e.Key, 0, job.seed[:]) },
		"mulred": func() {
			for c := range x {
				x[c] = ring.MRedLazy(x[c], y[c], l.q, l.qinv)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			m := best{}
			for b.Loop() {
				m.time(name, func() {
					for range 20 {
						f()
					}
				})
			}
			b.ReportMetric(m[name]*1000/20, "cpu-us")
			b.ReportMetric(0, "ns/op")
		})
	}
}
