package engine

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// brute evaluates a plan from its definition on rows in memory, one row at a time in the plainest way: what the engine is
// compared with.
type brute struct {
	ds      *catalog.Dataset
	tables  map[string][]bruteRow
	derived map[*query.Derived][]bruteRow
	cohorts map[*query.Cohort]map[string]bool
}

type bruteRow struct {
	person string
	values map[string]catalog.Value
}

func newBrute(t testing.TB, ds *catalog.Dataset, sheets map[string]*sheet) *brute {
	t.Helper()
	b := &brute{ds: ds, tables: map[string][]bruteRow{}}
	personOf := map[string]string{}
	for _, name := range []string{"person", "event", "diagnosis", "area"} {
		table := ds.Table(name)
		for _, fields := range sheets[name].rows {
			row := bruteRow{values: map[string]catalog.Value{}}
			for i, h := range sheets[name].header {
				c := table.Column(h)
				switch {
				case c.Has(catalog.RoleNever):
				case c.Has(catalog.RolePerson):
					row.person = fields[i]
				case c.Type == catalog.Decimal && fields[i] != "":
					n, ok := parseFixed(fields[i], c.Decimals)
					if !ok {
						t.Fatal("decimal")
					}
					row.values[h] = catalog.FixedValue(n, c.Decimals)
				default:
					v, err := c.Parse(fields[i])
					if err != nil {
						t.Fatal(err)
					}
					row.values[h] = v
				}
			}
			switch name {
			case "event":
				personOf[row.values["event_no"].String()] = row.person
			case "diagnosis":
				row.person = personOf[row.values["event_no"].String()]
			}
			b.tables[name] = append(b.tables[name], row)
		}
	}
	return b
}

// joined is one row after joins: a row per table of the list.
type joined struct {
	person string
	rows   []bruteRow
}

func (b *brute) join(tables []query.TableRef) []joined {
	out := []joined{{}}
	for _, t := range tables {
		rows := b.tables[t.Table.Name]
		if t.Sub != nil {
			rows = b.relation(t.Sub)
		}
		var next []joined
		for _, left := range out {
			before := len(next)
			for _, row := range rows {
				if !t.Table.Public && left.person != "" && left.person != row.person {
					continue
				}
				j := joined{left.person, append(slices.Clone(left.rows), row)}
				if !t.Table.Public {
					j.person = row.person
				}
				if slices.ContainsFunc(t.On, func(on query.JoinOn) bool {
					l, r := b.value(j, on.Left), b.value(j, on.Right)
					return l.Kind == catalog.Null || l != r
				}) {
					continue
				}
				next = append(next, j)
			}
			if t.Left && len(next) == before {
				next = append(next, joined{left.person, append(slices.Clone(left.rows), bruteRow{})})
			}
		}
		out = next
	}
	return out
}

// value is a column's value, its band's label, or what is computed.
func (b *brute) value(j joined, r query.ColumnRef) catalog.Value {
	var v catalog.Value
	if r.Expr == nil {
		v = j.rows[r.Table].values[r.Column.Name]
	} else {
		v = b.compute(j, r)
	}
	return labelled(r, v)
}

func labelled(r query.ColumnRef, v catalog.Value) catalog.Value {
	if r.Band == nil || v.Kind == catalog.Null {
		return v
	}
	for i, l := range r.Band.Labels {
		switch r.Band.Kind {
		case catalog.BandCuts:
			if r.Band.Cuts[i] <= v.N && v.N < r.Band.Cuts[i+1] {
				return l
			}
		case catalog.BandYear:
			if strings.HasPrefix(v.String(), l.String()+"-") {
				return l
			}
		case catalog.BandPrefix:
			if strings.HasPrefix(v.S, l.S) {
				return l
			}
		}
	}
	return catalog.Value{}
}

type truth int

