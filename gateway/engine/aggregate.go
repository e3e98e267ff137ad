package engine

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// F0 (disclosure-control.md section 6.2): the contribution bounds follow from what import verified, so a plain GROUP BY is the
// bounded query. SQL computes integer sums over stored values; what costs CPU per row is done afterwards, exactly:
//
//	sum of clip(x) - centre  =  sum(x) - sum(x - hi where x > hi) - sum(x - lo where x < lo) - centre * count(x)
//
// and a banded group is aggregated by its column and folded here, unless persons must be counted across its values.

const (
	// foldSpan is the widest column whose bands are folded here.
	foldSpan = 1 << 17
	// maxCaseRuns bounds the CASE tree of a band that is not; wider ones take the stream.
	maxCaseRuns = 1024
)

// aggregate answers a plan whose bounds are proved.
func (e *Engine) aggregate(ctx context.Context, plan *query.Plan) (protect.Cells, error) {
	a := &aggregation{plan: plan, sql: writer{dialect: e.dialect}}
	if err := a.write(); err != nil {
		return protect.Cells{}, err
	}
	err := e.store.aggregate(ctx, statement{a.sql.String(), a.sql.args, a.types()}, a.read)
	if plan.Private {
		return sortKeys(a.cells), err
	}
	return a.cells, err
}

// aggregation is one plain GROUP BY: how it is written and how its rows are read.
type aggregation struct {
	plan   *query.Plan
	sql    writer
	refs   []query.ColumnRef // of the projection, if there is one
	groups []group
	sums   []string // distinct aggregates, each a HUGEINT
	items  []aggregateItem
	cells  protect.Cells
	seen   []bool
	places map[string]int
}

// group is one GROUP BY column. labels is nil for private keys.
type group struct {
	ref    query.ColumnRef
	enc    encoding
	labels *labeler
	banded bool // the statement yields the label's index
}

// aggregateItem computes an item: the sum of its terms, each an aggregate times a factor.
type aggregateItem []term

type term struct {
	sum    int
	factor *big.Int
}

var one, minusOne = big.NewInt(1), big.NewInt(-1)

func (a *aggregation) write() error {
	p := a.plan
	s, err := a.scope()
	if err != nil {
		return err
	}
	var list []string
	for i, r := range p.GroupBy {
		x, g, err := a.group(s, r, p.Domains[i])
		if err != nil {
			return err
		}
		a.groups, list = append(a.groups, g), append(list, x)
	}
	for _, it := range p.Items {
		if err := a.item(s, it); err != nil {
			return err
		}
	}
	for _, x := range a.sums {
		list = append(list, "("+x+")::"+a.sql.dialect.typ("HUGEINT"))
	}
	a.sql.WriteString("SELECT " + strings.Join(list, ", "))
	if err := a.from(s); err != nil {
		return err
	}
	for i := range a.groups {
		if i == 0 {
			a.sql.WriteString(" GROUP BY 1")
		} else {
			fmt.Fprintf(&a.sql, ", %d", i+1)
		}
	}
	size, err := domainSize(p)
	if err != nil {
		return err
	}
	a.cells.Values = make([][]*big.Int, len(p.Items))
	if p.Private {
		a.cells.Keys, a.places = [][]catalog.Value{}, map[string]int{}
		return nil
	}
	for i := range a.cells.Values {
		a.cells.Values[i] = make([]*big.Int, size)
	}
	a.seen = make([]bool, size)
	return nil
}

// scope names what the statement reads: the tables, or where the plan computes values a projection of them.
func (a *aggregation) scope() (*scope, error) {
	if !computes(a.plan) {
		return a.sql.open(a.plan.Tables)
	}
	s := &scope{person: "q." + personColumn, projected: map[query.ColumnRef]string{}}
	add := func(r query.ColumnRef) {
		if r = plainRef(r); s.projected[r] == "" {
			s.projected[r] = "q._c" + strconv.Itoa(len(a.refs))
			a.refs = append(a.refs, r)
		}
	}
	for _, g := range a.plan.GroupBy {
		add(g)
	}
	for _, it := range a.plan.Items {
		if it.Col != nil {
			add(*it.Col)
		}
	}
	return s, nil
}

