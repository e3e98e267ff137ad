package policy

import (
	"math/big"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

func (r *reader) texts(path string, n ast.Node) []string {
	out := []string{}
	for i, item := range r.items(path, n) {
		out = append(out, r.text(at(path, i), item))
	}
	return out
}

func (r *reader) text(path string, n ast.Node) string {
	if r.err != nil {
		return ""
	}
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value
	case *ast.LiteralNode:
		return s.Value.Value
	}
	r.fail(path, "must be text; put it in quotes if it reads as something else")
	return ""
}

var (
	integerText = regexp.MustCompile(`^(0|[1-9][0-9]{0,15})$`)
	decimalText = regexp.MustCompile(`^(0|[1-9][0-9]{0,15})(\.[0-9]{1,9})?$`)
)

// integer takes decimal digits only: YAML would read 010 as eight and 60.5, elsewhere, as sixty.
func (r *reader) integer(path string, n ast.Node) int64 {
	v, _ := strconv.ParseInt(r.number(path, n, integerText, "a whole number, such as 20"), 10, 64)
	return v
}

func (r *reader) decimal(path string, n ast.Node) float64 {
	v, _ := strconv.ParseFloat(r.number(path, n, decimalText, "a number, such as 10 or 2.5"), 64)
	return v
}

var deltaText = regexp.MustCompile(`^(0|[0-9](\.[0-9]{1,6})?[eE]-[0-9]{1,2}|0\.[0-9]{1,18})$`)

// delta reads a probability such as 1e-7 into units of 1e-18, exactly, rounded down.
func (r *reader) delta(path string, n ast.Node) int64 {
	if r.err != nil {
		return 0
	}
	text, plain := "", false
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		text, plain = n.GetToken().Value, true
	case *ast.StringNode: // the library takes 1e-7 for text
		text, plain = n.GetToken().Value, n.GetToken().Type == token.StringType
	}
	if !plain || !deltaText.MatchString(text) {
		r.fail(path, "must be a small probability, such as 1e-7")
		return 0
	}
	v, ok := new(big.Rat).SetString(text)
	if !ok {
		r.fail(path, "must be a small probability, such as 1e-7")
		return 0
	}
	if v.Cmp(big.NewRat(1, 1000)) > 0 {
		r.fail(path, "must be at most 1e-3")
		return 0
	}
	v.Mul(v, new(big.Rat).SetInt64(1e18))
	return new(big.Int).Quo(v.Num(), v.Denom()).Int64()
}

// number gives text that fits the form, or "0" after an error.
func (r *reader) number(path string, n ast.Node, form *regexp.Regexp, wanted string) string {
	if r.err != nil {
		return "0"
	}
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		if text := n.GetToken().Value; form.MatchString(text) {
			return text
		}
	}
	r.fail(path, "must be %s", wanted)
	return "0"
}
