package catalog

import (
	"slices"
	"time"
)

// Mode says how answers about a population are protected. A population is in exactly one mode.
type Mode string

// ModeDP is rho-zCDP differential privacy. ModeSDC is classical disclosure control, for agencies that mandate it: rules, memory and
// quotas without a formal guarantee.
const (
	ModeDP  Mode = "dp"
	ModeSDC Mode = "sdc"
)

// Role says what a query may do with a column. A column may have several roles.
type Role string

const (
	RoleGroup   Role = "group"   // GROUP BY and filters
	RoleMeasure Role = "measure" // SUM, AVG, VAR, STDDEV and filters
	RoleFilter  Role = "filter"  // filters only
	RoleDate    Role = "date"    // filters; groups through its declared bands
	RoleNever   Role = "never"   // dropped at import; never in the engine
	RolePerson  Role = "person"  // the person key: COUNT(DISTINCT), joins and IN (SELECT ...) only
)

// Type is a column's logical type. The engine stores Integer, Decimal (fixed point, scaled by 10^Decimals)
// and Date (days since 1970-01-01) as BIGINT and Text as VARCHAR.
type Type string

const (
	Integer Type = "integer"
	Decimal Type = "decimal"
	Text    Type = "text"
	Date    Type = "date"
)

// Dataset is one validated, immutable catalogue file with its code lists resolved.
type Dataset struct {
	ID          string
	Title       string
	Description string
	Source      string // provenance and licence, free text for people
	Population  string // person universe: the population ledger it is charged to
	Mode        Mode
	Class       string // sensitivity class of the whole, for policy
	Level       int    // release level of audit-log.md: 1 or 2
	Digest      [32]byte
	Tables      []*Table // in file order
	Joins       []Join
	// ThresholdDelta is what each query with private group keys pays in delta, in units of 1e-18 (threshold_delta: "1e-8" in
	// the file). 0: not declared; it is required when any column has private keys.
	ThresholdDelta int64
	// Slots is the response ladder. Nil means DefaultSlots; empty means switched off by the catalogue.
	Slots []time.Duration
}

// Table is one relation. A private table has a person key, its own or reached Via another table at import.
type Table struct {
	Name        string
	Description string
	Public      bool // public reference table: no person in it; joined by a unique key only
	PersonKey   string
	Via         *Via
	Columns     []*Column

	// RowsPerPerson is the hard limit, verified at import. 1 proves one row per person.
	RowsPerPerson int64
	// GroupsPerPerson (l0) and RowsPerGroup (c) are the contribution caps of a person in one query over this table.
	// Each is in [1, RowsPerPerson].
	GroupsPerPerson int64
	RowsPerGroup    int64
	// Unique lists column sets verified unique at import. Each may name the person key.
	Unique [][]string
}

// Via says that the person of a row is found through a unique key of another table, once, at import.
type Via struct {
	Table string // private table with its own person key
	Key   string // column of the same name in both tables, unique in Table
}

// Join is a declared equi-join of two non-person columns. Joins on the person key need no declaration.
type Join struct{ LeftTable, LeftColumn, RightTable, RightColumn string }

// Column is one column of a table.
type Column struct {
	Name        string
	Table       string
	Description string
	Type        Type
	Decimals    int // Decimal only: 0..6
	Unit        string
	Roles       []Role
	Nullable    bool
	Sensitivity string // class for policy: "low", "normal", "high", ...; never empty
	// PerPerson states that the value is the same in every row of a person: verified at import.
	PerPerson bool
	// Codes is the public domain in catalogue order. Nil if none.
	Codes []Value
	// Labels names codes for people; keys are Value.String().
	Labels map[string]string
	// PrivateKeys allows GROUP BY without a public domain: keys come from the data behind a threshold.
	PrivateKeys bool
	// Open (mode sdc): that all persons of a group have one value of this column tells nothing about them, as with sex or region.
	Open bool
	// Matching are, with PrivateKeys, all texts that Pattern allows, in byte order: a public list for encrypted questions. Nil if there
	// is no pattern, or they are more than 2^18.
	Matching []Value
	// Pattern is an anchored RE2 expression each text value matched at import. Empty if Codes is set.
	Pattern string
	// Lo and Hi bound numeric and date values (scaled): verified at import. ClipLo, ClipHi are the bounds of a value
	// inside an aggregate (default: Lo, Hi).
	Lo, Hi, ClipLo, ClipHi int64
	Bands                  []*Band
}

// Band is a declared public coarsening of a column. Its name is used in SQL like a column's.
type Band struct {
	Name   string
	Column string
	Kind   BandKind
	Labels []Value // the domain, in order
	// Names explains labels for people; keys are Value.String(). Prefix bands only.
	Names map[string]string
	// Cuts for BandCuts: label i holds Cuts[i] <= x < Cuts[i+1]; len(Cuts) == len(Labels)+1. Dates in days.
	Cuts []int64
	// Prefix for BandPrefix: the first Prefix bytes of a text value; Labels are the declared prefixes.
	Prefix int
}

// BandKind tells how a band derives its label.
type BandKind string

const (
	BandCuts   BandKind = "cuts"
	BandYear   BandKind = "year" // Labels are Integer years, contiguous
	BandPrefix BandKind = "prefix"
)

// Has reports whether the column has the role.
func (c *Column) Has(r Role) bool { return slices.Contains(c.Roles, r) }

// Table returns the named table or nil.
func (d *Dataset) Table(name string) *Table {
	for _, t := range d.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Column returns the named column or nil.
func (t *Table) Column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Band returns the named band and its column, or nil.
func (t *Table) Band(name string) (*Column, *Band) {
	for _, c := range t.Columns {
		for _, b := range c.Bands {
			if b.Name == name {
				return c, b
			}
		}
	}
	return nil, nil
}
