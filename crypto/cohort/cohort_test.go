package cohort

import (
	"testing"
)

// TestAnswerEqualsTwin is A1: the answer is the plaintext sum plus the noise, exactly, for every set and shape.
func TestAnswerEqualsTwin(t *testing.T) {
	for _, p := range []*Params{toy("ecq1-a", 6), toy("ecq1-aplus", 7), toy("ecq1-b", 8), toy("ecq1-a", 4)} {
		t.Run(p.ID(), func(t *testing.T) {
			r := rng(1)
			n := p.n()
			for _, entries := range []int{1, 7, n - 1, n, n + 1, 2 * n, 3*n - 5} {
				bound := p.Limit() / int64(2*entries)
				w := newWorld(t, p, randomValues(r, entries, -bound, bound))
				for range 12 {
					s := pick(t, r, entries, r.IntN(entries+1))
					noise := r.Int64N(1<<20) - 1<<19
					if got, want := w.ask(s, noise), twin(w.values, s)+noise; got != want {
						t.Fatalf("%d entries: answer %d, twin %d", entries, got, want)
					}
					if got, want := w.ask(s, 0, ExactSize(s.Count())), twin(w.values, s); got != want {
						t.Fatalf("%d entries, exact size: answer %d, twin %d", entries, got, want)
					}
				}
			}
		})
	}
}

// TestFullSets does the same on the sets that are used.
func TestFullSets(t *testing.T) {
	for _, p := range sets {
		t.Run(p.ID(), func(t *testing.T) {
			r := rng(2)
			entries := p.n() + 100
			bound := p.Limit() / int64(2*entries)
			w := newWorld(t, p, randomValues(r, entries, 0, bound))
			s := pick(t, r, entries, 500)
			if got, want := w.ask(s, 17, ExactSize(500)), twin(w.values, s)+17; got != want {
				t.Fatalf("answer %d, twin %d", got, want)
			}
		})
	}
}
