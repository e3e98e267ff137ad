package syscat

import (
	"cmp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// operator evaluates an operator, also when it is written OPERATOR(pg_catalog.~).
func (e *engine) operator(x *pg.A_Expr, at *scope) any {
	op := x.Name[len(x.Name)-1].GetString_().GetSval()
	if x.Lexpr == nil {
		v := e.eval(x.Rexpr, at)
		if n, ok := integer(v); ok && op == "-" {
			return -n
		}
		if op == "+" || v == nil {
			return v
		}
		fail("42883", "the operator %.8q is not answered on the system catalogue", op)
	}
	left := e.eval(x.Lexpr, at)
	switch x.Kind {
	case pg.A_Expr_Kind_AEXPR_IN:
		var list []any
		for _, n := range x.Rexpr.GetList().Items {
			list = append(list, e.eval(n, at))
		}
		in := e.anyOf("=", left, list)
		if op == "<>" && in != nil {
			return !isTrue(in)
		}
		return in
	case pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:
		ends := x.Rexpr.GetList().Items
		lo, hi := e.eval(ends[0], at), e.eval(ends[1], at)
		if left == nil || lo == nil || hi == nil {
			return nil
		}
		in := compare(left, lo) >= 0 && compare(left, hi) <= 0
		return in == (x.Kind == pg.A_Expr_Kind_AEXPR_BETWEEN)
	case pg.A_Expr_Kind_AEXPR_OP_ANY:
		right := e.eval(x.Rexpr, at)
		if right == nil {
			return nil
		}
		return e.anyOf(op, left, e.array(right))
	case pg.A_Expr_Kind_AEXPR_OP_ALL:
		right := e.eval(x.Rexpr, at)
		if right == nil || left == nil {
			return nil
		}
		for _, v := range e.array(right) {
			if !isTrue(e.apply(op, left, v)) {
				return false
			}
		}
		return true
	case pg.A_Expr_Kind_AEXPR_DISTINCT, pg.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		right := e.eval(x.Rexpr, at)
		same := left == nil && right == nil || left != nil && right != nil && compare(left, right) == 0
		return same == (x.Kind == pg.A_Expr_Kind_AEXPR_NOT_DISTINCT)
	case pg.A_Expr_Kind_AEXPR_NULLIF:
		right := e.eval(x.Rexpr, at)
		if left != nil && right != nil && compare(left, right) == 0 {
			return nil
		}
		return left
	}
	return e.apply(op, left, e.eval(x.Rexpr, at))
}

// anyOf is left op ANY (list).
func (e *engine) anyOf(op string, left any, list []any) any {
	if left == nil {
		return nil
	}
	var out any = false
	for _, v := range list {
		switch r := e.apply(op, left, v); {
		case r == nil:
			out = nil
		case isTrue(r):
			return true
		}
	}
	return out
}

// apply is a binary operator on values; NULL gives NULL.
func (e *engine) apply(op string, a, b any) any {
	if a == nil || b == nil {
		return nil
	}
	e.work(1 + weigh(a) + weigh(b))
	switch op {
	case "=":
		return compare(a, b) == 0
	case "<>", "!=":
		return compare(a, b) != 0
	case "<":
		return compare(a, b) < 0
	case "<=":
		return compare(a, b) <= 0
	case ">":
		return compare(a, b) > 0
	case ">=":
		return compare(a, b) >= 0
	case "~", "~*":
		return e.matchesRegexp(text(a), text(b), op == "~*")
	case "!~", "!~*":
		return !e.matchesRegexp(text(a), text(b), op == "!~*")
	case "~~", "~~*":
		return e.like(text(a), text(b), op == "~~*")
	case "!~~", "!~~*":
		return !e.like(text(a), text(b), op == "!~~*")
	case "||":
		if x, ok := a.([]any); ok {
			y, ok := b.([]any)
			if !ok {
				y = []any{b}
			}
			e.list(len(x) + len(y))
			return slices.Concat(x, y)
		}
		return e.join([]string{text(a), text(b)}, "")
	case "@>":
		all := e.array(a)
		for _, v := range e.array(b) {
			if !isTrue(e.anyOf("=", v, all)) {
				return false
			}
		}
		return true
	}
	x, ok := integer(a)
	y, fine := integer(b)
	if !ok || !fine {
		fail("42883", "the operator %.8q is not answered on these values of the system catalogue", op)
	}
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/", "%":
		if y == 0 {
			fail("22012", "division by zero")
		}
		if op == "/" {
			return x / y
		}
		return x % y
	case "&":
		return x & y
	case "|":
		return x | y
	case ">>":
		return x >> (uint64(y) & 63)
	case "<<":
		return x << (uint64(y) & 63)
	}
	fail("42883", "the operator %.8q is not answered on the system catalogue", op)
	return nil
}

// compare orders two values that are not NULL. A text that stands beside a number or truth value is read as one, as PostgreSQL reads literals.
func compare(a, b any) int {
	switch x := a.(type) {
	case int64:
		if y, ok := integer(b); ok {
			return cmp.Compare(x, y)
		}
		if y, ok := b.(float64); ok {
			return cmp.Compare(float64(x), y)
		}
	case float64:
		switch y := b.(type) {
		case float64:
			return cmp.Compare(x, y)
		case int64:
			return cmp.Compare(x, float64(y))
		}
	case bool:
		return cmp.Compare(bit(x), bit(isTrue(b)))
	case string:
		switch y := b.(type) {
		case int64:
			if n, ok := integer(x); ok {
				return cmp.Compare(n, y)
			}
		case bool:
			return cmp.Compare(bit(isTrue(x)), bit(y))
		}
	case []any:
		if y, ok := b.([]any); ok {
			return strings.Compare(arrayText(x), arrayText(y))
		}
	}
	return strings.Compare(text(a), text(b))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (e *engine) matchesRegexp(s, pattern string, fold bool) bool {
	if fold {
		pattern = "(?i)" + pattern
	}
	return e.matchesPattern(e.pattern(pattern), s)
}

// like matches with % and _, and \ before one that is meant. It takes time in the product of both lengths at most.
func (e *engine) like(s, pattern string, fold bool) bool {
	e.work((len(s) + 1) * (len(pattern) + 1) >> 5)
	if fold {
		s, pattern = strings.ToLower(s), strings.ToLower(pattern)
	}
	text := []rune(s)
	type part struct {
		r    rune
		any  bool // %
		some bool // _
	}
	var parts []part
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			parts, escaped = append(parts, part{r: r}), false
		case r == '\\':
			escaped = true
		case r == '%':
			parts = append(parts, part{any: true})
		case r == '_':
			parts = append(parts, part{some: true})
		default:
			parts = append(parts, part{r: r})
		}
	}
	i, j, star, mark := 0, 0, -1, 0
	for i < len(text) {
		switch {
		case j < len(parts) && !parts[j].any && (parts[j].some || parts[j].r == text[i]):
			i++
			j++
		case j < len(parts) && parts[j].any:
			star, mark = j, i
			j++
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	for j < len(parts) && parts[j].any {
		j++
	}
	return j == len(parts)
}
