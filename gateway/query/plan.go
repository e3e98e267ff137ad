package query

import (
	"math/big"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/sdk/analysis"
)

// Plan is a validated aggregate query. It holds catalogue objects and typed literals only: no byte of the user's text
// except literals, and those are bound as parameters by the engine.
type Plan struct {
	Dataset *catalog.Dataset
	Tables  []TableRef       // FROM and inner joins: private tables by name, at least one, then public ones after those they are joined to
	Where   Cond             // nil: all rows
	GroupBy []ColumnRef      // columns, bands, and what is computed from columns: BIN(...), CASE, conditions
	Domains []protect.Domain // parallel to GroupBy
	Items   []Item           // distinct noisy numbers to buy, in a canonical order
	Outputs []protect.Output // SELECT list and, Hidden, what HAVING and ORDER BY add
	Arrange protect.Arrange
	// Analysis says what the cells mean when the question calls a table function; nil otherwise.
	Analysis *analysis.Spec
	Bounds   Bounds
	Form     Formulation
	// Cells is the number of cells of the public domain; with private keys, 0.
	Cells int64
	// Private: some group column has private keys; PersonItem is then the index of the COUNT(DISTINCT person) item.
	Private    bool
	PersonItem int
	// Fans bounds the work: for each table, the most rows one of its rows is joined to. Public tables have no such bound.
	Fans []int64
	// Columns are all catalogue columns the query touches ("table.column"), sorted: what policy sees.
	Columns []string
}

// TableRef is one table of a FROM list. Private tables after the first are joined on the person always, and on On besides.
// A public table is joined on On alone, which fixes one of its unique keys.
type TableRef struct {
	Table *catalog.Table
	On    []JoinOn
	// Sub is what a derived table holds. Table then describes it: limits, unique sets and columns are proved from what Sub reads.
	Sub *Derived
	// Left: a left join. Persons without a row keep theirs, with every column of this table NULL. Derived tables only.
	Left bool
}

// JoinOn equates a column of an earlier table with one of this table.
type JoinOn struct{ Left, Right ColumnRef }

// ColumnRef is a resolved column or band of Tables[Table]. With Expr it is computed: Column then describes its values, and
// Table means nothing.
type ColumnRef struct {
	Table  int
	Column *catalog.Column
	Band   *catalog.Band // nil: the column itself
	Expr   *Expr         // nil: a column of a table
}

// Cond is a filter: And, Or, Not, Compare, In, Like, IsNull or InPersons.
type Cond interface{ cond() }

type (
	// And and Or have at least two arguments, Not one.
	And struct{ Args []Cond }
	Or  struct{ Args []Cond }
	Not struct{ Arg Cond }
	// Compare is column op literal; Op is one of = <> < <= > >=. The literal has the column's (or band's) kind and scale.
	Compare struct {
		Col   ColumnRef
		Op    string
		Value catalog.Value
	}
	// In is column IN (literals), sorted and unique.
	In struct {
		Col    ColumnRef
		Values []catalog.Value
	}
	// Like is a literal prefix followed by one %.
	Like struct {
		Col    ColumnRef
		Prefix string
	}
	// IsNull is column IS NULL.
	IsNull struct{ Col ColumnRef }
	// InPersons is person IN (SELECT person FROM Tables WHERE Where): person-local.
	InPersons struct{ Sub *Cohort }
)

func (And) cond()       {}
func (Or) cond()        {}
func (Not) cond()       {}
func (Compare) cond()   {}
func (In) cond()        {}
func (Like) cond()      {}
func (IsNull) cond()    {}
func (InPersons) cond() {}

// Cohort is a set of persons: those with at least one row.
type Cohort struct {
	Tables []TableRef
	Where  Cond
	Fans   []int64 // as in Plan
}

// ItemKind is what one noisy number counts per person and group.
type ItemKind string

const (
	Persons ItemKind = "persons" // 1 if the person has a row in the group
	Rows    ItemKind = "rows"    // rows of the person in the group, at most C; with Col: rows where Col is not NULL
	Sum     ItemKind = "sum"     // sum of (x - Center), each x clipped to the column's clip bounds
	Squares ItemKind = "squares" // sum of (x - Center)^2, likewise
)

// Item is one noisy number per cell.
type Item struct {
	Kind   ItemKind
	Col    *ColumnRef // Sum, Squares; Rows over a nullable column
	Center int64      // Sum, Squares
	// Lo, Hi bound a person's value in one group; the engine clips to them.
	Lo, Hi *big.Int
	// S2 is the squared L2 sensitivity over all groups (add/remove one person), an integer in squared scaled units.
	S2 *big.Int
	// Block above 1: the number is that of so many neighbouring cells of the last group column together, counted from its first
	// label (the group "other" stays by itself). Each is one number with its own noise: a level of a hierarchical histogram.
	Block int
	// Outputs that use it, by index into Plan.Outputs: for pricing by the accuracy asked for each.
	Outputs []int
}

// Bounds are the contribution bounds of a person in this plan.
type Bounds struct {
	Rows   int64 // R: rows of a person after joins, proved
	Groups int64 // L0: groups of a person
	PerCol int64 // C: rows of a person in one group
	// Proved: L0 and C follow from what import verified, so the engine need not enforce them.
	Proved bool
}

// Formulation is how the engine enforces the bounds: disclosure-control.md section 6.2.
type Formulation string

const (
	F0 Formulation = "F0" // bounds proved: plain GROUP BY, values clipped inline
	F1 Formulation = "F1" // keys fixed per person: person-ordered stream, no choice of groups
	F2 Formulation = "F2" // person-ordered stream, groups chosen by keyed rank
)
