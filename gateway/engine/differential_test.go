package engine

import (
	"context"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// drawer makes random plans over the fixture. They are wilder than what the planner makes: any filter, any group, any bound.
type drawer struct {
	*rand.Rand
	ds *catalog.Dataset
}

func (d *drawer) one(of ...string) string { return of[d.IntN(len(of))] }

func (d *drawer) tables() []query.TableRef {
	ref := func(name string, on ...query.JoinOn) query.TableRef {
		return query.TableRef{Table: d.ds.Table(name), On: on}
	}
	at := func(i int, table, column string) query.ColumnRef {
		return query.ColumnRef{Table: i, Column: d.ds.Table(table).Column(column)}
	}
	switch d.IntN(10) {
	case 0:
		return []query.TableRef{ref("person"), ref("event")}
	case 1:
		return []query.TableRef{ref("diagnosis"), ref("event", query.JoinOn{Left: at(0, "diagnosis", "event_no"), Right: at(1, "event", "event_no")})}
	case 2:
		return []query.TableRef{ref("person"), ref("area", query.JoinOn{Left: at(0, "person", "area"), Right: at(1, "area", "area")})}
	case 3:
		return []query.TableRef{ref("area"), ref("diagnosis", query.JoinOn{Left: at(0, "area", "icd"), Right: at(1, "diagnosis", "icd")})}
	case 4:
		return []query.TableRef{ref("diagnosis")}
	case 5, 6:
		return []query.TableRef{ref("person")}
	}
	return []query.TableRef{ref("event")}
}

// column draws a stored column, or one of its bands, that ok accepts.
func (d *drawer) column(tables []query.TableRef, ok func(query.ColumnRef) bool) (query.ColumnRef, bool) {
	for range 50 {
		i := d.IntN(len(tables))
		cols := storedColumns(tables[i].Table)
		r := query.ColumnRef{Table: i, Column: cols[d.IntN(len(cols))]}
		if n := len(r.Column.Bands); n > 0 && d.IntN(2) == 0 {
			r.Band = r.Column.Bands[d.IntN(n)]
		}
		if ok(r) {
			return r, true
		}
	}
	return query.ColumnRef{}, false
}

// literal draws a value of the reference's kind, often one that occurs.
func (d *drawer) literal(r query.ColumnRef) catalog.Value {
	switch c := r.Column; {
	case r.Band != nil:
		return r.Band.Labels[d.IntN(len(r.Band.Labels))]
	case c.Codes != nil:
		return c.Codes[d.IntN(len(c.Codes))]
	case c.Type == catalog.Text:
		return catalog.StringValue(d.one("ab", "abc", "é", "zz", "a1", "b2", "nothing", `q"x`, "'; DROP TABLE event; --"))
	case c.Type == catalog.Decimal:
		return catalog.FixedValue([]int64{0, -1, 1234, 10050, 6000000, 1 << 60}[d.IntN(6)], c.Decimals)
	case c.Type == catalog.Date:
		return catalog.DayValue([]int64{-18263, -7306, 1885, 7304, 11016, 30000}[d.IntN(6)])
	}
	return catalog.IntValue([]int64{-100, -50, 0, 1, 2, 299, 301, 1 << 40, -1 << 62}[d.IntN(9)])
}

func (d *drawer) condition(tables []query.TableRef, depth int) query.Cond {
	args := func() []query.Cond {
		a := []query.Cond{d.condition(tables, depth-1), d.condition(tables, depth-1)}
		if d.IntN(3) == 0 {
			a = append(a, d.condition(tables, depth-1))
		}
		return a
	}
	if depth > 0 {
		switch d.IntN(6) {
		case 0:
			return query.And{Args: args()}
		case 1:
			return query.Or{Args: args()}
		case 2:
			return query.Not{Arg: d.condition(tables, depth-1)}
		case 3:
			inner := d.tables()
			return query.InPersons{Sub: &query.Cohort{Tables: inner, Where: d.condition(inner, depth-1)}}
		}
	}
	r, _ := d.column(tables, func(query.ColumnRef) bool { return true })
	switch d.IntN(4) {
	case 0:
		return query.IsNull{Col: r}
	case 1:
		v := []catalog.Value{d.literal(r), d.literal(r)}
		return query.In{Col: r, Values: v}
	case 2:
		if valueKind(r) == catalog.String {
			return query.Like{Col: r, Prefix: d.one("a", "b", "J2", "I", "", "é", "nor")}
		}
	}
	return query.Compare{Col: r, Op: d.one("=", "<>", "<", "<=", ">", ">="), Value: d.literal(r)}
}

func (d *drawer) plan() *query.Plan {
	p := &query.Plan{Dataset: d.ds, Tables: d.tables(), Form: query.F2}
	if d.IntN(4) > 0 {
		p.Where = d.condition(p.Tables, d.IntN(3))
	}
	for range d.IntN(3) {
		r, ok := d.column(p.Tables, func(r query.ColumnRef) bool {
			return r.Band != nil || r.Column.Has(catalog.RoleGroup)
		})
		if !ok {
			continue
		}
		dom := protect.Domain{Name: r.Column.Name}
		switch {
		case r.Band != nil:
			dom.Labels = slices.Clone(r.Band.Labels)
		case r.Column.PrivateKeys:
			dom.Private, p.Private = true, true
		default:
			dom.Labels = slices.Clone(r.Column.Codes)
		}
		if !dom.Private {
			if d.IntN(4) == 0 { // narrowed by a filter that this plan need not have
				dom.Labels = dom.Labels[:1+d.IntN(len(dom.Labels))]
			}
			if d.IntN(3) > 0 {
				dom.Labels = append(dom.Labels, catalog.Value{})
			}
		}
		p.GroupBy, p.Domains = append(p.GroupBy, r), append(p.Domains, dom)
	}
	p.Bounds = query.Bounds{Rows: 600, Groups: 1 + d.Int64N(4), PerCol: 1 + d.Int64N(4)}
	for range 1 + d.IntN(4) {
		p.Items = append(p.Items, d.item(p))
	}
	return p
}

func (d *drawer) item(p *query.Plan) query.Item {
	measure, ok := d.column(p.Tables, func(r query.ColumnRef) bool { return r.Band == nil && r.Column.Has(catalog.RoleMeasure) })
	kind := d.IntN(5)
	if !ok && kind > 2 {
		kind = d.IntN(3)
	}
	c := big.NewInt(p.Bounds.PerCol)
	switch kind {
	case 0:
		return query.Item{Kind: query.Persons, Lo: big.NewInt(0), Hi: big.NewInt(1)}
	case 1:
		return query.Item{Kind: query.Rows, Lo: big.NewInt(0), Hi: c}
	case 2:
		r, _ := d.column(p.Tables, func(r query.ColumnRef) bool { return r.Band == nil })
		return query.Item{Kind: query.Rows, Col: &r, Lo: big.NewInt(0), Hi: c}
	}
	it := query.Item{Kind: query.Sum, Col: &measure}
	col := measure.Column
	if d.IntN(2) == 0 {
		it.Center = (col.ClipLo + col.ClipHi) >> 1
	}
	lo, hi := big.NewInt(col.ClipLo-it.Center), big.NewInt(col.ClipHi-it.Center)
	if kind == 4 {
		it.Kind = query.Squares
		if lo.CmpAbs(hi) > 0 {
			hi = lo
		}
		hi, lo = new(big.Int).Mul(hi, hi), new(big.Int)
	}
	it.Lo, it.Hi = new(big.Int).Mul(lo, c), new(big.Int).Mul(hi, c)
	if it.Lo.Sign() > 0 {
		it.Lo = new(big.Int)
	}
	if d.IntN(4) == 0 { // tightened
		it.Lo.Quo(it.Lo, big.NewInt(3))
		it.Hi.Quo(it.Hi, big.NewInt(3))
	}
	return it
}

// proved turns a plan into one whose bounds nobody can exceed.
func proved(p *query.Plan) *query.Plan {
	q := *p
	q.Form, q.Bounds = query.F0, query.Bounds{Rows: 600, Groups: 600, PerCol: 600, Proved: true}
	q.Items = slices.Clone(p.Items)
	wide := new(big.Int).Lsh(big.NewInt(1), 94)
	for i := range q.Items {
		q.Items[i].Lo, q.Items[i].Hi = new(big.Int).Neg(wide), wide
		if q.Items[i].Col == nil || q.Items[i].Kind == query.Rows {
			q.Items[i].Hi = big.NewInt(600)
		}
	}
	return &q
}

var compareCells = cmp.Comparer(func(a, b *big.Int) bool {
	if a == nil {
		a = new(big.Int)
	}
	if b == nil {
		b = new(big.Int)
	}
	return a.Cmp(b) == 0
})

// ordinalsOf reads which ordinal each person got, through the keyed register.
func ordinalsOf(t testing.TB, dir string, sheets map[string]*sheet) map[string]int32 {
	t.Helper()
	secret, err := personSecret(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := openDatabase(dir+"/"+personsFile, map[string]string{"access_mode": "READ_ONLY"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	c, err := db.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	out := map[string]int32{}
	for _, row := range append(slices.Clone(sheets["event"].rows), sheets["person"].rows...) {
		key := row[0]
		if len(row) == len(sheets["person"].header) {
			key = row[1]
		}
		n, err := count(context.Background(), c, `SELECT p::BIGINT FROM person WHERE hi = ('0x' || sha256(?||?||?)[1:16])::UBIGINT`, secret, key, secret)
		if err != nil {
			t.Fatal(err)
		}
		out[key] = int32(n)
	}
	return out
}

// TestDifferential compares aggregate, the stream on one range and on several, and the definition, on random plans.
func TestDifferential(t *testing.T) {
	plans := 150
	if os.Getenv("JALI_LONG") != "" {
		plans = 6000
	}
	ds := parseFixture(t)
	ctx := context.Background()
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 7))
		sheets, dir := makeRows(r, 25), t.TempDir()
		m, err := importSheets(t, ds, dir, sheets, nil, "person", "event", "diagnosis", "area")
		if err != nil {
			t.Fatal(err)
		}
		e, b := openVersion(t, ds, dir, m), newBrute(t, ds, sheets)
		ordinals := ordinalsOf(t, dir, sheets)
		d := &drawer{r, ds}
		var plain, streamed int
		for range plans / 3 {
			p := d.plan()
			var key [32]byte
			for i := range key {
				key[i] = byte(r.Uint32())
			}
			if err := e.admit(p); err != nil {
				t.Fatal(err)
			}
			want := b.run(p, key, ordinals)
			got, err := e.bounded(ctx, p, key)
			if err != nil {
				t.Fatalf("%v\nplan %s", err, show(p))
			}
			if diff := cmp.Diff(want, got, compareCells); diff != "" {
				t.Fatalf("stream (-definition +stream):\n%s\nplan %s", diff, show(p))
			}
			e.rows[p.Tables[0].Table.Name] += parallelRows // pretend: run in several ranges
			cut, err := e.bounded(ctx, p, key)
			e.rows[p.Tables[0].Table.Name] -= parallelRows
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, cut, compareCells); diff != "" {
				t.Fatalf("stream in ranges (-definition +stream):\n%s\nplan %s", diff, show(p))
			}
			// Bounds proved, but items tightened below what they imply: Run must clip per person all the same.
			q := proved(p)
			q.Items = p.Items
			if got, err = e.run(ctx, q, key); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(b.run(q, key, ordinals), got, compareCells); diff != "" {
				t.Fatalf("run, tightened (-definition +run):\n%s\nplan %s", diff, show(q))
			}
			q = proved(p)
			if !clipImplied(q) {
				t.Fatalf("clip not implied: %s", show(q))
			}
			want = b.run(q, key, ordinals)
			got, err = e.aggregate(ctx, q)
			if err == errStreamOnly {
				streamed++
				continue
			}
			plain++
			if err != nil {
				t.Fatalf("%v\nplan %s", err, show(q))
			}
			if diff := cmp.Diff(want, got, compareCells); diff != "" {
				t.Fatalf("aggregate (-definition +aggregate):\n%s\nplan %s", diff, show(q))
			}
		}
		t.Logf("%d plans by plain aggregation, %d only by stream", plain, streamed)
		if plain < streamed {
			t.Error("hardly any plan took plain aggregation")
		}
	}
}

func show(p *query.Plan) string {
	w := &writer{}
	s, err := newStreaming(p, [32]byte{})
	if err != nil {
		return err.Error()
	}
	if err := s.write(w); err != nil {
		return err.Error()
	}
	text := w.String()
	for _, it := range p.Items {
		text += "\n" + string(it.Kind)
		if it.Col != nil {
			text += " " + it.Col.Column.Name
		}
		text += " " + it.Lo.String() + " " + it.Hi.String()
	}
	return text
}
