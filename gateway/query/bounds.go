package query

import (
	"math/big"
	"math/bits"
	"slices"

	"jali/gateway/catalog"
)

// maxRows is the most rows of a person that a plan may have after joins, and unbounded stands for "no proof".
const (
	maxRows   = int64(1)<<31 - 1 // what the engine's counters of one person hold
	unbounded = int64(1)<<62 - 1
)

func times(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo >= uint64(unbounded) {
		return unbounded
	}
	return int64(lo)
}

// joined proves how many rows one person has in a join, from what import verified: the most rows per person of each table
// and its unique sets. It is a small query optimiser: tables are taken in every order, and a table adds at most the number of
// rows that one of its unique sets leaves when some of its columns are fixed.
type joined struct {
	p      *Plan
	class  map[colAt]colAt // union-find over columns equated by joins
	fixed  map[colAt]bool  // roots of classes with one value within the group being counted
	limits []int64         // rows of a person per table, without regard to the others
}

type colAt struct {
	table int
	col   string
}

func (j *joined) root(c colAt) colAt {
	for {
		up, ok := j.class[c]
		if !ok || up == c {
			return c
		}
		c = up
	}
}

// newJoined fixes the columns of fixed besides those WHERE fixes; limit gives each private table's most rows of a person.
func newJoined(p *Plan, fixed []ColumnRef, limit func(*catalog.Table) int64) *joined {
	j := &joined{p: p, class: map[colAt]colAt{}, fixed: map[colAt]bool{}}
	for _, t := range p.Tables {
		j.limits = append(j.limits, unbounded)
		if !t.Table.Public {
			j.limits[len(j.limits)-1] = limit(t.Table)
		}
		for _, on := range t.On {
			a, b := j.root(colAt{on.Left.Table, on.Left.Column.Name}), j.root(colAt{on.Right.Table, on.Right.Column.Name})
			j.class[a] = b
		}
	}
	for _, ref := range fixed {
		if ref.Band == nil && ref.Expr == nil {
			j.fixed[j.root(colAt{ref.Table, ref.Column.Name})] = true
		}
	}
	return j
}

// factor bounds the rows of table i for one combination of rows of the tables in mask, within one person.
func (j *joined) factor(i int, mask uint) int64 {
	t, best := j.p.Tables[i].Table, j.limits[i]
	for _, u := range t.Unique {
		n := int64(1)
		for _, name := range u {
			if !t.Public && name == t.PersonKey || j.fixed[j.root(colAt{i, name})] || j.equated(i, name, mask) {
				continue
			}
			d := distinct(j.p.Where, ColumnRef{Table: i, Column: t.Column(name)})
			if d == 0 {
				d = unbounded
			}
			if t.Via != nil && name == t.Via.Key {
				// A person's rows name rows of the via table that are the same person's, each by its unique key.
				d = min(d, j.p.Dataset.Table(t.Via.Table).RowsPerPerson)
			}
			n = times(n, d)
		}
		best = min(best, n)
	}
	return best
}

func (j *joined) equated(i int, name string, mask uint) bool {
	root := j.root(colAt{i, name})
	for k, t := range j.p.Tables {
		if mask>>k&1 == 0 {
			continue
		}
		for _, col := range t.Table.Columns {
			if j.root(colAt{k, col.Name}) == root {
				return true
			}
		}
	}
	return false
}

// rows bounds, for every set of tables, the rows of one person in their join.
func (j *joined) rows() []int64 {
	n := len(j.p.Tables)
	out := make([]int64, 1<<n)
	out[0] = 1
	for mask := uint(1); mask < 1<<n; mask++ {
		out[mask] = unbounded
		for i := range n {
			if mask>>i&1 == 1 {
				rest := mask &^ (1 << i)
				out[mask] = min(out[mask], times(out[rest], j.factor(i, rest)))
			}
		}
	}
	return out
}

// bound computes the contribution bounds, chooses the formulation and prices every item in squared sensitivity.
//
// R bounds the rows of a person, C those in one group, L0 the groups. With n_g rows of a person in group g: n_g <= C,
// sum n_g <= R, and at most L0 of them are not zero, so sum n_g^2 <= min(L0 C^2, C R). Each value is at most u from the
// centre, so the same holds for sums with u^2 and for squares with u^4; persons add 1 in each of at most L0 groups.
func (c *compiler) bound(sc *scope, p *Plan, at int) {
	whole := uint(1)<<len(p.Tables) - 1
	rows := newJoined(p, nil, hardRows).rows()
	R := rows[whole]
	if R > maxRows {
		c.fail(at, BoundMissing, "the join may give one person too many rows to bound", "join fewer tables; conditions on other tables go into person_id IN (SELECT person_id FROM ...)")
	}
	// Proved: what import verified.
	inGroup := min(R, newJoined(p, p.GroupBy, hardRows).rows()[whole])
	groups := c.groups(p, rows, R)
	proved := Bounds{Rows: R, Groups: groups, PerCol: inGroup, Proved: true}
	// Capped: what the catalogue asks the engine to enforce; any number is sound, since it is enforced.
	capped := Bounds{
		Rows:   R,
		Groups: min(groups, c.groups(p, newJoined(p, nil, func(t *catalog.Table) int64 { return t.GroupsPerPerson }).rows(), R)),
		PerCol: min(inGroup, newJoined(p, p.GroupBy, func(t *catalog.Table) int64 { return rowsPerGroup(p, t) }).rows()[whole]),
	}
	p.Bounds, p.Form = choose(p.Items, proved, capped)
	for i := range p.Items {
		c.price(p, &p.Items[i], at)
	}
}

