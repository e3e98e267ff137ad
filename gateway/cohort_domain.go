package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
)

const (
	// maxSelected is how many columns an encrypted question selects over at once.
	maxSelected = 2
	// maxGroups is how many groups one encrypted question reports: each is an evaluation and a ciphertext of its own.
	maxGroups = 100
	// maxDomain bounds entries times groups: a million entries are evaluated in a tenth of a second, and 26 MB of upload.
	maxDomain = 1 << 20
)

// listed is a column with public codes, or a declared band, as an encrypted question names it.
type listed struct {
	table *catalog.Table
	name  string
	codes []catalog.Value // the whole published list
}

func (l listed) full() string { return l.table.Name + "." + l.name }

// is reports whether the plan's group column is this one.
func (l listed) is(p *query.Plan, ref query.ColumnRef) bool {
	name := ref.Column.Name
	if ref.Band != nil {
		name = ref.Band.Name
	}
	return p.Tables[ref.Table].Table == l.table && name == l.name
}

// domain is what an encrypted question can select from and reports by: public, and the same for every database of the catalogue.
type domain struct {
	by    []listed
	group *listed // nil: one number over all
	// In subject form: the study whose slots are the entries, and the table that is read. by and group are empty.
	study *study
	of    *catalog.Table
}

// domain resolves the names against the catalogue.
func (r CohortRequest) domain(d *catalog.Dataset) (domain, *Refusal) {
	var out domain
	names := strings.Split(r.By, ",")
	if len(names) > maxSelected {
		return out, &Refusal{Code: NotSupported, Message: fmt.Sprintf("an encrypted question selects over at most %d columns", maxSelected), Hint: "put what need not be secret into the condition or the grouping"}
	}
	for _, name := range names {
		l, refusal := lookUp(d, name, "selected")
		if refusal != nil {
			return out, refusal
		}
		out.by = append(out.by, l)
	}
	if r.Group != "" {
		l, refusal := lookUp(d, r.Group, "grouping")
		if refusal != nil {
			return out, refusal
		}
		out.group = &l
	}
	all := out.all()
	for i, l := range all {
		if slices.ContainsFunc(all[:i], func(m listed) bool { return m.full() == l.full() }) {
			return out, &Refusal{Code: Invalid, Message: "a column is named twice", Hint: "name each column once, to select by or to group by"}
		}
	}
	if len(out.tables()) > 2 {
		return out, &Refusal{Code: NotSupported, Message: "an encrypted question reads at most two tables", Hint: "select and group by columns of two tables"}
	}
	return out, nil
}

// lookUp finds one column or band of a table of persons.
func lookUp(d *catalog.Dataset, full, role string) (listed, *Refusal) {
	table, name, ok := strings.Cut(full, ".")
	t := d.Table(table)
	if !ok || t == nil || t.Public {
		return listed{}, &Refusal{Code: UnknownName, Message: "the " + role + " column is not of the form table.column, or the dataset has no such table of persons", Hint: "see the tables: jali catalog"}
	}
	if c := t.Column(name); c != nil {
		if c.PrivateKeys && c.Matching != nil {
			return listed{t, name, c.Matching}, nil
		}
		if c.Codes == nil || c.PrivateKeys {
			return listed{}, &Refusal{Code: NotSupported, Message: "the " + role + " column has no public code list", Hint: "use a column with codes or a declared band; the list must not depend on the data"}
		}
		return listed{t, name, c.Codes}, nil
	}
	_, band := t.Band(name)
	if band == nil {
		return listed{}, &Refusal{Code: UnknownName, Message: "the table of the " + role + " column has no column or band called " + strconv.Quote(name), Hint: "see the columns: jali catalog DATASET TABLE"}
	}
	return listed{t, name, band.Labels}, nil
}

// all are the group columns of the twin, in its order.
func (d domain) all() []listed {
	if d.group == nil {
		return d.by
	}
	return append(slices.Clip(d.by), *d.group)
}

// tables are those read, the first one's rows being what is counted.
func (d domain) tables() []*catalog.Table {
	if d.study != nil {
		return []*catalog.Table{d.of}
	}
	var out []*catalog.Table
	for _, l := range d.all() {
		if !slices.Contains(out, l.table) {
			out = append(out, l.table)
		}
	}
	return out
}

// measure finds the column to add up: of the first table that has it.
func (d domain) measure(name string) string {
	for _, t := range d.tables() {
		if c := t.Column(name); c != nil {
			return t.Name + "." + c.Name
		}
	}
	return ""
}

