package query

import (
	"errors"
	"slices"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"

	"jali/gateway/catalog"
)

// compiler carries one text through its stages. Its methods refuse by panicking with *Error, which Compile returns: a
// refusal can come from any depth of the tree and there is nothing to unwind.
type compiler struct {
	ds      *catalog.Dataset
	text    string
	cells   int64           // the largest public domain
	listed  bool            // private keys with a list are public
	touched map[string]bool // "table.column"
	with    []withQuery     // WITH, in order; those visible are with[:visible]
	visible int
	derived int // derived tables so far, each use of a WITH query counted
}

// Compile turns a question into a plan against a catalogue. The error, if any, is an *Error.
func Compile(ds *catalog.Dataset, sql string) (*Plan, error) {
	return compileText(&compiler{ds: ds, text: sql, cells: MaxCells})
}

// CompileListed is Compile for questions that select from published lists: of at most that many cells, and with private keys replaced by
// the list of all texts that their column's pattern allows, where there is one.
func CompileListed(ds *catalog.Dataset, sql string, cells int64) (*Plan, error) {
	return compileText(&compiler{ds: ds, text: sql, cells: cells, listed: true})
}

func compileText(c *compiler) (plan *Plan, err error) {
	c.touched = map[string]bool{}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Error:
			plan, err = nil, r
		default:
			panic(r)
		}
	}()
	clean, refusal := scan(c.text)
	if refusal != nil {
		return nil, refusal
	}
	tree := c.parse(clean)
	if call := tableFunction(tree); call != nil {
		return c.analyse(tree, call), nil
	}
	return c.plan(c.question(tree)), nil
}

// fail refuses at a byte offset of the text.
func (c *compiler) fail(at int, code Code, msg, hint string) {
	panic(&Error{Code: code, Pos: posAt(c.text, at), Msg: msg, Hint: hint})
}

// failParse reports what PostgreSQL's grammar said. Its message quotes at most one word of the text.
func (c *compiler) failParse(err error) {
	var pe *parser.Error
	if !errors.As(err, &pe) {
		c.fail(0, Syntax, "the text cannot be read as SQL", "see docs/sql.md for examples")
	}
	// The parser counts characters, not bytes.
	at, n := len(c.text), 0
	for i := range c.text {
		if n++; n == pe.Cursorpos {
			at = i
			break
		}
	}
	msg := pe.Message
	if len(msg) > 120 || !utf8.ValidString(msg) {
		msg = "syntax error"
	}
	c.fail(at, Syntax, msg, "write SELECT aggregates FROM table WHERE conditions GROUP BY columns; see docs/sql.md")
}

// plan walks one SELECT in the order its names become visible.
func (c *compiler) plan(s *pg.SelectStmt) *Plan {
	if len(s.DistinctClause) > 0 {
		c.fail(selectAt(s), NotSupported, "SELECT DISTINCT is not part of the language", "every group appears once; count persons with COUNT(DISTINCT person key)")
	}
	c.withQueries(s)
	p, sc := c.relation(s)
	o := &outputs{c: c, sc: sc, p: p}
	o.group(s)
	o.selectList(s)
	o.arrange(s)
	c.settle(o, selectAt(s))
	return p
}

// relation resolves FROM and WHERE: the rows that count.
func (c *compiler) relation(s *pg.SelectStmt) (*Plan, *scope) {
	p := &Plan{Dataset: c.ds, PersonItem: -1}
	sc := c.from(s)
	p.Tables = sc.refs()
	p.Where = c.where(sc, s.WhereClause)
	if p.Where == Cond(constant(false)) {
		c.fail(c.at(s.WhereClause), NotSupported, "the conditions can never be true", "look for values or ranges that exclude each other")
	}
	if p.Where == Cond(constant(true)) {
		p.Where = nil
	}
	return p, sc
}

