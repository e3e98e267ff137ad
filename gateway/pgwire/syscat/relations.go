package syscat

import (
	"slices"
	"strings"
)

// row gives values by column; a column without one is NULL.
type row map[string]any

// build makes a relation: columns as PostgreSQL 15 has them, values those of defaults where a row has none.
func build(columns string, defaults row, rows []row) table {
	t := table{cols: strings.Fields(columns)}
	for _, r := range rows {
		values := make([]any, len(t.cols))
		for i, c := range t.cols {
			v, ok := r[c]
			if !ok {
				v = defaults[c]
			}
			values[i] = v
		}
		t.rows = append(t.rows, values)
	}
	return t
}

// named is a relation of the system catalogue.
func (e *engine) named(schema, name string) table {
	switch {
	case schema == "information_schema":
		if make, ok := informationRelations[name]; ok {
			return make(e)
		}
		fail("42P01", "information_schema.%.63s is not answered", name)
	case schema != "" && schema != "pg_catalog":
	default:
		if make, ok := catalogRelations[name]; ok {
			return make(e)
		}
		if columns, ok := emptyRelations[name]; ok {
			return table{cols: strings.Fields(columns)}
		}
	}
	if slices.ContainsFunc(e.view().tables, func(t listed) bool { return t.name == name }) {
		fail("0A000", "a question about data and one about the system catalogue cannot be the same statement")
	}
	fail("42P01", "pg_catalog.%.63s is not answered", name)
	return table{}
}

var catalogRelations map[string]func(e *engine) table

func init() {
	catalogRelations = map[string]func(e *engine) table{
		"pg_namespace": (*engine).namespaces, "pg_class": (*engine).classes, "pg_attribute": (*engine).attributes, "pg_type": (*engine).types,
		"pg_description": (*engine).descriptions, "pg_tables": (*engine).pgTables, "pg_database": (*engine).databases, "pg_settings": (*engine).settings,
		"pg_roles": (*engine).roles, "pg_user": (*engine).users, "pg_am": (*engine).methods,
	}
}

func (e *engine) namespaces() table {
	var rows []row
	for _, s := range e.view().spaces {
		rows = append(rows, row{"oid": s.oid, "nspname": s.name})
	}
	return build("oid nspname nspowner nspacl", row{"nspowner": int64(oidOwner)}, rows)
}

// classes shows every table as an ordinary one, without indices and with an unknown number of rows.
func (e *engine) classes() table {
	var rows []row
	for _, t := range e.view().tables {
		rows = append(rows, row{"oid": t.oid, "relname": t.name, "relnamespace": t.space, "relnatts": int64(len(t.columns))})
	}
	return build(`oid relname relnamespace reltype reloftype relowner relam relfilenode reltablespace relpages reltuples relallvisible reltoastrelid
		relhasindex relisshared relpersistence relkind relnatts relchecks relhasrules relhastriggers relhassubclass relrowsecurity relforcerowsecurity
		relispopulated relreplident relispartition relrewrite relfrozenxid relminmxid relacl reloptions relpartbound relhasoids`,
		row{
			"reltype": int64(0), "reloftype": int64(0), "relowner": int64(oidOwner), "relam": int64(2), "relfilenode": int64(0), "reltablespace": int64(0),
			"relpages": int64(0), "reltuples": int64(-1), "relallvisible": int64(0), "reltoastrelid": int64(0), "relhasindex": false, "relisshared": false,
			"relpersistence": "p", "relkind": "r", "relchecks": int64(0), "relhasrules": false, "relhastriggers": false, "relhassubclass": false,
			"relrowsecurity": false, "relforcerowsecurity": false, "relispopulated": true, "relreplident": "d", "relispartition": false, "relrewrite": int64(0),
			"relhasoids": false,
		}, rows)
}

func (e *engine) attributes() table {
	var rows []row
	for _, t := range e.view().tables {
		for _, c := range t.columns {
			size, collation := int64(-1), int64(0)
			if k := slices.IndexFunc(types, func(t sqlType) bool { return t.oid == c.typ }); k >= 0 {
				size = types[k].size
			}
			if c.typ == oidText {
				collation = 100
			}
			rows = append(rows, row{
				"attrelid": t.oid, "attname": c.name, "atttypid": c.typ, "attnum": c.number, "attlen": size, "attnotnull": c.notNull, "attcollation": collation,
			})
		}
	}
	return build(`attrelid attname atttypid attstattarget attlen attnum attndims attcacheoff atttypmod attbyval attalign attstorage attcompression attnotnull
		atthasdef atthasmissing attidentity attgenerated attisdropped attislocal attinhcount attcollation attacl attoptions attfdwoptions attmissingval`,
		row{
			"attstattarget": int64(-1), "attndims": int64(0), "attcacheoff": int64(-1), "atttypmod": int64(-1), "attbyval": false, "attalign": "i",
			"attstorage": "p", "attcompression": "", "atthasdef": false, "atthasmissing": false, "attidentity": "", "attgenerated": "", "attisdropped": false,
			"attislocal": true, "attinhcount": int64(0),
		}, rows)
}

