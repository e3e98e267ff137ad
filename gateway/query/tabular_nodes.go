package query

import (
	"math"
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

func call(fn string, at int, args []*pg.Node) *pg.Node {
	return &pg.Node{Node: &pg.Node_FuncCall{FuncCall: &pg.FuncCall{
		Funcname: []*pg.Node{pg.MakeStrNode(fn)}, Args: args, AggStar: args == nil, Funcformat: pg.CoercionForm_COERCE_EXPLICIT_CALL, Location: int32(at),
	}}}
}

func integer(n int64, at int) *pg.Node {
	if n > math.MaxInt32 || n < math.MinInt32 {
		return decimal(strconv.FormatInt(n, 10), at)
	}
	return &pg.Node{Node: &pg.Node_AConst{AConst: &pg.A_Const{Val: &pg.A_Const_Ival{Ival: &pg.Integer{Ival: int32(n)}}, Location: int32(at)}}}
}

func decimal(text string, at int) *pg.Node {
	return &pg.Node{Node: &pg.Node_AConst{AConst: &pg.A_Const{Val: &pg.A_Const_Fval{Fval: &pg.Float{Fval: text}}, Location: int32(at)}}}
}

// fixed writes a value of a column. A negative one is a sign and a number, as the grammar has it.
func fixed(n int64, col *catalog.Column, at int) *pg.Node {
	v := catalog.Value{Kind: catalog.Int, N: n}
	if col.Decimals > 0 {
		v = catalog.Value{Kind: catalog.Fixed, N: n, Decimals: col.Decimals}
	}
	if col.Decimals == 0 {
		return integer(n, at)
	}
	return decimal(v.String(), at)
}

func compare(op string, l, r *pg.Node, at int) *pg.Node {
	return &pg.Node{Node: &pg.Node_AExpr{AExpr: &pg.A_Expr{
		Kind: pg.A_Expr_Kind_AEXPR_OP, Name: []*pg.Node{pg.MakeStrNode(op)}, Lexpr: l, Rexpr: r, Location: int32(at),
	}}}
}

func not(n *pg.Node, at int) *pg.Node {
	return &pg.Node{Node: &pg.Node_BoolExpr{BoolExpr: &pg.BoolExpr{Boolop: pg.BoolExprType_NOT_EXPR, Args: []*pg.Node{n}, Location: int32(at)}}}
}

func both(op pg.BoolExprType, a, b *pg.Node, at int) *pg.Node {
	return &pg.Node{Node: &pg.Node_BoolExpr{BoolExpr: &pg.BoolExpr{Boolop: op, Args: []*pg.Node{a, b}, Location: int32(at)}}}
}
