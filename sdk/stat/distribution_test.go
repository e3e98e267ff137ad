package stat

import (
	"math"
	"testing"
)

// Two levels with two children: the least-squares solution by hand. With root r and leaves a, b of equal noise, the residual
// r - a - b is shared out in thirds.
func TestConsistentByHand(t *testing.T) {
	tree := Tree{Levels: [][]float64{{10}, {4, 3}}, Fanout: 2, Sigma: 3, Edges: []float64{0, 1, 2}}
	d, err := tree.Consistent()
	if err != nil {
		t.Fatal(err)
	}
	near(t, "first leaf", d.Cells[0], 5, 1e-12)
	near(t, "second leaf", d.Cells[1], 4, 1e-12)
	// Var of the total: 1/(1/s^2 + 1/(2 s^2)).
	e := d.Total()
	near(t, "standard deviation of the total", (e.NoiseHi-e.NoiseLo)/(2*z), 3*math.Sqrt(2./3), 1e-12)
}

// On a regular tree the two algorithms solve the same problem.
func TestReconcileIsConsistent(t *testing.T) {
	const k = 3
	var nodes []Noisy
	var parent []int
	levels := [][]float64{{100}, {20, 41, 35}, {7, 9, 2, 20, 10, 14, 11, 12, 13}}
	first := 0
	for l, level := range levels {
		for i, c := range level {
			nodes = append(nodes, Noisy{c, 2})
			if l == 0 {
				parent = append(parent, -1)
			} else {
				parent = append(parent, first+i/k)
			}
		}
		if l > 0 {
			first += len(levels[l-1])
		}
	}
	tree := Tree{Levels: levels, Fanout: k, Sigma: 2}
	for i := range 10 {
		tree.Edges = append(tree.Edges, float64(i))
	}
	d, err := tree.Consistent()
	if err != nil {
		t.Fatal(err)
	}
	es, err := Reconcile(nodes, parent)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range d.Cells {
		near(t, "leaf", es[4+i].Value, c, 1e-12)
		w := make([]float64, 9)
		w[i] = 1
		near(t, "variance", math.Pow((es[4+i].NoiseHi-es[4+i].NoiseLo)/(2*z), 2), d.variance(w), 1e-12)
	}
	near(t, "root", es[0].Value, es[1].Value+es[2].Value+es[3].Value, 1e-12)
}

func TestReconcileIrregular(t *testing.T) {
	// A margin bought sharply pulls its noisy cells; a node that was not bought is the sum of its own.
	es, err := Reconcile([]Noisy{{0, math.Inf(1)}, {100, 1}, {50, 5}, {30, 10}, {30, 10}}, []int{-1, 0, 0, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "cells add up to the margin", es[3].Value+es[4].Value, es[1].Value, 1e-12)
	near(t, "margin", es[1].Value, (100*200+60*1)/201., 1e-12)
	near(t, "root", es[0].Value, es[1].Value+50, 1e-12)
	if w := es[3].NoiseHi - es[3].NoiseLo; !(w < 2*z*10*0.72) {
		t.Errorf("the margin does not sharpen its cells: width %v", w)
	}
	for _, bad := range []struct {
		nodes  []Noisy
		parent []int
	}{
		{nil, nil},
		{[]Noisy{{1, 1}}, []int{0}},
		{[]Noisy{{1, math.Inf(1)}}, []int{-1}},
		{[]Noisy{{math.NaN(), 1}}, []int{-1}},
	} {
		if _, err := Reconcile(bad.nodes, bad.parent); err == nil {
			t.Errorf("Reconcile(%v, %v) passes", bad.nodes, bad.parent)
		}
	}
}

func TestCrosstabAddsUp(t *testing.T) {
	tab := Table{Dims: []Dim{labels("a", 2), labels("b", 3)}, Cells: []float64{5, -2, 9, 14, 0, 3}, Sigma: 2}
	m, err := Crosstab(tab, "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	near(t, "row", m.RowTotals[0].Value, 12, 0)
	near(t, "column", m.ColTotals[0].Value, 19, 0)
	near(t, "total", m.Total.Value, 29, 0)
	near(t, "row's half-width", m.RowTotals[0].NoiseHi-12, z*2*math.Sqrt(3), 1e-12)
}

// exp(2.80 SE) of the design, and its table of half-widths: OR at n 2,000 per arm and sigma 20.
func TestPlanning(t *testing.T) {
	d := Declared{Exposed: 2000, Unexposed: 2000, RiskExposed: 0.15, RiskUnexposed: 0.10, Sigma: 20}
	near(t, "width of the odds ratio's interval", math.Exp(z*d.LogOddsRatioSE()), 1.36, 0.005)
	d.Sigma = 0
	near(t, "without noise", math.Exp(z*d.LogOddsRatioSE()), 1.21, 0.005)
	near(t, "smallest ratio", MinimumRatio(0.1), math.Exp(0.2801585), 1e-6)
	d.RiskExposed = 0
	if v := d.LogOddsRatioSE(); !math.IsInf(v, 1) {
		t.Errorf("a planned cell of 0 has standard error %v", v)
	}
	f := Followed{Persons: 5000, Event: 0.01, Censor: 0.01, Sigma: 5, Bins: 60}
	if v := f.LogRateVariance(); !(v > 0 && v < 0.01) {
		t.Errorf("variance of a planned log rate: %v", v)
	}
	f.Persons = 100
	if v := f.LogRateVariance(); !math.IsInf(v, 1) {
		t.Errorf("100 persons at sigma 5 have variance %v", v)
	}
	near(t, "noise of a curve", CurveNoise(1000, 5, 60), 5*math.Sqrt(120)/1000, 1e-12)
}