// hardRows is the limit on a person's rows that import verified.
func hardRows(t *catalog.Table) int64 { return t.RowsPerPerson }

// rowsPerGroup is the cap on a person's rows in one group. It is declared for groups of one value of a column of the table, such
// as one drug. Where all rows of a person, or all of a band, fall in one group it would cut off most of them, so that it does
// not apply there: the verified limit does.
func rowsPerGroup(p *Plan, t *catalog.Table) int64 {
	for _, g := range p.GroupBy {
		if g.Band == nil && g.Expr == nil && p.Tables[g.Table].Table == t && !perPerson(p, g) {
			return t.RowsPerGroup
		}
	}
	return t.RowsPerPerson
}

// choose takes the bounds with the smallest total sensitivity; enforcing is chosen only where it makes the answer cheaper,
// and as little of it as does.
func choose(items []Item, proved, capped Bounds) (Bounds, Formulation) {
	onlyRows, onlyGroups := proved, proved
	onlyRows.PerCol, onlyRows.Proved = capped.PerCol, false
	onlyGroups.Groups, onlyGroups.Proved = capped.Groups, false
	best := proved
	for _, b := range []Bounds{onlyRows, onlyGroups, capped} {
		if total(items, b).Cmp(total(items, best)) < 0 {
			best = b
		}
	}
	switch {
	case best.Proved:
		return best, F0
	case best.Groups == 1 && proved.Groups == 1:
		return best, F1
	}
	return best, F2
}

func total(items []Item, b Bounds) *big.Int {
	sum := new(big.Int)
	for _, it := range items {
		sum.Add(sum, weight(it.Kind, b))
	}
	return sum
}

// weight is the squared sensitivity of an item whose values are at most 1.
func weight(k ItemKind, b Bounds) *big.Int {
	g, r := big.NewInt(b.Groups), big.NewInt(b.PerCol)
	if k == Persons {
		return big.NewInt(min(b.Groups, b.Rows))
	}
	byGroups := new(big.Int).Mul(g, r)
	byGroups.Mul(byGroups, r)
	byRows := new(big.Int).Mul(r, big.NewInt(b.Rows))
	if byRows.Cmp(byGroups) < 0 {
		return byRows
	}
	return byGroups
}

// groups bounds the groups of one person: the smallest of the public labels that can differ within a person, the rows of the
// tables the group columns come from, and all rows.
func (c *compiler) groups(p *Plan, rows []int64, R int64) int64 {
	labels, need := int64(1), uint(0)
	for i, g := range p.GroupBy {
		if perPerson(p, g) {
			continue
		}
		g.EachColumn(func(r ColumnRef) {
			if !perPerson(p, r) {
				need |= 1 << r.Table
			}
		})
		if p.Domains[i].Private {
			labels = unbounded
		}
		labels = times(labels, int64(max(1, len(p.Domains[i].Labels))))
	}
	if need == 0 {
		return 1
	}
	best := min(labels, R)
	for mask, n := range rows {
		if uint(mask)&need == need {
			best = min(best, n)
		}
	}
	return best
}

// perPerson reports whether the column has one value in all rows of a person: import verified it, or it comes from a public
// row that such a column determines.
func perPerson(p *Plan, ref ColumnRef) bool {
	if ref.Expr != nil { // a function of its columns and of the person
		fixed := true
		ref.EachColumn(func(r ColumnRef) { fixed = fixed && perPerson(p, r) })
		return fixed
	}
	t := p.Tables[ref.Table].Table
	if !t.Public {
		return ref.Column.PerPerson || t.RowsPerPerson == 1
	}
	for _, u := range t.Unique {
		if !slices.ContainsFunc(u, func(name string) bool {
			return !slices.ContainsFunc(p.Tables[ref.Table].On, func(on JoinOn) bool { return on.Right.Column.Name == name && perPerson(p, on.Left) })
		}) {
			return true
		}
	}
	return false
}

// maxPerson keeps every number of one person within int64, and those of 2^40 persons within 127 bits.
var maxPerson = new(big.Int).Lsh(big.NewInt(1), 62)

// price sets the clip of one person's value in one group, and the squared sensitivity.
func (c *compiler) price(p *Plan, it *Item, at int) {
	b := p.Bounds
	it.Lo, it.Hi = new(big.Int), big.NewInt(b.PerCol)
	unit := big.NewInt(1) // the most one row can add
	switch it.Kind {
	case Persons:
		it.Hi.SetInt64(1)
	case Sum, Squares:
		lo, hi := it.Col.Column.ClipLo-it.Center, it.Col.Column.ClipHi-it.Center
		unit.SetInt64(max(lo, -lo, hi, -hi))
		it.Lo.Mul(big.NewInt(min(0, lo)), big.NewInt(b.PerCol))
		it.Hi.Mul(big.NewInt(max(0, hi)), big.NewInt(b.PerCol))
		if it.Kind == Squares {
			unit.Mul(unit, unit)
			it.Lo.SetInt64(0)
			it.Hi.Mul(unit, big.NewInt(b.PerCol))
		}
	}
	if unit.Sign() == 0 {
		unit.SetInt64(1) // a constant column: noise is never zero
	}
	if new(big.Int).Mul(unit, big.NewInt(b.Rows)).Cmp(maxPerson) > 0 {
		c.fail(at, BoundMissing, "the numbers of one person may leave the exact range", "ask for SUM instead of VAR, or ask the custodian for narrower bounds on "+it.Col.Column.Name)
	}
	it.S2 = weight(it.Kind, b)
	it.S2.Mul(it.S2, unit).Mul(it.S2, unit)
}
