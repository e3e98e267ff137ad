package syscat

import (
	"slices"
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// record is a row as a value.
type record struct {
	cols   []string
	values []any
}

// truth is the value of a condition; NULL is not true.
func (e *engine) truth(n *pg.Node, at *scope) bool { return isTrue(e.eval(n, at)) }

func isTrue(v any) bool {
	switch x := v.(type) {
	case bool:
		return x
	case string:
		return x == "t" || x == "true"
	}
	return false
}

// eval evaluates an expression at a row.
func (e *engine) eval(n *pg.Node, at *scope) any {
	e.step()
	switch x := n.Node.(type) {
	case *pg.Node_AConst:
		return constant(x.AConst)
	case *pg.Node_ColumnRef:
		return e.column(x.ColumnRef, at)
	case *pg.Node_AExpr:
		return e.operator(x.AExpr, at)
	case *pg.Node_BoolExpr:
		return e.logic(x.BoolExpr, at)
	case *pg.Node_NullTest:
		null := e.eval(x.NullTest.Arg, at) == nil
		return null == (x.NullTest.Nulltesttype == pg.NullTestType_IS_NULL)
	case *pg.Node_BooleanTest:
		return booleanTest(x.BooleanTest.Booltesttype, e.eval(x.BooleanTest.Arg, at))
	case *pg.Node_CaseExpr:
		return e.choice(x.CaseExpr, at)
	case *pg.Node_CoalesceExpr:
		for _, a := range x.CoalesceExpr.Args {
			if v := e.eval(a, at); v != nil {
				return v
			}
		}
		return nil
	case *pg.Node_MinMaxExpr:
		var best any
		for _, a := range x.MinMaxExpr.Args {
			v := e.eval(a, at)
			if v == nil {
				continue
			}
			if c := 1; best != nil {
				if c = compare(v, best); x.MinMaxExpr.Op == pg.MinMaxOp_IS_LEAST {
					c = -c
				}
				if c <= 0 {
					continue
				}
			}
			best = v
		}
		return best
	case *pg.Node_TypeCast:
		return e.cast(e.eval(x.TypeCast.Arg, at), typeName(x.TypeCast.TypeName), len(x.TypeCast.TypeName.ArrayBounds) > 0)
	case *pg.Node_CollateClause:
		return e.eval(x.CollateClause.Arg, at)
	case *pg.Node_FuncCall:
		return e.call(x.FuncCall, at)
	case *pg.Node_SubLink:
		return e.sublink(x.SubLink, at)
	case *pg.Node_AArrayExpr:
		out := []any{}
		for _, a := range x.AArrayExpr.Elements {
			out = append(out, e.eval(a, at))
		}
		return out
	case *pg.Node_AIndirection:
		return e.indirection(x.AIndirection, at)
	case *pg.Node_RowExpr:
		r := record{}
		for i, a := range x.RowExpr.Args {
			r.cols, r.values = append(r.cols, "f"+strconv.Itoa(i+1)), append(r.values, e.eval(a, at))
		}
		return r
	case *pg.Node_SqlvalueFunction:
		return e.special(x.SqlvalueFunction.Op)
	case *pg.Node_SetToDefault, *pg.Node_ParamRef:
	}
	fail("0A000", "the query on the system catalogue holds an expression that is not answered")
	return nil
}

func constant(k *pg.A_Const) any {
	switch v := k.Val.(type) {
	case *pg.A_Const_Ival:
		return int64(v.Ival.GetIval())
	case *pg.A_Const_Fval:
		if n, err := strconv.ParseInt(v.Fval.GetFval(), 10, 64); err == nil {
			return n
		}
		f, err := strconv.ParseFloat(v.Fval.GetFval(), 64)
		if err != nil {
			fail("22003", "a number is out of range")
		}
		return f
	case *pg.A_Const_Sval:
		return v.Sval.GetSval()
	case *pg.A_Const_Boolval:
		return v.Boolval.GetBoolval()
	}
	return nil
}

// column looks a name up, from the inside out.
func (e *engine) column(ref *pg.ColumnRef, at *scope) any {
	var names []string
	for _, f := range ref.Fields {
		if f.GetString_() == nil {
			fail("0A000", "a whole row is not answered as a value")
		}
		names = append(names, f.GetString_().GetSval())
	}
	name, of := names[len(names)-1], ""
	if len(names) > 1 {
		of = names[len(names)-2]
	}
	for s := at; s != nil; s = s.outer {
		for i, r := range s.bound {
			if of != "" && r.alias != of {
				continue
			}
			if k := slices.Index(r.cols, name); k >= 0 {
				if i >= len(s.row) || s.row[i] == nil {
					return nil
				}
				return s.row[i][k]
			}
			if of != "" && (name == "tableoid" || name == "ctid" || name == "xmin") {
				return int64(0)
			}
		}
	}
	// A relation's own name is its only column, as for a function in FROM.
	for s := at; s != nil && of == ""; s = s.outer {
		for i, r := range s.bound {
			if r.alias == name && len(r.cols) == 1 && s.row[i] != nil {
				return s.row[i][0]
			}
		}
	}
	fail("42703", "the system catalogue has no column %.63q here", name)
	return nil
}

// logic is three-valued: nil is unknown.
func (e *engine) logic(b *pg.BoolExpr, at *scope) any {
	switch b.Boolop {
	case pg.BoolExprType_NOT_EXPR:
		v := e.eval(b.Args[0], at)
		if v == nil {
			return nil
		}
		return !isTrue(v)
	case pg.BoolExprType_AND_EXPR:
		var out any = true
		for _, a := range b.Args {
			switch v := e.eval(a, at); {
			case v == nil:
				out = nil
			case !isTrue(v):
				return false
			}
		}
		return out
	}
	var out any = false
	for _, a := range b.Args {
		switch v := e.eval(a, at); {
		case v == nil:
			out = nil
		case isTrue(v):
			return true
		}
	}
	return out
}

func booleanTest(t pg.BoolTestType, v any) any {
	switch t {
	case pg.BoolTestType_IS_TRUE:
		return v != nil && isTrue(v)
	case pg.BoolTestType_IS_NOT_TRUE:
		return v == nil || !isTrue(v)
	case pg.BoolTestType_IS_FALSE:
		return v != nil && !isTrue(v)
	case pg.BoolTestType_IS_NOT_FALSE:
		return v == nil || isTrue(v)
	case pg.BoolTestType_IS_UNKNOWN:
		return v == nil
	}
	return v != nil
}

func (e *engine) choice(c *pg.CaseExpr, at *scope) any {
	var arg any
	if c.Arg != nil {
		arg = e.eval(c.Arg, at)
	}
	for _, w := range c.Args {
		when := w.GetCaseWhen()
		v := e.eval(when.Expr, at)
		if c.Arg == nil && isTrue(v) || c.Arg != nil && arg != nil && v != nil && compare(arg, v) == 0 {
			return e.eval(when.Result, at)
		}
	}
	if c.Defresult == nil {
		return nil
	}
	return e.eval(c.Defresult, at)
}

func (e *engine) sublink(s *pg.SubLink, at *scope) any {
	t := e.selected(s.Subselect.GetSelectStmt(), at)
	if s.SubLinkType != pg.SubLinkType_EXISTS_SUBLINK && len(t.cols) != 1 {
		fail("42601", "a subquery in an expression gives one column")
	}
	switch s.SubLinkType {
	case pg.SubLinkType_EXISTS_SUBLINK:
		return len(t.rows) > 0
	case pg.SubLinkType_EXPR_SUBLINK:
		if len(t.rows) == 0 {
			return nil
		}
		if len(t.rows) > 1 {
			fail("21000", "a subquery in an expression gives more than one row")
		}
		return t.rows[0][0]
	case pg.SubLinkType_ARRAY_SUBLINK:
		out := []any{}
		for _, r := range t.rows {
			out = append(out, r[0])
		}
		return out
	case pg.SubLinkType_ANY_SUBLINK:
		var list []any
		for _, r := range t.rows {
			list = append(list, r[0])
		}
		op := "="
		if len(s.OperName) > 0 {
			op = s.OperName[len(s.OperName)-1].GetString_().GetSval()
		}
		return e.anyOf(op, e.eval(s.Testexpr, at), list)
	}
	fail("0A000", "this kind of subquery is not answered on the system catalogue")
	return nil
}

// indirection is x[i], x[i:j] and (x).field.
func (e *engine) indirection(x *pg.A_Indirection, at *scope) any {
	v := e.eval(x.Arg, at)
	for _, i := range x.Indirection {
		switch {
		case v == nil:
			return nil
		case i.GetAIndices() != nil && !i.GetAIndices().IsSlice:
			n, ok := integer(e.eval(i.GetAIndices().Uidx, at))
			list := array(v)
			if !ok || n < 1 || n > int64(len(list)) {
				return nil
			}
			v = list[n-1]
		case i.GetString_() != nil:
			r, ok := v.(record)
			k := slices.Index(r.cols, i.GetString_().GetSval())
			if !ok || k < 0 {
				fail("42703", "there is no such field")
			}
			v = r.values[k]
		default:
			fail("0A000", "slices of arrays are not answered")
		}
	}
	return v
}

func (e *engine) special(op pg.SQLValueFunctionOp) any {
	switch op {
	case pg.SQLValueFunctionOp_SVFOP_CURRENT_USER, pg.SQLValueFunctionOp_SVFOP_SESSION_USER, pg.SQLValueFunctionOp_SVFOP_USER, pg.SQLValueFunctionOp_SVFOP_CURRENT_ROLE:
		return e.User
	case pg.SQLValueFunctionOp_SVFOP_CURRENT_CATALOG:
		return e.Database
	case pg.SQLValueFunctionOp_SVFOP_CURRENT_SCHEMA:
		return e.Schema
	}
	fail("0A000", "the time is not told here")
	return nil
}
