package protect

import (
	"math/big"

	"jali/gateway/catalog"
)

// Released is what may leave the agency.
type Released struct {
	Columns []Column
	Rows    []Row
	// HiddenGroups is the number of Hidden rows. Private keys that were dropped are not counted: their number is a fact about
	// the data.
	HiddenGroups int
	// Noisy[item][cell] are the raw noisy integers of the groups in domain order, for the record: public keys, of the whole
	// domain; private keys, of those kept, in the order of their keys.
	Noisy [][]*big.Int
	// Label says how a table is protected that has no formal guarantee: ControlledLabel. Empty: by noise.
	Label string
}

// Roles of released columns.
const (
	RoleGroup   = "group"
	RoleMeasure = "measure"
)

// Column describes a released column.
type Column struct {
	Name string
	Role string // RoleGroup or RoleMeasure
	Kind OutputKind
	Type string // of group labels: "integer", "decimal", "date" or "text"; empty for measures
	Unit string
}

// Row is one group. Values and Error95 are parallel to Columns; group columns have no error.
type Row struct {
	Values  []Cell
	Error95 []Cell // half-widths at 95 %
	Hidden  bool   // every measure is Absent: the count is below Min, or too small for its noise
}

// Cell is a released value: a group label, an exact fixed-point number (counts and sums) or a float (derived).
type Cell struct {
	Absent bool
	Label  *catalog.Value // group columns
	Fixed  *big.Int       // counts and sums: scaled integer
	Dec    int
	Float  float64 // means, variances, half-widths
	// Below says that a variance or deviation drowned in noise: its estimate was negative and is shown as 0.
	Below bool
}
