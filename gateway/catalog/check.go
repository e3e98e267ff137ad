package catalog

import "slices"

// check verifies what needs the whole file: names across a table, keys, joins, uniqueness. It runs on a file whose parts
// are valid.
func (p *parse) check(d *Dataset) {
	p.threshold = d.ThresholdDelta
	p.checkMode(d)
	private := false
	for _, t := range d.Tables {
		private = private || !t.Public
		p.checkNames(t)
		p.checkPerson(d, t)
	}
	for _, t := range d.Tables {
		p.checkUnique(t)
	}
	if !private && len(d.Tables) > 0 {
		p.at(p.nodes[d.Tables[0]], "a dataset protects persons; give one table a person key", "every table is public")
	}
	for i := range d.Joins {
		p.checkJoin(d, i)
	}
}

// checkMode refuses what only the other mode has.
func (p *parse) checkMode(d *Dataset) {
	for _, t := range d.Tables {
		for _, c := range t.Columns {
			switch {
			case d.Mode == ModeSDC && c.PrivateKeys:
				p.at(p.nodes[c], "give `codes:`, or leave the role group out", "%s.%s: mode sdc has no private keys: which groups there are would be shown exactly", t.Name, c.Name)
			case d.Mode != ModeSDC && c.Open:
				p.at(p.nodes[c], "remove it: in mode dp no figure is exact", "%s.%s: `open` belongs to mode sdc", t.Name, c.Name)
			case c.Open && !c.Has(RoleGroup) && c.Bands == nil:
				p.at(p.nodes[c], "remove it", "%s.%s: `open` is for columns that are grouped by", t.Name, c.Name)
			}
		}
	}
}

func (p *parse) checkNames(t *Table) {
	seen := map[string]bool{}
	for _, c := range t.Columns {
		if seen[c.Name] {
			p.at(p.nodes[c], "columns and bands of a table share one name space", "the name %s.%s is used twice", t.Name, c.Name)
		}
		seen[c.Name] = true
		for _, b := range c.Bands {
			if seen[b.Name] || t.Column(b.Name) != nil {
				p.at(p.nodes[b], "columns and bands of a table share one name space", "the name %s.%s is used twice", t.Name, b.Name)
			}
			seen[b.Name] = true
		}
		if t.Public && c.PrivateKeys {
			p.at(p.nodes[c], "give `codes:`, or leave the role group out", "%s.%s: a public table has no private keys", t.Name, c.Name)
		}
		if c.PrivateKeys && p.threshold == 0 {
			p.at(p.nodes[c], "give the dataset `threshold_delta: 1e-8`, what each query over private keys pays in delta", "%s.%s has private keys but the dataset no threshold_delta", t.Name, c.Name)
		}
		if t.Public && c.PerPerson {
			p.at(p.nodes[c], "remove it", "%s.%s: a public table holds no persons", t.Name, c.Name)
		}
	}
}

func (p *parse) checkPerson(d *Dataset, t *Table) {
	n := p.nodes[t]
	switch {
	case t.Public && (t.PersonKey != "" || t.Via != nil):
		p.at(n, "remove `public: true`", "table %s is public but has a person key", t.Name)
	case t.Public:
	case t.Via == nil && t.PersonKey == "":
		p.at(n, "give one column `role: person`, reach it `via: {table: T, key: K}`, or write `public: true`", "table %s has no person key", t.Name)
	case t.Via != nil && t.PersonKey != "":
		p.at(n, "remove one of the two", "table %s has both a person key and via", t.Name)
	case t.Via != nil:
		p.checkVia(d, t)
	}
	for _, o := range d.Tables {
		if a, b := t.Column(t.PersonKey), o.Column(o.PersonKey); a != nil && b != nil && a.Type != b.Type {
			p.at(p.nodes[a], "one population has one kind of person key", "the person keys of %s and %s differ in type", t.Name, o.Name)
			return
		}
	}
}

// checkVia resolves the person of a table that reaches it through another one: after import it has that table's person key.
func (p *parse) checkVia(d *Dataset, t *Table) {
	n, v := p.nodes[t.Via], d.Table(t.Via.Table)
	if v == nil || v.Public || v.Via != nil || v == t || v.PersonKey == "" {
		p.at(n, "name a private table that has a person key of its own", "table %s: via does not lead to a person", t.Name)
		return
	}
	own, key := t.Column(t.Via.Key), v.Column(t.Via.Key)
	if own == nil || key == nil || own.Type != key.Type || own.Nullable || key.Nullable || own.Has(RoleNever) || key.Has(RoleNever) || own.Has(RolePerson) || key.Has(RolePerson) {
		p.at(n, "the key is a column of the same name and type in both tables, without nullable", "table %s: via has no usable key", t.Name)
		return
	}
	if !slices.ContainsFunc(v.Unique, func(u []string) bool { return len(u) == 1 && u[0] == t.Via.Key }) {
		p.at(n, "declare `unique: [["+t.Via.Key+"]]` in table "+v.Name, "table %s: the via key does not identify one row", t.Name)
		return
	}
	if t.Column(v.PersonKey) != nil {
		p.at(n, "rename or drop the column", "table %s would have two columns %s", t.Name, v.PersonKey)
		return
	}
	if _, b := t.Band(v.PersonKey); b != nil {
		p.at(n, "rename the band", "table %s would have a column and a band %s", t.Name, v.PersonKey)
		return
	}
	t.PersonKey = v.PersonKey
}

// checkUnique runs when via is resolved: a set may name the person key that via brings.
func (p *parse) checkUnique(t *Table) {
	for _, u := range t.Unique {
		for _, s := range u {
			c := t.Column(s)
			switch {
			case c == nil && s == t.PersonKey:
			case c == nil:
				p.at(p.nodes[&u[0]], "", "table %s has no column %s to be unique", t.Name, s)
			case c.Nullable || c.Has(RoleNever):
				p.at(p.nodes[&u[0]], "leave it out: two empty fields are not equal", "%s.%s is nullable or never imported, so it proves nothing", t.Name, s)
			}
		}
	}
}

func (p *parse) checkJoin(d *Dataset, i int) {
	j, n := &d.Joins[i], p.nodes[i]
	side := func(table, column string) (*Table, *Column) {
		t := d.Table(table)
		if t == nil {
			p.at(n, "", "a join names the unknown table %s", table)
			return nil, nil
		}
		c := t.Column(column)
		if c == nil || c.Has(RoleNever) || c.Name == t.PersonKey {
			p.at(n, "joins on the person key need no declaration", "a join cannot use %s.%s", table, column)
			return nil, nil
		}
		if t.Public && !slices.ContainsFunc(t.Unique, func(u []string) bool { return slices.Contains(u, column) }) {
			p.at(n, "declare `unique:` in the public table: a join must not multiply a person's rows", "%s.%s belongs to no unique key", table, column)
			return nil, nil
		}
		return t, c
	}
	lt, lc := side(j.LeftTable, j.LeftColumn)
	rt, rc := side(j.RightTable, j.RightColumn)
	if lc == nil || rc == nil {
		return
	}
	if lt == rt {
		p.at(n, "", "a join connects two different tables")
	}
	if lc.Type != rc.Type || lc.Decimals != rc.Decimals {
		p.at(n, "", "the joined columns %s.%s and %s.%s differ in type", lt.Name, lc.Name, rt.Name, rc.Name)
	}
}
