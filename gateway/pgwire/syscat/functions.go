package syscat

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// maxSeries bounds generate_series.
const maxSeries = 10_000

// call evaluates a function.
func (e *engine) call(f *pg.FuncCall, at *scope) any {
	name := funcName(f)
	if f.Over != nil {
		return e.window(f, at)
	}
	if slices.Contains(aggregateNames, name) {
		for s := at; s != nil; s = s.outer {
			if s.group != nil {
				return e.aggregate(f, s)
			}
		}
		fail("42803", "an aggregate stands where none can")
	}
	var args []any
	for _, a := range f.Args {
		args = append(args, e.eval(a, at))
	}
	if fixed, ok := constants[name]; ok {
		return fixed
	}
	fn, ok := functions[name]
	if !ok {
		fail("42883", "the function %.63q is not answered on the system catalogue", name)
	}
	if len(args) < fn.least || len(args) > fn.most {
		fail("42883", "the function %.63q has other arguments", name)
	}
	if !fn.nulls && slices.Contains(args, any(nil)) {
		return nil
	}
	return fn.eval(e, args)
}

// constants are functions whose value is the same whatever they are asked. What would tell of data or of the machine is NULL.
var constants = map[string]any{
	"pg_table_is_visible": true, "pg_type_is_visible": true, "pg_function_is_visible": true, "pg_statistics_obj_is_visible": true,
	"has_table_privilege": true, "has_schema_privilege": true, "has_column_privilege": true, "has_database_privilege": true, "has_any_column_privilege": true,
	"has_function_privilege": true, "pg_has_role": true, "has_sequence_privilege": false,
	"pg_is_in_recovery": false, "pg_relation_is_publishable": false, "pg_is_other_temp_schema": false, "pg_my_temp_schema": int64(0),
	"pg_encoding_to_char": "UTF8", "getdatabaseencoding": "UTF8", "pg_client_encoding": "UTF8",
	"pg_get_expr": nil, "pg_get_indexdef": nil, "pg_get_constraintdef": nil, "pg_get_viewdef": nil, "pg_get_triggerdef": nil, "pg_get_ruledef": nil,
	"pg_get_functiondef": nil, "pg_get_serial_sequence": nil, "pg_get_partkeydef": nil, "pg_get_statisticsobjdef_columns": nil, "shobj_description": nil,
	"pg_relation_size": nil, "pg_table_size": nil, "pg_total_relation_size": nil, "pg_size_pretty": nil, "pg_database_size": nil, "inet_server_addr": nil,
	"inet_server_port": nil, "pg_get_partition_constraintdef": nil, "pg_tablespace_location": nil, "pg_get_function_identity_arguments": nil,
	"pg_sequence_parameters": nil, "pg_get_function_arguments": nil, "pg_get_function_result": nil, "pg_get_keywords": nil, "pg_collation_for": nil,
	"_pg_char_max_length": nil, "_pg_numeric_precision": nil, "_pg_numeric_scale": nil, "_pg_truetypid": nil, "_pg_truetypmod": nil,
}

// function is one that computes.
type function struct {
	least, most int
	nulls       bool // it is asked also with NULL
	eval        func(e *engine, args []any) any
}

// textFunction makes a text at most twice as long as its arguments, or no text.
func textFunction(least int, f func(args []string) any) function {
	return function{least, least, false, func(e *engine, args []any) any {
		s := make([]string, len(args))
		for i, a := range args {
			s[i] = bounded(text(a))
			e.work(len(s[i]) >> 6)
		}
		v := f(s)
		if made, ok := v.(string); ok {
			return e.fresh(made)
		}
		return v
	}}
}

var functions map[string]function