func (e *engine) types() table {
	var rows []row
	for _, t := range types {
		collation := int64(0)
		if t.category == "S" {
			collation = 100
		}
		kind := "b"
		if t.category == "P" || t.category == "X" {
			kind = "p"
		}
		input := "textin"
		if t.category == "A" {
			input = "array_in"
		}
		rows = append(rows, row{
			"oid": t.oid, "typname": t.name, "typlen": t.size, "typcategory": t.category, "typarray": t.array, "typelem": t.elem, "typcollation": collation,
			"typtype": kind, "typinput": input,
		})
	}
	return build(`oid typname typnamespace typowner typlen typbyval typtype typcategory typispreferred typisdefined typdelim typrelid typsubscript typelem
		typarray typinput typoutput typreceive typsend typmodin typmodout typanalyze typalign typstorage typnotnull typbasetype typtypmod typndims
		typcollation typdefaultbin typdefault typacl`,
		row{
			"typnamespace": int64(oidCatalog), "typowner": int64(oidOwner), "typbyval": false, "typispreferred": false, "typisdefined": true, "typdelim": ",",
			"typrelid": int64(0), "typsubscript": "-", "typoutput": "textout", "typreceive": "-", "typsend": "-", "typmodin": "-", "typmodout": "-",
			"typanalyze": "-", "typalign": "i", "typstorage": "p", "typnotnull": false, "typbasetype": int64(0), "typtypmod": int64(-1), "typndims": int64(0),
		}, rows)
}

func (e *engine) descriptions() table {
	var rows []row
	for _, t := range e.view().tables {
		if t.about != "" {
			rows = append(rows, row{"objoid": t.oid, "objsubid": int64(0), "description": t.about})
		}
		for _, c := range t.columns {
			if c.about != "" {
				rows = append(rows, row{"objoid": t.oid, "objsubid": c.number, "description": c.about})
			}
		}
	}
	return build("objoid classoid objsubid description", row{"classoid": systemOIDs["pg_class"]}, rows)
}

func (e *engine) pgTables() table {
	var rows []row
	for _, t := range e.view().tables {
		rows = append(rows, row{"schemaname": t.schema, "tablename": t.name})
	}
	return build("schemaname tablename tableowner tablespace hasindexes hasrules hastriggers rowsecurity",
		row{"tableowner": owner, "hasindexes": false, "hasrules": false, "hastriggers": false, "rowsecurity": false}, rows)
}

func (e *engine) databases() table {
	return build(`oid datname datdba encoding datlocprovider datistemplate datallowconn datconnlimit datfrozenxid datminmxid dattablespace datcollate datctype
		daticulocale datcollversion datacl`, row{
		"oid": int64(1), "datdba": int64(oidOwner), "encoding": int64(6), "datlocprovider": "c", "datistemplate": false, "datallowconn": true,
		"datconnlimit": int64(-1), "dattablespace": int64(1663), "datcollate": "C", "datctype": "C",
	}, []row{{"datname": e.Database}})
}

func (e *engine) settings() table {
	var rows []row
	for name, value := range e.Settings {
		rows = append(rows, row{"name": name, "setting": value, "boot_val": value, "reset_val": value})
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
	return build("name setting unit category short_desc extra_desc context vartype source min_val max_val enumvals boot_val reset_val sourcefile sourceline pending_restart",
		row{"category": "Jali", "short_desc": "", "context": "user", "vartype": "string", "source": "default", "pending_restart": false}, rows)
}

func (e *engine) roles() table {
	return build(`oid rolname rolsuper rolinherit rolcreaterole rolcreatedb rolcanlogin rolreplication rolconnlimit rolpassword rolvaliduntil rolbypassrls
		rolconfig`, row{
		"rolsuper": false, "rolinherit": true, "rolcreaterole": false, "rolcreatedb": false, "rolcanlogin": true, "rolreplication": false,
		"rolconnlimit": int64(-1), "rolpassword": "********", "rolbypassrls": false,
	}, []row{{"oid": int64(oidOwner), "rolname": owner}, {"oid": int64(16_001), "rolname": e.User}})
}

func (e *engine) users() table {
	return build("usename usesysid usecreatedb usesuper userepl usebypassrls passwd valuntil useconfig",
		row{"usecreatedb": false, "usesuper": false, "userepl": false, "usebypassrls": false, "passwd": "********"},
		[]row{{"usename": owner, "usesysid": int64(oidOwner)}, {"usename": e.User, "usesysid": int64(16_001)}})
}

func (e *engine) methods() table {
	return build("oid amname amhandler amtype", nil, []row{{"oid": int64(2), "amname": "heap", "amhandler": "heap_tableam_handler", "amtype": "t"}})
}
