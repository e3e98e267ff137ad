package stat

import (
	"fmt"
	"math"
)

// Reconcile makes counts of an irregular hierarchy agree, such as a code list with its chapters, or cells with a margin that was bought as a
// table of its own: afterwards every node is the sum of its children. parent[i] is the node above i, -1 for a root, and comes before
// i. Noise of the nodes is independent; a Sigma of +Inf marks a node that was not bought.
//
// It is least squares with the inverse variances as weights, in two passes (section 8 of the design): up, the weighted mean of a node
// and the sum of its children; down, what is left over shared out by variance. The intervals are of noise, and never wider
// than the node's own.
func Reconcile(nodes []Noisy, parent []int) ([]Estimate, error) {
	n := len(nodes)
	if n == 0 || n > maxCells || len(parent) != n {
		return nil, fmt.Errorf("%w: a hierarchy needs one parent for each of 1 to %d nodes", ErrTable, maxCells)
	}
	sum, spread := make([]float64, n), make([]float64, n) // over children: of estimates, of variances
	leaf := make([]bool, n)
	for i := range n {
		leaf[i] = true
		if parent[i] < -1 || parent[i] >= i {
			return nil, fmt.Errorf("%w: node %d must come after its parent", ErrTable, i)
		}
		if parent[i] >= 0 {
			leaf[parent[i]] = false
		}
	}
	for i, v := range nodes {
		bought := v.Sigma <= maxCell
		if !(v.Sigma >= 0) || leaf[i] && !bought || bought && !(math.Abs(v.Value) <= maxCell) {
			return nil, fmt.Errorf("%w: node %d needs a finite value and Sigma", ErrTable, i)
		}
	}
	up, variance := make([]float64, n), make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		own := nodes[i].Sigma * nodes[i].Sigma
		switch {
		case leaf[i]:
			up[i], variance[i] = nodes[i].Value, own
		case own+spread[i] == 0: // both exact: they agree, or the caller mixed two data versions
			up[i], variance[i] = sum[i], 0
		case math.IsInf(own, 1):
			up[i], variance[i] = sum[i], spread[i]
		default:
			w := spread[i] / (own + spread[i])
			up[i], variance[i] = w*nodes[i].Value+(1-w)*sum[i], w*own
		}
		if p := parent[i]; p >= 0 {
			sum[p] += up[i]
			spread[p] += variance[i]
		}
	}
	var out []Estimate
	final, left := make([]float64, n), make([]float64, n)
	for i := range n {
		final[i], left[i] = up[i], variance[i]
		if p := parent[i]; p >= 0 && spread[p] > 0 {
			k := variance[i] / spread[p]
			final[i] += k * (final[p] - sum[p])
			left[i] += k * k * (left[p] - spread[p])
		}
		out = append(out, noiseOnly("count", nil, final[i], left[i]))
	}
	return out, nil
}