func init() {
	functions = map[string]function{
		"version":          {0, 0, false, func(e *engine, _ []any) any { return e.Version }},
		"current_database": {0, 0, false, func(e *engine, _ []any) any { return e.Database }},
		"current_schema":   {0, 0, false, func(e *engine, _ []any) any { return e.Schema }},
		"current_schemas":  {1, 1, false, func(e *engine, a []any) any { return e.schemas(isTrue(a[0])) }},
		"pg_backend_pid":   {0, 0, false, func(e *engine, _ []any) any { return e.Backend }},
		"pg_get_userbyid":  {1, 1, false, func(*engine, []any) any { return owner }},
		"format_type":      {2, 2, true, func(_ *engine, a []any) any { return formatted(a[0]) }},
		"obj_description":  {1, 2, true, func(e *engine, a []any) any { return e.described(a[0], 0) }},
		"col_description": {2, 2, false, func(e *engine, a []any) any {
			n, _ := integer(a[1])
			return e.described(a[0], n)
		}},
		"current_setting": {1, 2, false, func(e *engine, a []any) any {
			if v, ok := e.Settings[strings.ToLower(text(a[0]))]; ok {
				return v
			}
			return nil
		}},
		"to_regclass": {1, 1, false, func(e *engine, a []any) any { return e.relationOID(text(a[0])) }},
		"to_regtype":  {1, 1, false, func(_ *engine, a []any) any { return typeOID(text(a[0])) }},
		"quote_ident": textFunction(1, func(s []string) any {
			if strings.Trim(s[0], "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && s[0] != "" {
				return s[0]
			}
			return `"` + strings.ReplaceAll(s[0], `"`, `""`) + `"`
		}),
		"quote_literal": textFunction(1, func(s []string) any { return "'" + strings.ReplaceAll(s[0], "'", "''") + "'" }),
		"lower":         textFunction(1, func(s []string) any { return strings.ToLower(s[0]) }),
		"upper":         textFunction(1, func(s []string) any { return strings.ToUpper(s[0]) }),
		"length":        textFunction(1, func(s []string) any { return int64(len([]rune(s[0]))) }),
		"char_length":   textFunction(1, func(s []string) any { return int64(len([]rune(s[0]))) }),
		"btrim":         textFunction(1, func(s []string) any { return strings.TrimSpace(s[0]) }),
		"replace":       textFunction(3, func(s []string) any { return replaced(s[0], s[1], s[2]) }),
		"strpos":        textFunction(2, func(s []string) any { return int64(strings.Index(s[0], s[1]) + 1) }),
		"position":      textFunction(2, func(s []string) any { return int64(strings.Index(s[0], s[1]) + 1) }),
		"starts_with":   textFunction(2, func(s []string) any { return strings.HasPrefix(s[0], s[1]) }),
		"string_to_array": {2, 2, false, func(e *engine, a []any) any {
			e.list(len(text(a[0])) + 1)
			return splitText(text(a[0]), text(a[1]))
		}},
		"substring": {2, 3, false, func(e *engine, a []any) any { return e.substring(a) }},
		"substr":    {2, 3, false, func(e *engine, a []any) any { return e.substring(a) }},
		"concat": {0, 32, true, func(e *engine, a []any) any {
			var parts []string
			for _, v := range a {
				parts = append(parts, text(v))
			}
			return e.join(parts, "")
		}},
		"array_to_string": {2, 2, false, func(e *engine, a []any) any {
			var parts []string
			for _, v := range e.array(a[0]) {
				if v != nil {
					parts = append(parts, text(v))
				}
			}
			return e.join(parts, text(a[1]))
		}},
		"array_length": {2, 2, false, func(e *engine, a []any) any { return length(e.array(a[0])) }},
		"array_upper":  {2, 2, false, func(e *engine, a []any) any { return length(e.array(a[0])) }},
		"cardinality":  {1, 1, false, func(e *engine, a []any) any { return int64(len(e.array(a[0]))) }},
		"array_lower":  {2, 2, false, func(*engine, []any) any { return int64(1) }},
		"array_position": {2, 2, false, func(e *engine, a []any) any {
			e.work(2*len(e.array(a[0])) + weigh(a[1]))
			i := slices.IndexFunc(array(a[0]), func(v any) bool { return v != nil && compare(v, a[1]) == 0 })
			if i < 0 {
				return nil
			}
			return int64(i + 1)
		}},
	}
}

// owner is who PostgreSQL would say made the tables.
const owner = "custodian"

// replaced refuses a text that would become too long before it is made: a text of nothing stands between all characters.
func replaced(s, old, with string) string {
	if n := strings.Count(s, old); len(s)+n*(len(with)-len(old)) > maxText {
		fail("54000", "a text on the system catalogue becomes too long")
	}
	return strings.ReplaceAll(s, old, with)
}

func formatted(oid any) any {
	n, ok := integer(oid)
	if !ok {
		return nil
	}
	return formatType(n)
}

func length(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return int64(len(list))
}

func splitText(s, sep string) []any {
	out := []any{}
	for _, part := range strings.Split(s, sep) {
		out = append(out, part)
	}
	return out
}

// substring counts characters from 1.
func (e *engine) substring(a []any) any {
	whole := bounded(text(a[0]))
	e.work(len(whole) >> 4)
	s := []rune(whole)
	from, ok := integer(a[1])
	if !ok {
		fail("0A000", "substring by pattern is not answered")
	}
	end := int64(len(s))
	if len(a) > 2 {
		n, _ := integer(a[2])
		end = min(end, max(0, from-1)+max(0, min(n, int64(len(s)))))
	}
	begin := min(max(0, from-1), int64(len(s)))
	return e.fresh(string(s[begin:max(begin, end)]))
}

// set evaluates a function that returns rows; false: it is no such function.
func (e *engine) set(n *pg.Node, at *scope) ([]any, bool) {
	if n == nil {
		return nil, false
	}
	f := n.GetFuncCall()
	if x := n.GetAIndirection(); x != nil { // (information_schema._pg_expandarray(x)).n
		if inner, ok := e.set(x.Arg, at); ok && len(x.Indirection) == 1 && x.Indirection[0].GetString_() != nil {
			for i, v := range inner {
				r, ok := v.(record)
				k := slices.Index(r.cols, x.Indirection[0].GetString_().GetSval())
				if !ok || k < 0 {
					fail("42703", "there is no such field")
				}
				inner[i] = r.values[k]
			}
			return inner, true
		}
		return nil, false
	}
	if f == nil {
		return nil, false
	}
	name := funcName(f)
	if !slices.Contains([]string{"unnest", "generate_series", "generate_subscripts", "_pg_expandarray"}, name) {
		return nil, false
	}
	var args []any
	for _, a := range f.Args {
		args = append(args, e.eval(a, at))
	}
	if len(args) == 0 || slices.Contains(args, any(nil)) {
		return nil, true
	}
	out := []any{}
	switch name {
	case "unnest":
		return append(out, e.array(args[0])...), true
	case "_pg_expandarray":
		for i, v := range e.array(args[0]) {
			out = append(out, record{[]string{"x", "n"}, []any{v, int64(i + 1)}})
		}
	case "generate_subscripts":
		for i := range e.array(args[0]) {
			out = append(out, int64(i+1))
		}
	default:
		lo, ok := integer(args[0])
		hi, fine := integer(args[len(args)-1])
		if len(args) != 2 || !ok || !fine {
			fail("54000", "generate_series takes two whole numbers not far apart")
		}
		out = e.series(lo, hi)
	}
	return out, true
}
