package syscat

import (
	"slices"
	"strings"

	"jali/gateway/catalog"
)

// world is the catalogue as PostgreSQL would number it. Numbers are the same as long as the catalogues are.
type world struct {
	spaces []space
	tables []listed
}

// space is a schema.
type space struct {
	oid  int64
	name string
}

// listed is a table of a dataset with its columns.
type listed struct {
	oid, space  int64
	name, about string
	schema      string
	columns     []listedColumn
	public      bool
}

type listedColumn struct {
	name, about string
	number, typ int64
	notNull     bool
}

// Numbers of the schemas, and the first ones of what datasets hold.
const (
	oidCatalog     = 11
	oidPublic      = 2200
	oidInformation = 13_000
	oidOwner       = 10
	firstSpace     = 16_000
	firstTable     = 16_384
)

// view builds the world once a query needs it.
func (e *engine) view() *world {
	if e.world != nil {
		return e.world
	}
	w := &world{spaces: []space{{oidCatalog, "pg_catalog"}, {oidInformation, "information_schema"}, {oidPublic, e.Schema}}}
	next := int64(firstTable)
	add := func(ds *catalog.Dataset, schema string, oid int64) {
		for _, t := range ds.Tables {
			l := listed{oid: next, space: oid, name: t.Name, about: t.Description, schema: schema, public: t.Public, columns: columnsOf(t)}
			w.tables = append(w.tables, l)
			next++
		}
	}
	if e.Selected != nil {
		add(e.Selected, e.Schema, oidPublic)
	} else {
		for i, ds := range e.Open {
			w.spaces = append(w.spaces, space{firstSpace + int64(i), ds.ID})
			add(ds, ds.ID, firstSpace+int64(i))
		}
	}
	e.world = w
	return w
}

// columnsOf lists what can be named in a question: columns but those dropped at import, and their bands.
func columnsOf(t *catalog.Table) []listedColumn {
	var out []listedColumn
	add := func(name, about string, typ int64, notNull bool) {
		out = append(out, listedColumn{name: name, about: about, number: int64(len(out) + 1), typ: typ, notNull: notNull})
	}
	for _, c := range t.Columns {
		if c.Has(catalog.RoleNever) {
			continue
		}
		about := c.Description
		if c.Unit != "" {
			about = strings.TrimSpace(about + " [" + c.Unit + "]")
		}
		add(c.Name, about, typeOfData(c.Type), !c.Nullable)
		for _, b := range c.Bands {
			typ := int64(oidText)
			if b.Kind == catalog.BandYear {
				typ = oidInt8
			}
			add(b.Name, "band of "+c.Name, typ, false)
		}
	}
	return out
}

func typeOfData(t catalog.Type) int64 {
	switch t {
	case catalog.Integer:
		return oidInt8
	case catalog.Decimal:
		return 1700
	case catalog.Date:
		return 1082
	}
	return oidText
}

// schemas is current_schemas.
func (e *engine) schemas(implicit bool) []any {
	out := []any{}
	if implicit {
		out = append(out, "pg_catalog")
	}
	return append(out, e.Schema)
}

// relname is a relation's number as regclass prints it.
func (e *engine) relname(oid int64) any {
	for _, t := range e.view().tables {
		if t.oid == oid {
			return t.name
		}
	}
	for name, n := range systemOIDs {
		if n == oid {
			return name
		}
	}
	return text(oid)
}

// relationOID finds a relation by its name, with or without schema and quotes; nil: there is none.
func (e *engine) relationOID(name string) any {
	name = strings.ReplaceAll(name, `"`, "")
	schema, rel, ok := strings.Cut(name, ".")
	if !ok {
		schema, rel = "", name
	}
	if oid, ok := systemOIDs[rel]; ok && (schema == "" || schema == "pg_catalog") {
		return oid
	}
	for _, t := range e.view().tables {
		if t.name == rel && (schema == "" || schema == t.schema) {
			return t.oid
		}
	}
	return nil
}

// systemOIDs are the relations that others refer to by number.
var systemOIDs = map[string]int64{
	"pg_class": 1259, "pg_namespace": 2615, "pg_type": 1247, "pg_proc": 1255, "pg_constraint": 2606, "pg_attrdef": 2604, "pg_attribute": 1249,
	"pg_rewrite": 2618, "pg_trigger": 2620, "pg_database": 1262, "pg_authid": 1260, "pg_description": 2609, "pg_extension": 3079, "pg_index": 2610,
	"pg_am": 2601, "pg_collation": 3456, "pg_language": 2612, "pg_foreign_server": 1417, "pg_event_trigger": 3466, "pg_tablespace": 1213,
}

// described is the comment on a relation or column.
func (e *engine) described(oid any, column int64) any {
	n, _ := integer(oid)
	at := slices.IndexFunc(e.view().tables, func(t listed) bool { return t.oid == n })
	if at < 0 {
		return nil
	}
	about := e.world.tables[at].about
	if column > 0 {
		if column > int64(len(e.world.tables[at].columns)) {
			return nil
		}
		about = e.world.tables[at].columns[column-1].about
	}
	if about == "" {
		return nil
	}
	return about
}
