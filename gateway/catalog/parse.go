package catalog

import (
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// parse builds a Dataset from the tree. nodes remembers where things were written, for the checks across tables that run
// when the whole file is read.
type parse struct {
	*reader
	open  func(string) ([]byte, error)
	nodes map[any]position

	threshold int64 // Dataset.ThresholdDelta
}

type position = ast.Node

// Limits of one person's contribution that keep exact sums far from overflow; the planner checks each plan again.
const (
	maxRowsPerPerson = 1 << 20
	maxClip          = 1 << 40 // scaled units
)

var deltaText = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([eE]-[0-9]{1,2})?$`)

var joinText = regexp.MustCompile(`^([a-z0-9_]+)\.([a-z0-9_]+)\s*=\s*([a-z0-9_]+)\.([a-z0-9_]+)$`)

func (p *parse) dataset(n ast.Node) *Dataset {
	o := p.object(n, "the catalogue")
	if v := o.need("catalogue", "the file", "a catalogue begins with `catalogue: 1`, the version of its format; see docs/catalog.md"); v != "1" {
		if v != "" {
			p.at(o.get("catalogue"), "this gateway reads version 1", "unknown catalogue format")
		}
		return nil // another kind of file: everything else would be wrong too
	}
	d := &Dataset{
		ID:          o.need("dataset", "the file", "give the dataset an id, for example `dataset: cms10k`"),
		Title:       o.text("title"),
		Description: o.text("description"),
		Source:      o.text("source"),
		Population:  o.need("population", "the dataset", "name the universe of persons whose budget it spends; datasets about the same persons must share it"),
		Mode:        Mode(o.text("mode")),
		Class:       o.need("class", "the dataset", "give the sensitivity class that policy decides on, for example `class: health`"),
		Level:       int(o.count("level", 1, 2, 1)),
		Slots:       p.slots(o),

		ThresholdDelta: p.delta(o),
	}
	for _, k := range []string{"dataset", "population", "class"} {
		if v := o.text(k); v != "" && !id.MatchString(v) {
			p.at(o.get(k), "use a-z, 0-9, _ and -, beginning with a letter, at most 63", "%s is not a valid id", k)
		}
	}
	if d.Mode == "" {
		d.Mode = ModeDP
	} else if d.Mode != ModeDP && d.Mode != ModeSDC {
		p.at(o.get("mode"), "write `mode: dp` for differential privacy, or `mode: sdc` for classical disclosure control", "unknown mode of protection")
	}
	if n := o.get("tables"); n == nil {
		p.at(o.node, "declare at least one table under `tables:`", "the dataset has no tables")
	} else {
		tables := p.object(n, "tables")
		for _, k := range tables.keys {
			if t := p.table(k, tables.key[k], tables.get(k)); t != nil {
				d.Tables = append(d.Tables, t)
			}
		}
	}
	for _, n := range p.list(o.get("joins"), "joins") {
		s, _ := scalarText(n)
		m := joinText.FindStringSubmatch(s)
		if m == nil {
			p.at(n, "write for example `- claim.claim_no = diagnosis.claim_no`", "a join is one equality of two columns")
			continue
		}
		d.Joins = append(d.Joins, Join{m[1], m[2], m[3], m[4]})
		p.nodes[len(d.Joins)-1] = n
	}
	o.done("the dataset")
	return d
}

// delta reads threshold_delta, a probability written 1e-8 or 0.00000001, exactly.
func (p *parse) delta(o *object) int64 {
	s := o.text("threshold_delta")
	if s == "" {
		return 0
	}
	if r, ok := new(big.Rat).SetString(s); ok && len(s) <= 24 && deltaText.MatchString(s) {
		if r.Mul(r, big.NewRat(1e18, 1)); r.IsInt() && r.Sign() > 0 && r.Cmp(big.NewRat(1e15, 1)) <= 0 {
			return r.Num().Int64()
		}
	}
	p.at(o.get("threshold_delta"), "write for example `threshold_delta: 1e-8`; it should be far below one over the number of persons", "threshold_delta must lie between 1e-18 and 1e-3")
	return 0
}

func (p *parse) name(n ast.Node, what, s string) bool {
	switch {
	case !name.MatchString(s):
		p.at(n, "use a-z, 0-9 and _, beginning with a letter, at most 63", "%s name is not valid", what)
	case reserved[s]:
		p.at(n, "choose another name, for example "+s+"_", "%s name %q is a reserved word of SQL", what, s)
	default:
		return true
	}
	return false
}

func (p *parse) table(key string, keyNode, n ast.Node) *Table {
	if !p.name(keyNode, "table", key) {
		return nil
	}
	what := "table " + key
	o := p.object(n, what)
	t := &Table{Name: key, Description: o.text("description"), Public: o.flag("public")}
	p.nodes[t] = keyNode
	p.contribution(t, o, what)
	if n := o.get("via"); n != nil {
		v := p.object(n, "via")
		t.Via = &Via{
			Table: v.need("table", "via", "name the table that knows the person"),
			Key:   v.need("key", "via", "name the column that both tables have"),
		}
		p.nodes[t.Via] = n
		v.done("via")
	}
	for _, n := range p.list(o.get("unique"), "unique") {
		u := p.texts(n, "unique")
		if len(u) == 0 {
			p.at(n, "write for example `unique: [[person_id, year]]`", "a unique set is a list of columns")
			continue
		}
		slices.Sort(u)
		t.Unique = append(t.Unique, slices.Compact(u))
		p.nodes[&t.Unique[len(t.Unique)-1][0]] = n
	}
	if n := o.get("columns"); n == nil {
		p.at(keyNode, "declare its columns under `columns:`", "%s has no columns", what)
	} else {
		cols := p.object(n, "columns")
		for _, k := range cols.keys {
			if c := p.column(t, k, cols.key[k], cols.get(k)); c != nil {
				t.Columns = append(t.Columns, c)
			}
		}
	}
	o.done(what)
	for _, c := range t.Columns {
		if !c.Has(RolePerson) {
			continue
		}
		if t.PersonKey != "" {
			p.at(p.nodes[c], "a row belongs to one person", "%s has two person keys", what)
		}
		t.PersonKey = c.Name
	}
	return t
}

// contribution reads the three limits of a person. The hard limit has no default: it decides what privacy costs.
func (p *parse) contribution(t *Table, o *object, what string) {
	keys := []string{"rows_per_person", "groups_per_person", "rows_per_group"}
	if t.Public {
		for _, k := range keys {
			if n := o.get(k); n != nil {
				p.at(n, "remove it, or remove `public: true`", "%s is public: it holds no persons, so %s has no meaning", what, k)
			}
		}
		return
	}
	if o.get(keys[0]) == nil {
		p.at(p.nodes[t], "give the most rows one person may have; import refuses data with more", "%s has no rows_per_person", what)
	}
	t.RowsPerPerson = o.count(keys[0], 1, maxRowsPerPerson, 1)
	t.GroupsPerPerson = o.count(keys[1], 1, t.RowsPerPerson, t.RowsPerPerson)
	t.RowsPerGroup = o.count(keys[2], 1, t.RowsPerPerson, t.RowsPerPerson)
}

// roles reads role: one or several.
func (p *parse) roles(o *object, what string) []Role {
	const hint = "roles are group, measure, filter, date, never and person; several as [group, measure]"
	n := o.get("role")
	if n == nil {
		p.at(o.node, hint, "%s has no role", what)
		return nil
	}
	var all []Role
	for _, s := range p.texts(n, "role") {
		r := Role(s)
		switch {
		case !slices.Contains([]Role{RoleGroup, RoleMeasure, RoleFilter, RoleDate, RoleNever, RolePerson}, r):
			p.at(n, hint, "%s has an unknown role", what)
		case slices.Contains(all, r):
			p.at(n, hint, "%s has the role %s twice", what, r)
		default:
			all = append(all, r)
		}
	}
	if len(all) > 1 && (slices.Contains(all, RoleNever) || slices.Contains(all, RolePerson)) {
		p.at(n, "remove the other roles", "%s: never and person stand alone", what)
	}
	slices.Sort(all)
	return all
}

func rolesText(all []Role) string {
	s := make([]string, len(all))
	for i, r := range all {
		s[i] = string(r)
	}
	return strings.Join(s, ", ")
}
