package protect

import (
	"math/big"

	"jali/crypto/noise"
	"jali/gateway/catalog"
)

// Spec says everything Release needs: the declared domain, the noise of each item, what to derive and what to hide.
// It is made from plan and price before data is touched and never depends on data.
type Spec struct {
	Groups  []Domain // one per GROUP BY column, in that order; none means one cell
	Items   []Item   // the noisy numbers, in the order of the engine's values
	Outputs []Output // what is shown, in SELECT order
	Arrange Arrange
	// Min hides a row whose noisy person or row count is below it (post-processing; public keys). It must be >= 0.
	Min int64
	// Threshold is set when any group column has private keys.
	Threshold *Threshold
}

// Domain is the public list of labels of a group column, or Private.
type Domain struct {
	Name    string
	Labels  []catalog.Value // public: the domain in catalogue order; a NULL label last is the group "other"
	Private bool
}

// Item is one noisy number per cell: exact integer + one discrete Gaussian draw of variance Sigma2.
type Item struct {
	Name   string // e.g. "rows", "persons", "sum(cost)"
	Sigma2 noise.Variance
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
	// Decimals scales the result: shown = scaled / 10^Decimals.
	Decimals int
	// Hidden outputs exist only for HAVING or ORDER BY.
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

// Arrange is HAVING, ORDER BY and LIMIT, on released values only.
type Arrange struct {
	Having *Having
	Order  []Order
	Limit  int64 // 0: none
}

// Order is one ORDER BY key: an output index.
type Order struct {
	Output int
	Desc   bool
}

// Having is a tree: Op "and", "or", "not" over Args, or a comparison ("=", "<>", "<", "<=", ">", ">=") of an output with a
// number (measures) or a value (groups).
type Having struct {
	Op     string
	Args   []*Having
	Output int
	Number float64
	Value  catalog.Value
}

// Cells is what an engine found, exactly: Values[item][cell]. With public keys Keys is nil and a cell's number is its
// mixed-radix index over Spec.Groups (last group column fastest); len(Values[i]) is the product of the domain sizes.
// With private keys Keys[cell] has one value per group column and only cells that occur are listed.
type Cells struct {
	Keys   [][]catalog.Value
	Values [][]*big.Int // a nil entry is zero
}

// Raw holds Cells in a closure, so that no printer, logger or encoder can reach them; only this package opens it.
type Raw struct{ open func() Cells }

// NewRaw seals cells. Anything may fill a Raw; only Release opens it.
func NewRaw(c Cells) Raw { return Raw{open: func() Cells { return c }} }

// Released is what may leave the agency.
type Released struct {
	Columns      []Column
	Rows         []Row
	HiddenGroups int
	// Noisy[item][cell] are the raw noisy integers behind the rows, for the record; nil where a private key was dropped.
	Noisy [][]*big.Int
}

// Column describes a released column.
type Column struct {
	Name string
	Role string // "group" or "measure"
	Kind OutputKind
	Unit string
}

// Row is one group. Values and Error95 are parallel to Columns; group columns have no error.
type Row struct {
	Values  []Cell
	Error95 []Cell // half-widths at 95 %
	Hidden  bool   // below Min or the hiding rule: every measure is Absent
}

// Cell is a released value: a group label, an exact fixed-point number (counts and sums) or a float (derived).
type Cell struct {
	Absent bool
	Label  *catalog.Value // group columns
	Fixed  *big.Int       // counts and sums: scaled integer
	Dec    int
	Float  float64 // means, variances, half-widths
}

// View says what of a Released table the asker sees: it names, picks and orders, and cannot change a value.
type View struct {
	Columns []ViewColumn
	Rows    []int // indices into Released.Rows
}

// ViewColumn is one column of the SELECT list: an index into Released.Columns.
type ViewColumn struct {
	Name  string
	Index int
}
