package audit

import "github.com/transparency-dev/merkle/compact"

// Frontier is the right edge of a growing tree. It does what compact.Range does for a range that starts at 0, without its
// two allocations per leaf: checking a log is hashing and little else, and these were a third of the rest. The test compares
// the two, root by root and node by node.
type Frontier struct {
	n     uint64
	nodes [64][32]byte // nodes[l] counts where bit l of n is set: the root of the last complete subtree of 2^l leaves
	node  [32]byte     // the node being visited
}

// Append adds a leaf and shows every node that it completes, from the leaf up. Visitors must not keep the slice.
func (f *Frontier) Append(leaf *[32]byte, visit compact.VisitFn) {
	f.node = *leaf
	level, index := uint(0), f.n
	for {
		if visit != nil {
			visit(compact.NewNodeID(level, index), f.node[:])
		}
		if index&1 == 0 {
			break
		}
		f.node = parent(&f.nodes[level], &f.node)
		level, index = level+1, index/2
	}
	f.nodes[level] = f.node
	f.n++
}

// NewFrontier continues a tree, of which r is the range of all leaves.
func NewFrontier(r *compact.Range) *Frontier {
	f := &Frontier{n: r.End()}
	hashes := r.Hashes() // the largest subtree first
	for level := range f.nodes {
		if f.n>>level&1 != 0 {
			f.nodes[level] = [32]byte(hashes[len(hashes)-1])
			hashes = hashes[:len(hashes)-1]
		}
	}
	return f
}

// Root is the root of the tree.
func (f *Frontier) Root() [32]byte {
	if f.n == 0 {
		return EmptyRoot()
	}
	var h [32]byte
	first := true
	for level, rest := 0, f.n; rest > 0; level, rest = level+1, rest/2 {
		switch {
		case rest&1 == 0:
		case first:
			h, first = f.nodes[level], false
		default:
			h = parent(&f.nodes[level], &h)
		}
	}
	return h
}