func (a *aggregation) from(s *scope) error {
	if s.projected == nil {
		return a.sql.from(s, a.plan.Where)
	}
	a.sql.WriteString(" FROM (")
	if err := a.sql.project(a.plan.Tables, a.plan.Where, a.refs); err != nil {
		return err
	}
	a.sql.WriteString(") q")
	return nil
}

func (a *aggregation) group(s *scope, r query.ColumnRef, d protect.Domain) (string, group, error) {
	g := group{ref: r, enc: encodingOf(r.Column)}
	x, err := s.column(r)
	if err != nil {
		return "", g, err
	}
	if !d.Private {
		if g.labels, err = newLabeler(r, d); err != nil {
			return "", g, err
		}
	}
	switch {
	case r.Band == nil:
		return x, g, nil
	case d.Private:
		return "", g, fmt.Errorf("%w: private band", errPlan)
	case a.additive() && g.enc.kind != texts && g.enc.hi-g.enc.lo <= foldSpan:
		return x, g, nil
	case g.enc.kind == texts || len(g.labels.runs) > maxCaseRuns:
		return "", g, errStreamOnly
	}
	g.banded = true
	return "(" + g.labels.runs.caseOf(x) + ")::BIGINT", g, nil
}

// item chooses the aggregates of an item.
func (a *aggregation) item(s *scope, it query.Item) error {
	var terms aggregateItem
	add := func(x string, factor *big.Int) {
		i := slices.Index(a.sums, x)
		if i < 0 {
			i = len(a.sums)
			a.sums = append(a.sums, x)
		}
		terms = append(terms, term{i, factor})
	}
	defer func() { a.items = append(a.items, terms) }()
	if it.Col == nil {
		switch {
		case it.Kind == query.Rows, it.Kind == query.Persons && a.plan.Bounds.PerCol == 1:
			add("count(*)", one)
		case it.Kind == query.Persons:
			add("count(DISTINCT "+s.person+")", one)
		default:
			return fmt.Errorf("%w: item without column", errPlan)
		}
		return nil
	}
	x, err := s.column(*it.Col)
	if err != nil {
		return err
	}
	filled := "count(" + x + ")"
	if !it.Col.Column.Nullable {
		filled = "count(*)"
	}
	if it.Kind == query.Rows {
		add(filled, one)
		return nil
	}
	m, err := measureOf(it)
	if err != nil {
		return err
	}
	if it.Kind == query.Squares {
		typ := "BIGINT"
		if !m.squareFits {
			typ = a.sql.dialect.typ("HUGEINT")
		}
		d := fmt.Sprintf("(%s::%s - %d)", m.clipped(x), typ, it.Center)
		add("coalesce(sum("+d+" * "+d+"), 0)", one)
		return nil
	}
	typ := "BIGINT"
	if m.enc.lo < -1<<62 || m.enc.hi > 1<<62 {
		typ = a.sql.dialect.typ("HUGEINT")
	}
	add("coalesce(sum("+x+"), 0)", one)
	if m.clipHi < m.enc.hi {
		add(fmt.Sprintf("coalesce(sum(%s::%s - %d) FILTER (WHERE %s > %d), 0)", x, typ, m.clipHi, x, m.clipHi), minusOne)
	}
	if m.clipLo > m.enc.lo {
		add(fmt.Sprintf("coalesce(sum(%s::%s - %d) FILTER (WHERE %s < %d), 0)", x, typ, m.clipLo, x, m.clipLo), minusOne)
	}
	if it.Center != 0 {
		add(filled, big.NewInt(-it.Center))
	}
	return nil
}

// clipped writes x held within the clip bounds; NULL stays NULL.
func (m measure) clipped(x string) string {
	switch {
	case m.clipLo <= m.enc.lo && m.clipHi >= m.enc.hi:
		return x
	case m.clipLo <= m.enc.lo:
		return fmt.Sprintf("(CASE WHEN %s > %d THEN %d ELSE %s END)", x, m.clipHi, m.clipHi, x)
	case m.clipHi >= m.enc.hi:
		return fmt.Sprintf("(CASE WHEN %s < %d THEN %d ELSE %s END)", x, m.clipLo, m.clipLo, x)
	}
	return fmt.Sprintf("(CASE WHEN %s < %d THEN %d WHEN %s > %d THEN %d ELSE %s END)", x, m.clipLo, m.clipLo, x, m.clipHi, m.clipHi, x)
}

