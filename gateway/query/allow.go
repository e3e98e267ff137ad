package query

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// allowed lists, per node type of the parse tree, the fields that may be set. A node or field that is not here is refused,
// whatever it means: the list is the language, and a newer parser's additions fall outside it by themselves.
var allowed = map[protoreflect.Name]map[protoreflect.Name]bool{
	"ParseResult": fields("version stmts"),
	"RawStmt":     fields("stmt stmt_location stmt_len"),
	"SelectStmt":  fields("distinct_clause target_list from_clause where_clause group_clause having_clause sort_clause limit_count limit_option op with_clause"),
	"ResTarget":   fields("name val location"),
	"ColumnRef":   fields("fields location"),
	"A_Star":      fields(""),
	"String":      fields("sval"),
	"Integer":     fields("ival"),
	"Float":       fields("fval"),
	"Boolean":     fields("boolval"),
	"A_Const":     fields("ival fval boolval sval isnull location"),
	"RangeVar":    fields("relname inh relpersistence alias location"),
	"Alias":       fields("aliasname"),
	"JoinExpr":    fields("jointype larg rarg using_clause quals"),
	"A_Expr":      fields("kind name lexpr rexpr location"),
	"BoolExpr":    fields("boolop args location"),
	"NullTest":    fields("arg nulltesttype location"),
	"SubLink":     fields("sub_link_type testexpr subselect location"),
	"FuncCall":    fields("funcname args agg_star agg_distinct agg_filter over funcformat location"),
	"SortBy":      fields("node sortby_dir sortby_nulls location"),
	"TypeCast":    fields("arg type_name location"),
	"TypeName":    fields("names typemod location"),
	"List":        fields("items"),

	"RangeSubselect":  fields("subquery alias"),
	"WithClause":      fields("ctes location"),
	"CommonTableExpr": fields("ctename ctematerialized ctequery location"),
	"CaseExpr":        fields("args defresult location"),
	"CaseWhen":        fields("expr result location"),
	"WindowDef":       fields("partition_clause order_clause frame_options location"),
	"MinMaxExpr":      fields("op args location"),
	"CoalesceExpr":    fields("args location"),
}

func fields(names string) map[protoreflect.Name]bool {
	m := map[protoreflect.Name]bool{}
	for _, n := range strings.Fields(names) {
		m[protoreflect.Name(n)] = true
	}
	return m
}

