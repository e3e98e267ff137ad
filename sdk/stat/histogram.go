package stat

import (
	"fmt"
	"math"
)

// Tree is a hierarchical noisy histogram: Levels[0] is the coarsest, the last holds the leaves, and every node of a
// level stands for Fanout neighbouring nodes of the next. All nodes have independent noise Sigma. A single level is a flat histogram.
// Edges are the len(leaves)+1 ends of the leaves' bins, from low to high.
type Tree struct {
	Levels [][]float64
	Fanout int
	Sigma  float64
	Edges  []float64
	Whole  bool // values are whole numbers, and a leaf from e to e' holds the values e, e+1, ..., e'-1
}

// Distribution is the consistent histogram of a tree.
type Distribution struct {
	Cells []float64 // leaves; every node of the tree is the sum of its leaves
	tree  Tree
	total float64
}

// Check finds what cannot be a tree.
func (t Tree) Check() error {
	n := len(t.Levels)
	if n == 0 || len(t.Levels[n-1]) == 0 || len(t.Levels[n-1]) > maxCells {
		return fmt.Errorf("%w: a tree needs leaves, at most %d", ErrTable, maxCells)
	}
	if n > 1 && t.Fanout < 2 {
		return fmt.Errorf("%w: a tree with levels needs a fanout of 2 or more", ErrTable)
	}
	for l, nodes := range t.Levels {
		if l > 0 && len(nodes) != len(t.Levels[l-1])*t.Fanout {
			return fmt.Errorf("%w: level %d must have %d nodes for each of the level before", ErrTable, l, t.Fanout)
		}
		for _, c := range nodes {
			if math.IsNaN(c) || math.Abs(c) > maxCell {
				return fmt.Errorf("%w: a node is no number below 2^53", ErrTable)
			}
		}
	}
	if len(t.Edges) != len(t.Levels[n-1])+1 {
		return fmt.Errorf("%w: %d leaves need %d edges", ErrTable, len(t.Levels[n-1]), len(t.Levels[n-1])+1)
	}
	for i, e := range t.Edges {
		if !(math.Abs(e) <= maxCell) || i > 0 && e <= t.Edges[i-1] {
			return fmt.Errorf("%w: edges must be finite and increase", ErrTable)
		}
	}
	if !(t.Sigma >= 0 && t.Sigma < maxCell) {
		return fmt.Errorf("%w: Sigma must be a number from 0 up", ErrTable)
	}
	return nil
}

// Consistent makes all levels agree: the least-squares leaves, given every node (Hay et al. 2010, theorem 3), in two
// passes. It is the best linear unbiased estimate; nothing is clamped.
func (t Tree) Consistent() (Distribution, error) {
	if err := t.Check(); err != nil {
		return Distribution{}, err
	}
	d := Distribution{Cells: t.fit(t.Levels), tree: t}
	for _, c := range d.Cells {
		d.total += c
	}
	return d, nil
}

func (t Tree) fit(levels [][]float64) []float64 {
	n := len(levels)
	up := make([][]float64, n)
	up[n-1] = levels[n-1]
	k := float64(t.Fanout)
	for l := n - 2; l >= 0; l-- {
		high := math.Pow(k, float64(n-l)) // k to the node's height, leaves 1
		low := high / k
		up[l] = make([]float64, len(levels[l]))
		for v := range up[l] {
			sum := 0.0
			for _, c := range up[l+1][v*t.Fanout : (v+1)*t.Fanout] {
				sum += c
			}
			up[l][v] = (high-low)/(high-1)*levels[l][v] + (low-1)/(high-1)*sum
		}
	}
	down := up[0]
	for l := 1; l < n; l++ {
		next := make([]float64, len(up[l]))
		for v := range down {
			sum := 0.0
			for _, c := range up[l][v*t.Fanout : (v+1)*t.Fanout] {
				sum += c
			}
			for i := v * t.Fanout; i < (v+1)*t.Fanout; i++ {
				next[i] = up[l][i] + (down[v]-sum)/k
			}
		}
		down = next
	}
	return down
}

// variance of the noise of sum weight[i] Cells[i]. The fit's covariance is sigma^2 (H'H)^-1, and (H'H)^-1 w is what the fit
// makes of a tree with w at its leaves and 0 above.
func (d Distribution) variance(weight []float64) float64 {
	levels := make([][]float64, len(d.tree.Levels))
	for l := range levels {
		levels[l] = make([]float64, len(d.tree.Levels[l]))
	}
	levels[len(levels)-1] = weight
	return math.Max(0, d.tree.Sigma*d.tree.Sigma*dot(weight, d.tree.fit(levels)))
}

// Total is the number of persons.
func (d Distribution) Total() Estimate {
	w := make([]float64, len(d.Cells))
	for i := range w {
		w[i] = 1
	}
	return noiseOnly("persons", nil, d.total, d.variance(w))
}

// Share is the share of persons below a value.
type Share struct {
	Estimate
	Below float64
}

// maxPoints of a cumulative curve, and of the edges at which a quantile's noise is computed.
const maxPoints = 512

// Cumulative is the share of persons below the edges between bins (with more than 512 bins, evenly chosen ones). Intervals:
// Wilson's with the noise of both counts in it.
func (d Distribution) Cumulative() []Share {
	all := make([]float64, len(d.Cells))
	for i := range all {
		all[i] = 1
	}
	vy := d.variance(all)
	step := max(1, len(d.Cells)/maxPoints)
	var out []Share
	below := 0.0
	for i := range len(d.Cells) - 1 {
		below += d.Cells[i]
		if (i+1)%step != 0 {
			continue
		}
		w := make([]float64, len(d.Cells))
		for j := range i + 1 {
			w[j] = 1
		}
		vx := d.variance(w)
		for j := range w {
			w[j] = 1 - w[j]
		}
		vr := d.variance(w) // of the rest: cov(x, y) = (vx + vy - vr)/2
		f := fraction{x: below, y: d.total, vx: vx, vy: vy, cov: (vx + vy - vr) / 2}
		out = append(out, Share{f.estimate("cumulative share", nil, f.y, -f.y), d.tree.Edges[i+1]})
	}
	return out
}