const (
	no      truth = 0
	unknown truth = 1
	yes     truth = 2
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (b *brute) holds(j joined, c query.Cond) truth {
	switch c := c.(type) {
	case nil:
		return yes
	case query.And:
		t := yes
		for _, a := range c.Args {
			t = min(t, b.holds(j, a))
		}
		return t
	case query.Or:
		t := no
		for _, a := range c.Args {
			t = max(t, b.holds(j, a))
		}
		return t
	case query.Not:
		return yes - b.holds(j, c.Arg)
	case query.IsNull:
		return truthOf(b.value(j, c.Col).Kind == catalog.Null)
	case query.InPersons:
		if b.cohorts[c.Sub] == nil {
			if b.cohorts == nil {
				b.cohorts = map[*query.Cohort]map[string]bool{}
			}
			b.cohorts[c.Sub] = map[string]bool{}
			for _, s := range b.join(c.Sub.Tables) {
				if b.holds(s, c.Sub.Where) == yes {
					b.cohorts[c.Sub][s.person] = true
				}
			}
		}
		return truthOf(b.cohorts[c.Sub][j.person])
	case query.Compare:
		v := b.value(j, c.Col)
		if v.Kind == catalog.Null {
			return unknown
		}
		d := strings.Compare(v.S, c.Value.S)
		if v.Kind != catalog.String {
			d = big.NewInt(v.N).Cmp(big.NewInt(c.Value.N))
		}
		return truthOf(map[string]bool{"=": d == 0, "<>": d != 0, "<": d < 0, "<=": d <= 0, ">": d > 0, ">=": d >= 0}[c.Op])
	case query.In:
		v := b.value(j, c.Col)
		if v.Kind == catalog.Null {
			return unknown
		}
		return truthOf(slices.Contains(c.Values, v))
	case query.Like:
		v := b.value(j, c.Col)
		if v.Kind == catalog.Null {
			return unknown
		}
		return truthOf(strings.HasPrefix(v.S, c.Prefix))
	}
	panic("unknown condition")
}

// bruteCell is one group of one person.
type bruteCell struct {
	key  []catalog.Value
	rows []joined
}

// run evaluates the plan. ordinals gives each person's ordinal: the keyed choice of groups depends on it.
func (b *brute) run(p *query.Plan, key [32]byte, ordinals map[string]int32) protect.Cells {
	persons := map[string]map[string]*bruteCell{}
rows:
	for _, j := range b.join(p.Tables) {
		if b.holds(j, p.Where) != yes {
			continue
		}
		var cell []catalog.Value
		for i, g := range p.GroupBy {
			v := b.value(j, g)
			if !p.Domains[i].Private && !slices.Contains(p.Domains[i].Labels, v) {
				v = catalog.Value{}
				if !slices.Contains(p.Domains[i].Labels, v) {
					continue rows
				}
			}
			cell = append(cell, v)
		}
		if persons[j.person] == nil {
			persons[j.person] = map[string]*bruteCell{}
		}
		k := string(encodeKey(cell))
		if persons[j.person][k] == nil {
			persons[j.person][k] = &bruteCell{key: cell}
		}
		persons[j.person][k].rows = append(persons[j.person][k].rows, j)
	}
	totals, keys := map[string][]*big.Int{}, map[string][]catalog.Value{}
	for person, cells := range persons {
		for _, k := range b.chosen(p, key, ordinals[person], cells) {
			if totals[k] == nil {
				totals[k], keys[k] = make([]*big.Int, len(p.Items)), cells[k].key
				for i := range p.Items {
					totals[k][i] = new(big.Int)
				}
			}
			for i, it := range p.Items {
				totals[k][i].Add(totals[k][i], b.itemOf(p, it, cells[k].rows))
			}
		}
	}
	out := protect.Cells{Values: make([][]*big.Int, len(p.Items))}
	if p.Private {
		out.Keys = [][]catalog.Value{}
		for k := range totals {
			out.Keys = append(out.Keys, keys[k])
			for i := range p.Items {
				out.Values[i] = append(out.Values[i], totals[k][i])
			}
		}
		return sortKeys(out)
	}
	eachCell(p.Domains, func(cell []catalog.Value) {
		sums := totals[string(encodeKey(cell))]
		for i := range p.Items {
			if sums == nil {
				out.Values[i] = append(out.Values[i], new(big.Int))
			} else {
				out.Values[i] = append(out.Values[i], sums[i])
			}
		}
	})
	return out
}

// eachCell visits the cells of a public domain, the last group column fastest.
func eachCell(domains []protect.Domain, visit func([]catalog.Value)) {
	var walk func(cell []catalog.Value)
	walk = func(cell []catalog.Value) {
		if len(cell) == len(domains) {
			visit(cell)
			return
		}
		for _, l := range domains[len(cell)].Labels {
			walk(append(slices.Clone(cell), l))
		}
	}
	walk(nil)
}

// chosen lists the groups of a person that count: all, or the l0 of least keyed rank.
func (b *brute) chosen(p *query.Plan, key [32]byte, person int32, cells map[string]*bruteCell) []string {
	var all []string
	for k := range cells {
		all = append(all, k)
	}
	if int64(len(all)) <= p.Bounds.Groups {
		return all
	}
	r := newRanker(key)
	rank := func(k string) uint64 {
		if p.Private {
			return mix64(r.ofPerson(person) ^ r.ofKey([]byte(k)))
		}
		number, at := 0, -1
		eachCell(p.Domains, func(cell []catalog.Value) {
			if string(encodeKey(cell)) == k {
				at = number
			}
			number++
		})
		return mix64(r.ofPerson(person) ^ r.ofCell(at))
	}
	slices.SortFunc(all, func(a, b string) int {
		if rank(a) < rank(b) {
			return -1
		}
		return 1
	})
	return all[:p.Bounds.Groups]
}

func (b *brute) itemOf(p *query.Plan, it query.Item, rows []joined) *big.Int {
	sum := new(big.Int)
	for _, j := range rows {
		if it.Col == nil {
			sum.Add(sum, big.NewInt(1))
			continue
		}
		v := b.value(j, *it.Col)
		if v.Kind == catalog.Null {
			continue
		}
		c := it.Col.Column
		x := big.NewInt(min(max(v.N, c.ClipLo), c.ClipHi))
		x.Sub(x, big.NewInt(it.Center))
		switch it.Kind {
		case query.Rows:
			x = big.NewInt(1)
		case query.Squares:
			x.Mul(x, x)
		}
		sum.Add(sum, x)
	}
	lo, hi := it.Lo, it.Hi
	switch {
	case it.Kind == query.Persons:
		return big.NewInt(1)
	case it.Col == nil:
		lo, hi = new(big.Int), big.NewInt(p.Bounds.PerCol)
		if it.Hi.Cmp(hi) < 0 {
			hi = it.Hi
		}
	}
	if sum.Cmp(lo) < 0 {
		return lo
	}
	if sum.Cmp(hi) > 0 {
		return hi
	}
	return sum
}
