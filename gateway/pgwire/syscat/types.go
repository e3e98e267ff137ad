package syscat

import (
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// sqlType is a row of pg_type.
type sqlType struct {
	oid      int64
	name     string
	says     string // as format_type writes it
	size     int64
	category string
	array    int64 // its array type
	elem     int64 // of an array type
}

// types are those that drivers ask for, numbered as PostgreSQL numbers them.
var types = []sqlType{
	{16, "bool", "boolean", 1, "B", 1000, 0},
	{17, "bytea", "bytea", -1, "U", 1001, 0},
	{18, "char", "\"char\"", 1, "Z", 1002, 0},
	{19, "name", "name", 64, "S", 1003, 0},
	{20, "int8", "bigint", 8, "N", 1016, 0},
	{21, "int2", "smallint", 2, "N", 1005, 0},
	{23, "int4", "integer", 4, "N", 1007, 0},
	{24, "regproc", "regproc", 4, "N", 1008, 0},
	{25, "text", "text", -1, "S", 1009, 0},
	{26, "oid", "oid", 4, "N", 1028, 0},
	{114, "json", "json", -1, "U", 199, 0},
	{700, "float4", "real", 4, "N", 1021, 0},
	{701, "float8", "double precision", 8, "N", 1022, 0},
	{705, "unknown", "unknown", -2, "X", 0, 0},
	{1042, "bpchar", "character", -1, "S", 1014, 0},
	{1043, "varchar", "character varying", -1, "S", 1015, 0},
	{1082, "date", "date", 4, "D", 1182, 0},
	{1083, "time", "time without time zone", 8, "D", 1183, 0},
	{1114, "timestamp", "timestamp without time zone", 8, "D", 1115, 0},
	{1184, "timestamptz", "timestamp with time zone", 8, "D", 1185, 0},
	{1186, "interval", "interval", 16, "T", 1187, 0},
	{1700, "numeric", "numeric", -1, "N", 1231, 0},
	{2205, "regclass", "regclass", 4, "N", 2210, 0},
	{2278, "void", "void", 4, "P", 0, 0},
	{2950, "uuid", "uuid", 16, "U", 2951, 0},
	{3802, "jsonb", "jsonb", -1, "U", 3807, 0},
	{1000, "_bool", "boolean[]", -1, "A", 0, 16},
	{1003, "_name", "name[]", -1, "A", 0, 19},
	{1005, "_int2", "smallint[]", -1, "A", 0, 21},
	{1007, "_int4", "integer[]", -1, "A", 0, 23},
	{1009, "_text", "text[]", -1, "A", 0, 25},
	{1015, "_varchar", "character varying[]", -1, "A", 0, 1043},
	{1016, "_int8", "bigint[]", -1, "A", 0, 20},
	{1022, "_float8", "double precision[]", -1, "A", 0, 701},
	{1028, "_oid", "oid[]", -1, "A", 0, 26},
	{1182, "_date", "date[]", -1, "A", 0, 1082},
	{1231, "_numeric", "numeric[]", -1, "A", 0, 1700},
}

// formatType is format_type(oid, typmod); no column of a catalogue has a typmod.
func formatType(oid int64) string {
	for _, t := range types {
		if t.oid == oid {
			return t.says
		}
	}
	return "???"
}

func typeName(t *pg.TypeName) string {
	if len(t.Names) == 0 {
		return ""
	}
	return t.Names[len(t.Names)-1].GetString_().GetSval()
}

// cast changes a value's type as far as types matter here.
func (e *engine) cast(v any, to string, isArray bool) any {
	if v == nil {
		return nil
	}
	if isArray || strings.HasPrefix(to, "_") {
		return e.array(v)
	}
	e.work(weigh(v))
	switch to {
	case "regclass":
		if n, ok := integer(v); ok {
			return e.relname(n)
		}
		oid := e.relationOID(text(v))
		if oid == nil {
			fail("42P01", "there is no relation of this name in the system catalogue")
		}
		return oid
	case "regtype":
		if n, ok := integer(v); ok {
			return formatType(n)
		}
		return typeOID(text(v))
	case "regproc", "regprocedure", "regnamespace", "regrole", "regoper", "regoperator", "regcollation":
		return text(v)
	case "int2", "int4", "int8", "oid", "xid", "int":
		switch x := v.(type) {
		case bool:
			return int64(bit(x))
		case float64:
			return int64(x)
		}
		n, ok := integer(v)
		if !ok {
			fail("22P02", "a text is no number")
		}
		return n
	case "bool":
		if n, ok := v.(int64); ok {
			return n != 0
		}
		if s, ok := v.(string); ok {
			switch strings.ToLower(s) {
			case "t", "true", "on", "yes", "1", "y":
				return true
			}
			return false
		}
		return v
	case "float4", "float8", "numeric":
		if f, err := strconv.ParseFloat(text(v), 64); err == nil {
			return f
		}
		fail("22P02", "a text is no number")
	case "text", "varchar", "name", "bpchar", "char", "cstring", "character_data", "sql_identifier", "yes_or_no", "cardinal_number", "pg_node_tree":
		return text(v)
	case "int2vector", "oidvector":
		return v
	}
	fail("0A000", "casts to %.63q are not answered on the system catalogue", to)
	return nil
}

func typeOID(name string) any {
	name = strings.TrimPrefix(strings.Trim(name, `"`), "pg_catalog.")
	for _, t := range types {
		if t.name == name || t.says == name {
			return t.oid
		}
	}
	return nil
}

// integer reads a whole number, also from the text of one.
func integer(v any) (int64, bool) {
	switch x := v.(type) {
	case int64:
		return x, true
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(x), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// text is PostgreSQL's text form.
func text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	case bool:
		if x {
			return "t"
		}
		return "f"
	case []any:
		return arrayText(x)
	case record:
		return "(" + strings.Trim(arrayText(x.values), "{}") + ")"
	}
	return ""
}

// arrayText is {a,"b c",NULL}. Quotes within quotes double at every depth, so its length is bounded as it grows.
func arrayText(list []any) string {
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		if v == nil {
			b.WriteString("NULL")
			continue
		}
		s := bounded(text(v))
		if s == "" || strings.ContainsAny(s, `{}," \`) || strings.EqualFold(s, "null") {
			s = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
		if b.WriteString(s); b.Len() > maxText {
			fail("54000", "a text on the system catalogue becomes too long")
		}
	}
	return "{" + b.String() + "}"
}

// array pays for the elements of an array.
func (e *engine) array(v any) []any {
	e.work(weigh(v))
	if s, ok := v.(string); ok {
		e.list(strings.Count(s, ",") + strings.Count(s, " ") + 1)
	}
	return array(v)
}

// array is the elements of an array, also of the text form of one, or of a vector ("1 2").
func array(v any) []any {
	switch x := v.(type) {
	case []any:
		return x
	case string:
		if !strings.HasPrefix(x, "{") {
			out := []any{}
			for _, s := range strings.Fields(x) {
				out = append(out, s)
			}
			return out
		}
		return parseArray(x)
	case nil:
		return nil
	}
	return []any{v}
}

// parseArray reads the text form of an array of one dimension.
func parseArray(s string) []any {
	out := []any{}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	var b strings.Builder
	inside, was := false, false
	flush := func() {
		if !was && b.String() == "NULL" {
			out = append(out, nil)
		} else {
			out = append(out, b.String())
		}
		b.Reset()
		was = false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '"':
			inside, was = !inside, true
		case c == ',' && !inside:
			flush()
		default:
			b.WriteByte(c)
		}
	}
	if s != "" {
		flush()
	}
	return out
}