// explained says, for refused nodes and fields that people write, what they are called and what to write instead.
var explained = map[string][2]string{
	"RangeSubselect.lateral":        {"LATERAL", "a derived table sees its own FROM only; join it ON the person key, and compare its columns in WHERE"},
	"WithClause.recursive":          {"WITH RECURSIVE", "a derived table reads the tables of the catalogue and those before it"},
	"CommonTableExpr.aliascolnames": {"a list of column names after a WITH query", "name its outputs with AS"},
	"CaseExpr.arg":                  {"CASE column WHEN", "write CASE WHEN column = value THEN ... ELSE ... END"},
	"WindowDef.name":                {"a named window", "write OVER (PARTITION BY person_id ORDER BY day)"},
	"WindowDef.refname":             {"a named window", "write OVER (PARTITION BY person_id ORDER BY day)"},
	"WindowDef.start_offset":        {"a window frame", "write OVER (PARTITION BY person_id ORDER BY day)"},
	"WindowDef.end_offset":          {"a window frame", "write OVER (PARTITION BY person_id ORDER BY day)"},
	"RangeFunction":                 {"a function in FROM", "name a table of the catalogue"},
	"NullIfExpr":                    {"NULLIF", "filter with <> or IS NOT NULL"},
	"SQLValueFunction":              {"a value of the clock or the session", "write the date, as in DATE '2010-12-31'"},
	"ParamRef":                      {"a parameter", "write the value"},
	"BooleanTest":                   {"IS TRUE or IS FALSE", "compare with a value, as in flag = 1"},
	"RowExpr":                       {"a row value", "compare column by column"},
	"A_ArrayExpr":                   {"an array", "write IN ('a', 'b')"},
	"A_Indirection":                 {"an element of a value", "name a column"},
	"CollateClause":                 {"COLLATE", "leave it out"},
	"GroupingSet":                   {"ROLLUP, CUBE or GROUPING SETS", "ask one question per grouping, or add up the groups of the finest one"},
	"GroupingFunc":                  {"GROUPING", "leave it out"},
	"BitString":                     {"a bit string", "write a number or a text value"},
	"SelectStmt.limit_offset":       {"OFFSET", "use LIMIT: the groups left out were paid for anyway"},
	"SelectStmt.window_clause":      {"WINDOW", "ask for plain aggregates"},
	"SelectStmt.into_clause":        {"INTO", "the answer is returned, never stored in the data"},
	"SelectStmt.locking_clause":     {"FOR UPDATE or SHARE", "leave it out"},
	"SelectStmt.values_lists":       {"VALUES", "select from a table of the catalogue"},
	"SelectStmt.group_distinct":     {"GROUP BY DISTINCT", "leave DISTINCT out"},
	"SubLink.oper_name":             {"ANY or ALL over a subquery", "the only subquery is person_id IN (SELECT person_id FROM ... WHERE ...)"},
	"FuncCall.agg_order":            {"an ordered aggregate such as PERCENTILE_CONT", "write SELECT * FROM quantile(value => column, at => (0.25, 0.5, 0.75), cohort => condition), or count the groups of a band"},
	"FuncCall.agg_within_group":     {"an ordered aggregate such as PERCENTILE_CONT", "write SELECT * FROM quantile(value => column, at => (0.25, 0.5, 0.75), cohort => condition), or count the groups of a band"},
	"FuncCall.func_variadic":        {"VARIADIC", "leave it out"},
	"JoinExpr.is_natural":           {"NATURAL JOIN", "write JOIN t ON t.person_id = s.person_id"},
	"JoinExpr.alias":                {"an alias of a join", "give each table its own alias"},
	"JoinExpr.join_using_alias":     {"an alias of USING", "give each table its own alias"},
	"RangeVar.schemaname":           {"a schema name", "write the table's name alone"},
	"RangeVar.catalogname":          {"a database name", "write the table's name alone"},
	"Alias.colnames":                {"aliases of columns in FROM", "alias columns in the SELECT list"},
	"TypeName.typmods":              {"a type with parameters", "only DATE 'yyyy-mm-dd' is written with a type"},
	"TypeName.array_bounds":         {"an array type", "only DATE 'yyyy-mm-dd' is written with a type"},
	"SortBy.use_op":                 {"ORDER BY USING", "write ASC or DESC"},
	"ResTarget.indirection":         {"an element of a value", "name a column"},
	"SelectStmt.larg":               {"a set operation", "ask two questions"},
	"SelectStmt.rarg":               {"a set operation", "ask two questions"},
	"SelectStmt.all":                {"a set operation", "ask two questions"},
	"InsertStmt":                    {"a change of data", "questions begin with SELECT"},
	"UpdateStmt":                    {"a change of data", "questions begin with SELECT"},
	"DeleteStmt":                    {"a change of data", "questions begin with SELECT"},
	"DropStmt":                      {"a change of the database", "questions begin with SELECT"},
	"CreateStmt":                    {"a change of the database", "questions begin with SELECT"},
	"ExplainStmt":                   {"EXPLAIN", "ask for a quote: it shows how the question would run, free of charge"},
	"CopyStmt":                      {"COPY", "rows never leave; ask for COUNT, SUM or AVG"},
	"VariableSetStmt":               {"SET", "questions begin with SELECT"},
	"TransactionStmt":               {"a transaction", "questions begin with SELECT"},
	"XmlExpr":                       {"XML", "ask for plain aggregates"},
	"JsonFuncExpr":                  {"JSON", "ask for plain aggregates"},
	"RangeTableSample":              {"TABLESAMPLE", "ask with a larger error instead: it costs less"},
	"NamedArgExpr":                  {"a named argument", "write the column alone"},
	"CurrentOfExpr":                 {"a cursor", "leave it out"},
	"SetToDefault":                  {"DEFAULT", "write the value"},
	"MultiAssignRef":                {"an assignment", "questions begin with SELECT"},
	"JsonObjectAgg":                 {"JSON", "ask for plain aggregates"},
	"JsonArrayAgg":                  {"JSON", "ask for plain aggregates"},
	"MergeStmt":                     {"a change of data", "questions begin with SELECT"},
	"AlterTableStmt":                {"a change of the database", "questions begin with SELECT"},
	"TruncateStmt":                  {"a change of data", "questions begin with SELECT"},
	"DoStmt":                        {"a program", "questions begin with SELECT"},
	"CallStmt":                      {"a program", "questions begin with SELECT"},
	"PrepareStmt":                   {"PREPARE", "questions begin with SELECT"},
	"ExecuteStmt":                   {"EXECUTE", "questions begin with SELECT"},
	"DeclareCursorStmt":             {"a cursor", "questions begin with SELECT"},
	"VariableShowStmt":              {"SHOW", "questions begin with SELECT"},
	"CreateTableAsStmt":             {"a change of the database", "questions begin with SELECT"},
	"RangeTableFunc":                {"a function in FROM", "name a table of the catalogue"},
}

// checkTree walks every node of the tree by reflection. at is the last place seen, for nodes that carry none.
func (c *compiler) checkTree(m protoreflect.Message, at int) {
	d := m.Descriptor()
	if d.Name() == "Node" {
		if f := m.WhichOneof(d.Oneofs().Get(0)); f != nil {
			c.checkTree(m.Get(f).Message(), at)
		}
		return
	}
	if f := d.Fields().ByName("location"); f != nil {
		if n := m.Get(f).Int(); n > 0 {
			at = int(n)
		}
	}
	ok, known := allowed[d.Name()]
	if !known {
		c.refuseTree(string(d.Name()), at)
	}
	for i := range d.Fields().Len() { // in order, so that the same text has the same refusal
		f := d.Fields().Get(i)
		if !m.Has(f) {
			continue
		}
		if !ok[f.Name()] {
			c.refuseTree(string(d.Name())+"."+string(f.Name()), at)
		}
		switch v := m.Get(f); {
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for i := range v.List().Len() {
				c.checkTree(v.List().Get(i).Message(), at)
			}
		default:
			c.checkTree(v.Message(), at)
		}
	}
}

func (c *compiler) refuseTree(what string, at int) {
	if e, ok := explained[what]; ok {
		c.fail(at, NotSupported, e[0]+" is not part of the language", e[1])
	}
	c.fail(at, NotSupported, "this construct is not part of the language", "see docs/sql.md for what can be asked")
}

// parse runs PostgreSQL's grammar on a scanned text.
func (c *compiler) parse(clean string) *pg.ParseResult {
	tree, err := pg.Parse(clean)
	if err != nil {
		c.failParse(err)
	}
	return tree
}

// question holds the tree to the language and returns its one SELECT.
func (c *compiler) question(tree *pg.ParseResult) *pg.SelectStmt {
	c.checkTree(tree.ProtoReflect(), 0)
	if len(tree.Stmts) != 1 {
		c.fail(0, NotSupported, "one question at a time", "write one SELECT")
	}
	s := tree.Stmts[0].GetStmt().GetSelectStmt()
	if s == nil {
		c.fail(0, NotSupported, "only SELECT can be asked", "questions begin with SELECT")
	}
	return s
}