// from is the FROM clause: tables of persons are joined on the person.
func (d domain) from() string {
	tables := d.tables()
	text := tables[0].Name
	for _, t := range tables[1:] {
		text += " JOIN " + t.Name + " ON " + t.Name + "." + t.PersonKey + " = " + tables[0].Name + "." + tables[0].PersonKey
	}
	return text
}

// fits reports whether the plan reads and groups what was named and nothing else.
func (d domain) fits(p *query.Plan) bool {
	all, tables := d.all(), d.tables()
	if len(p.Tables) != len(tables) || len(p.GroupBy) != len(all) {
		return false
	}
	for _, t := range p.Tables {
		if !slices.Contains(tables, t.Table) {
			return false
		}
	}
	for i, ref := range p.GroupBy {
		if !all[i].is(p, ref) {
			return false
		}
	}
	return true
}

// place lays the plan's cells out over the published lists, and holds their number to the limits.
func (d domain) place(p *query.Plan, s *protect.BlindSpec) *Refusal {
	if d.study != nil {
		s.Select = []protect.Axis{d.study.axis()}
		return nil
	}
	slots := 1
	for i, l := range d.by {
		s.Select = append(s.Select, protect.Axis{Places: placesOf(p.Domains[i].Labels, l.codes), Size: len(l.codes)})
		slots *= len(l.codes) // two lists of at most 2^20 codes each
		if slots > maxDomain {
			return &Refusal{Code: BoundMissing, Message: fmt.Sprintf("there would be more than %d entries to select from", maxDomain), Hint: "select over one column, or over a band of fewer labels"}
		}
	}
	if d.group == nil {
		return nil
	}
	s.Groups = len(p.Domains[len(d.by)].Labels)
	if s.Groups > maxGroups || slots*s.Groups > maxDomain {
		return &Refusal{
			Code:    BoundMissing,
			Message: fmt.Sprintf("%d entries in %d groups are more than one encrypted question takes: each group is evaluated by itself", slots, s.Groups),
			Hint:    fmt.Sprintf("at most %d groups, and %d entries times groups: group by a band, or narrow the groups in the condition", maxGroups, maxDomain),
		}
	}
	return nil
}

// mapping digests which entry each slot stands for: the columns, then the codes as people write them, each preceded by its
// length. With two columns the entries are the pairs, the second column fastest. Clients compute it again.
func (d domain) mapping() [32]byte {
	if d.study != nil {
		return d.study.mapping
	}
	var names []string
	lists := make([][]catalog.Value, len(d.by))
	for i, l := range d.by {
		names, lists[i] = append(names, l.full()), l.codes
	}
	return mappingOf(strings.Join(names, ","), lists...)
}

func mappingOf(by string, lists ...[]catalog.Value) (d [32]byte) {
	h := sha256.New()
	part := func(s string) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	if len(lists) == 1 {
		part("jali cohort entries 1")
		part(by)
	} else {
		part("jali cohort cells 1")
		part(by)
		for _, list := range lists {
			part(strconv.Itoa(len(list)))
		}
	}
	for _, list := range lists {
		for _, v := range list {
			part(v.String())
		}
	}
	h.Sum(d[:0])
	return d
}

// placesOf finds the labels of the plan's domain, which conditions may have narrowed, in the whole published list. NULL, the
// group "other", is on no list.
func placesOf(labels, list []catalog.Value) []int {
	places := make([]int, len(labels))
	from := 0 // labels keep the order of the list: one pass over it finds them all, without a map of a million codes
	for i, v := range labels {
		places[i] = -1
		if v.Kind == catalog.Null {
			continue
		}
		if k := slices.Index(list[from:], v); k >= 0 {
			places[i] = from + k
			from += k + 1
		} else if k := slices.Index(list[:from], v); k >= 0 {
			places[i] = k
		}
	}
	return places
}

// joinedRows bounds the rows that the plan's tables make together: of each table its rows, rounded up to a power of two as in
// response slots, times what each is joined to.
func (a *ask) joinedRows() int64 {
	most := int64(math.MaxInt64)
	for i, t := range a.plan.Tables {
		hi, n := bits.Mul64(uint64(1)<<bits.Len64(uint64(max(1, a.data.rows(t.Table.Name)))-1), uint64(max(1, a.plan.Fans[i])))
		if hi == 0 && n <= math.MaxInt64 {
			most = min(most, int64(n))
		}
	}
	return most
}
