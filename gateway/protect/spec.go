package protect

import (
	"jali/crypto/noise"
	"jali/gateway/catalog"
)

// Spec says everything Release needs: the declared domain, the noise of each item, what to derive and what to hide.
// It is made from plan and price before data is touched and never depends on data.
type Spec struct {
	Groups  []Domain // one per GROUP BY column, in that order; none means one cell
	Items   []Item   // the noisy numbers, in the order of the engine's values
	Outputs []Output // the columns to derive, in order
	// Min hides a row whose noisy count is below it (post-processing, so no guarantee on true counts). It must be >= 0; 0 hides nothing. The
	// count is, of the items some output or the threshold uses as a count, the one named ItemPersons, else ItemRows, else the
	// first. A query without any such item (sums only) has nothing to compare and hides nothing.
	Min int64
	// Threshold is set when any group column has private keys.
	Threshold *Threshold
}

// Domain is the public list of labels of a group column, or Private.
type Domain struct {
	Name    string
	Labels  []catalog.Value // public: the domain in catalogue order; a NULL label last is the group "other"
	Private bool
	// Open is for Suppress: that a whole group has one of these labels tells nothing about it.
	Open bool
}

// Names of the items that count persons and rows. They decide what Min compares with.
const (
	ItemPersons = "persons"
	ItemRows    = "rows"
)

// Item is one noisy number per cell: exact integer + one discrete Gaussian draw of variance Sigma2.
type Item struct {
	Name   string // e.g. "rows", "persons", "sum(cost)"
	Sigma2 noise.Variance
	// Binary is for Suppress: a person adds 0 or 1, so that the sum is a count.
	Binary bool
	// Block above 1: one number for so many neighbouring cells of the last group column together, counted from its first label; it
	// stands in the first of them, and the others have none. The group "other" stays by itself. Release with public keys only.
	Block int
}

// Output is one shown column.
type Output struct {
	Name string
	Kind OutputKind
	// Group is the index into Groups for OutGroup.
	Group int
	// N, S, Q are item indices: N the count (OutCount, OutMean, OutVar, OutSD), S the centred sum (OutSum, OutMean, ...),
	// Q the centred sum of squares (OutVar, OutSD).
	N, S, Q int
	// Center is the integer that was subtracted from each scaled value before summing; 0 for OutSum.
	Center int64
	// Decimals is that of the column: shown = scaled / 10^Decimals, for OutVar scaled / 10^(2 Decimals).
	Decimals int
	Unit     string // of the shown value, for people
	// Hidden outputs exist only for HAVING or ORDER BY. They are released and recorded like the others; a View leaves them out.
	Hidden bool
}

// OutputKind tells how an output derives from noisy items.
type OutputKind string

const (
	OutGroup OutputKind = "group"
	OutCount OutputKind = "count"
	OutSum   OutputKind = "sum"
	OutMean  OutputKind = "mean"
	OutVar   OutputKind = "var" // sample variance, n-1
	OutSD    OutputKind = "sd"
)

// Threshold is the selection of private keys (disclosure-control.md section 7): a cell with n < K persons is never
// kept; otherwise it is kept iff n-(K-1)+Y >= Tau, where n+Y is the noisy value of item Item (COUNT DISTINCT person).
type Threshold struct {
	Item int
	Tau  int64
	K    int64
}