// settle derives what follows from tables, conditions, groups and items: domains, bounds, prices, work, and what policy sees.
func (c *compiler) settle(o *outputs, at int) {
	p := o.p
	o.finish()
	c.allUsed()
	p.detach()
	c.domains(p)
	c.bound(o.sc, p, at)
	p.Fans = fans(p)
	for _, t := range o.sc.tables {
		c.touchTable(t.table)
	}
	for name := range c.touched {
		p.Columns = append(p.Columns, name)
	}
	slices.Sort(p.Columns)
}

// touch records a column for policy.
// What is computed is not one: the columns it is computed from have been recorded.
func (c *compiler) touch(col *catalog.Column) {
	if col.Table != "" {
		c.touched[col.Table+"."+col.Name] = true
	}
}

// touchTable records that a private table is used at all, also when no column of it is named: to count the rows of a table
// of diagnoses is to learn from it. It stands under the table's person key, or the key it reaches the person by.
func (c *compiler) touchTable(t *catalog.Table) {
	switch {
	case t.Public, t.Name == derivedName:
	case t.Via != nil:
		c.touched[t.Name+"."+t.Via.Key] = true
	default:
		c.touched[t.Name+"."+t.PersonKey] = true
	}
}

// selectAt is a place for errors about a SELECT as a whole: its first output.
func selectAt(s *pg.SelectStmt) int {
	if len(s.TargetList) == 0 {
		return 0
	}
	return int(s.TargetList[0].GetResTarget().GetLocation())
}

// at is the place of an expression in the text: where it begins, as far as its nodes tell.
func (c *compiler) at(n *pg.Node) int {
	switch {
	case n == nil:
		return 0
	case n.GetColumnRef() != nil:
		return int(n.GetColumnRef().Location)
	case n.GetAConst() != nil:
		return int(n.GetAConst().Location)
	case n.GetFuncCall() != nil:
		return int(n.GetFuncCall().Location)
	case n.GetTypeCast() != nil:
		if t := n.GetTypeCast(); t.Location >= 0 {
			return int(t.Location)
		}
		return int(n.GetTypeCast().GetTypeName().GetLocation())
	case n.GetAExpr() != nil:
		if e := n.GetAExpr(); e.Lexpr != nil {
			return c.at(e.Lexpr)
		}
		return int(n.GetAExpr().Location)
	case n.GetBoolExpr() != nil:
		if b := n.GetBoolExpr(); b.Boolop != pg.BoolExprType_NOT_EXPR && len(b.Args) > 0 {
			return c.at(b.Args[0])
		}
		return int(n.GetBoolExpr().Location)
	case n.GetNullTest() != nil:
		return c.at(n.GetNullTest().Arg)
	case n.GetMinMaxExpr() != nil:
		return int(n.GetMinMaxExpr().Location)
	case n.GetCoalesceExpr() != nil:
		return int(n.GetCoalesceExpr().Location)
	case n.GetSubLink() != nil:
		if s := n.GetSubLink(); s.Testexpr != nil {
			return c.at(s.Testexpr)
		}
		return int(n.GetSubLink().Location)
	case n.GetRangeVar() != nil:
		return int(n.GetRangeVar().Location)
	case n.GetJoinExpr() != nil:
		return c.at(n.GetJoinExpr().Rarg)
	case n.GetList() != nil && len(n.GetList().Items) > 0:
		return c.at(n.GetList().Items[0])
	case n.GetSortBy() != nil:
		return c.at(n.GetSortBy().Node)
	case n.GetResTarget() != nil:
		return int(n.GetResTarget().Location)
	case n.GetSelectStmt() != nil:
		return selectAt(n.GetSelectStmt())
	case n.GetCaseExpr() != nil:
		return int(n.GetCaseExpr().Location)
	case n.GetRangeSubselect() != nil:
		return selectAt(n.GetRangeSubselect().Subquery.GetSelectStmt())
	}
	return 0
}

// names returns the strings of a list of String nodes.
func names(list []*pg.Node) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = n.GetString_().GetSval()
	}
	return out
}
