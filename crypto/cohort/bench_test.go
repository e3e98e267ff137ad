package cohort

import (
	"context"
	"testing"
)

func BenchmarkEvaluate(b *testing.B) {
	for _, c := range []struct {
		id string
		n  int
	}{{"ecq1-a", 8192}, {"ecq1-a", 1000000}, {"ecq1-b", 8192}, {"ecq1-b", 1000000}} {
		b.Run(c.id, func(b *testing.B) {
			p, _ := ParamsByID(c.id)
			r := rng(3)
			w := newWorld(b, p, randomValues(r, c.n, 0, 1000))
			q := w.query(w.layout())
			u := w.upload(q, pick(b, r, c.n, c.n/3))
			b.ResetTimer()
			for b.Loop() {
				if _, err := Evaluate(context.Background(), Evaluation{Key: w.reg, Query: q, Upload: u, Aggregates: []Aggregate{{w.table, 0}}, Workers: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