// types is how the columns of the statement lie.
func (a *aggregation) types() []string {
	var types []string
	for _, g := range a.groups {
		if g.banded {
			types = append(types, "BIGINT")
		} else {
			types = append(types, g.enc.typ)
		}
	}
	for range a.sums {
		types = append(types, "HUGEINT")
	}
	return types
}

// read adds one chunk of result rows.
func (a *aggregation) read(rows chunk) error {
	for i := range rows.size() {
		cell, counts, err := a.cell(rows, i)
		if err != nil {
			return err
		}
		if !counts {
			continue
		}
		sums := make([]*big.Int, len(a.sums))
		for j := range sums {
			p, mask := rows.vector(len(a.groups) + j)
			if !valid(mask, i) {
				return fmt.Errorf("%w: NULL sum", errPlan)
			}
			sums[j] = values[hugeint](p, rows.size())[i].big()
		}
		for j, it := range a.items {
			v := new(big.Int)
			for _, t := range it {
				v.Add(v, new(big.Int).Mul(t.factor, sums[t.sum]))
			}
			if a.cells.Values[j][cell] != nil {
				v.Add(v, a.cells.Values[j][cell])
			}
			a.cells.Values[j][cell] = v
		}
	}
	return nil
}

// cell finds where a result row counts.
func (a *aggregation) cell(rows chunk, i int) (cell int, counts bool, err error) {
	var key []catalog.Value
	for j, g := range a.groups {
		p, mask := rows.vector(j)
		null := !valid(mask, i)
		var n int64
		var word []byte
		switch {
		case null:
		case g.banded:
			n = values[int64](p, rows.size())[i]
		case g.enc.kind == texts:
			word = values[textValue](p, rows.size())[i].bytes()
		default:
			n = numberAt(p, i, g.enc)
		}
		if g.labels == nil {
			switch {
			case null:
				key = append(key, catalog.Value{})
			case g.enc.kind == texts:
				key = append(key, catalog.StringValue(string(word)))
			default:
				key = append(key, keyValue(g.ref.Column, n))
			}
			continue
		}
		label := g.labels.other
		switch {
		case null:
		case g.banded:
			label = int32(n)
		case g.enc.kind == texts:
			label = g.labels.word(word)
		default:
			label = g.labels.number(n)
		}
		if label < 0 {
			return 0, false, nil
		}
		if a.plan.Private {
			key = append(key, a.plan.Domains[j].Labels[label])
		} else {
			cell = cell*int(g.labels.size) + int(label)
		}
	}
	if !a.plan.Private {
		// Two groups of the statement in one cell would count a person twice. Import leaves no value outside a code list, so
		// only a domain that the filter does not imply could do it.
		if a.seen[cell] && !a.additive() {
			return 0, false, errStreamOnly
		}
		a.seen[cell] = true
		return cell, true, nil
	}
	text := string(encodeKey(key))
	at, known := a.places[text]
	if known && !a.additive() {
		return 0, false, errStreamOnly
	}
	if !known {
		at = len(a.cells.Keys)
		a.places[text] = at
		a.cells.Keys = append(a.cells.Keys, key)
		for j := range a.cells.Values {
			a.cells.Values[j] = append(a.cells.Values[j], nil)
		}
	}
	return at, true, nil
}

// additive reports whether the items of several groups of the statement may be added up: not where persons are counted who
// can be in more than one of them.
func (a *aggregation) additive() bool {
	return a.plan.Bounds.PerCol == 1 || !slices.ContainsFunc(a.plan.Items, func(it query.Item) bool { return it.Kind == query.Persons })
}

// hugeint is DuckDB's 128-bit integer.
type hugeint struct {
	lower uint64
	upper int64
}

func (h hugeint) big() *big.Int {
	b := new(big.Int).Lsh(big.NewInt(h.upper), 64)
	return b.Add(b, new(big.Int).SetUint64(h.lower))
}

// domainSize is the number of public cells: 0 with private keys.
func domainSize(p *query.Plan) (int64, error) {
	if p.Private {
		return 0, nil
	}
	size := int64(1)
	for _, d := range p.Domains {
		if d.Private || len(d.Labels) == 0 || size > maxCells/int64(len(d.Labels)) {
			return 0, fmt.Errorf("%w: domain", errPlan)
		}
		size *= int64(len(d.Labels))
	}
	return size, nil
}

// maxCells bounds a domain, whatever policy allows.
const maxCells = 1 << 22
