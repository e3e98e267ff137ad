package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// reader walks the syntax tree of one file. It reads scalars as the text that was written, so that 1.50 stays exact and the
// code 0470 keeps its zero, and collects errors, so that one run shows them all.
type reader struct {
	file  string
	lines []string
	errs  []error
}

// maxErrors ends the collection: what follows is mostly consequence.
const maxErrors = 20

// at records an error at a node.
func (r *reader) at(n ast.Node, hint, format string, args ...any) {
	if len(r.errs) >= maxErrors {
		return
	}
	e := &Error{File: r.file, Msg: fmt.Sprintf(format, args...), Hint: hint}
	switch m := n.(type) {
	case nil:
	case *ast.MappingValueNode: // its own token is the colon
		r.place(e, m.Key.GetToken())
	case *ast.MappingNode:
		r.place(e, m.GetToken())
		if len(m.Values) > 0 && !m.IsFlowStyle {
			r.place(e, m.Values[0].Key.GetToken())
		}
	default:
		r.place(e, n.GetToken())
	}
	r.errs = append(r.errs, e)
}

func (r *reader) place(e *Error, t *token.Token) {
	if t == nil || t.Position == nil {
		return
	}
	e.Line, e.Column = t.Position.Line, t.Position.Column
	if e.Line >= 1 && e.Line <= len(r.lines) {
		if e.Source = r.lines[e.Line-1]; len(e.Source) > 200 {
			e.Source = ""
		}
	}
}

// root parses the file and returns its only document, a mapping.
func (r *reader) root(src []byte) ast.Node {
	f, err := parser.ParseBytes(src, 0)
	if err != nil {
		e := &Error{File: r.file, Msg: "not valid YAML", Hint: "indent with spaces, two per level, and quote text that contains ': '"}
		var y yaml.Error
		if errors.As(err, &y) {
			e.Msg = "not valid YAML: " + strings.SplitN(y.GetMessage(), "\n", 2)[0]
			r.place(e, y.GetToken())
		}
		r.errs = append(r.errs, e)
		return nil
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		r.at(nil, "one file describes one dataset", "want exactly one YAML document")
		return nil
	}
	return f.Docs[0].Body
}

// object is a mapping being read. Keys that nobody asked for are errors.
type object struct {
	r    *reader
	node ast.Node
	keys []string
	key  map[string]ast.Node
	val  map[string]ast.Node
	read map[string]bool
}

// object opens a mapping, or records an error and returns an empty one.
func (r *reader) object(n ast.Node, what string) *object {
	o := &object{r: r, node: n, key: map[string]ast.Node{}, val: map[string]ast.Node{}, read: map[string]bool{}}
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		r.at(n, "write `key: value` lines, indented", "%s must be a mapping", what)
		return o
	}
	for _, v := range values {
		k, ok := scalarText(v.Key)
		if !ok {
			r.at(v.Key, "anchors, merge keys and complex keys are not used here", "a key must be plain text")
			continue
		}
		if _, dup := o.val[k]; dup {
			r.at(v.Key, "", "key %q is written twice", k)
			continue
		}
		o.keys = append(o.keys, k)
		o.key[k], o.val[k] = v.Key, v.Value
	}
	return o
}

// get returns the value of a key or nil.
func (o *object) get(key string) ast.Node {
	o.read[key] = true
	return o.val[key]
}

// done records an error for each key that was not read, naming the nearest one that would have been.
func (o *object) done(what string) {
	known := make([]string, 0, len(o.read))
	for k := range o.read {
		known = append(known, k)
	}
	slices.Sort(known)
	for _, k := range o.keys {
		if !o.read[k] {
			hint := "known keys: " + strings.Join(known, ", ")
			if near := Nearest(k, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			o.r.at(o.key[k], hint, "%s has no key %q", what, k)
		}
	}
}

// text reads a scalar; absent gives the empty string.
func (o *object) text(key string) string {
	n := o.get(key)
	if n == nil {
		return ""
	}
	s, ok := scalarText(n)
	if !ok {
		o.r.at(n, "write one value", "%s must be a single value", key)
	}
	return s
}

// need reads a scalar that must be there.
func (o *object) need(key, what, hint string) string {
	if o.get(key) == nil {
		o.r.at(o.node, hint, "%s has no %s", what, key)
		return ""
	}
	return o.text(key)
}

// flag reads true or false; absent is false.
func (o *object) flag(key string) bool {
	n := o.get(key)
	if n == nil {
		return false
	}
	b, ok := n.(*ast.BoolNode)
	if !ok {
		o.r.at(n, "", "%s must be true or false", key)
		return false
	}
	return b.Value
}

// count reads an integer in [lo, hi]; absent gives def.
func (o *object) count(key string, lo, hi, def int64) int64 {
	n := o.get(key)
	if n == nil {
		return def
	}
	s, _ := scalarText(n)
	v, err := ParseInteger(s)
	if err != nil || v < lo || v > hi {
		o.r.at(n, "", "%s must be a whole number from %d to %d", key, lo, hi)
		return def
	}
	return v
}

// list returns the elements of a sequence.
func (r *reader) list(n ast.Node, what string) []ast.Node {
	if n == nil {
		return nil
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.at(n, "write [a, b] or one `- item` per line", "%s must be a list", what)
		return nil
	}
	return s.Values
}

// texts reads a list of scalars; a single scalar counts as a list of one.
func (r *reader) texts(n ast.Node, what string) []string {
	if n == nil {
		return nil
	}
	if s, ok := scalarText(n); ok {
		return []string{s}
	}
	var all []string
	for _, e := range r.list(n, what) {
		s, ok := scalarText(e)
		if !ok {
			r.at(e, "", "%s must be a list of single values", what)
			continue
		}
		all = append(all, s)
	}
	return all
}

// scalarText is the text of a scalar as written, without quotes. Null, infinities, anchors, aliases and tags are not scalars.
func scalarText(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return strings.TrimSpace(v.Value.Value), true
	case *ast.IntegerNode:
		return v.Token.Value, true
	case *ast.FloatNode:
		return v.Token.Value, true
	case *ast.BoolNode:
		return v.Token.Value, true
	}
	return "", false
}
