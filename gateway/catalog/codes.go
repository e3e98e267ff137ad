package catalog

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// maxCodeBytes limits one text code: longer text is not a code.
const maxCodeBytes = 256

// codes reads a code list in one of its forms:
//
//	codes: [1, 2]                                   values, or {code: 1, label: male}
//	codes: {1: male, 2: female}                     values with labels
//	codes: {from: 1, to: 54}                        an integer range
//	codes: {file: icd9.csv.gz, column: code, label: short_desc}
//
// The order is kept: it is the order of groups in answers.
func (p *parse) codes(c *Column, n ast.Node, what string) ([]Value, map[string]string) {
	if n == nil {
		return nil, nil
	}
	l := &codeList{p: p, c: c, what: what, labels: map[string]string{}, seen: map[Value]bool{}}
	if seq, ok := n.(*ast.SequenceNode); ok {
		for _, e := range seq.Values {
			if _, scalar := scalarText(e); scalar {
				l.add(e, p.value(c, e, what+": codes"), "")
				continue
			}
			o := p.object(e, "a code")
			l.add(e, p.value(c, o.get("code"), what+": codes"), o.text("label"))
			o.done("a code")
		}
		return l.result(n)
	}
	o := p.object(n, "codes")
	switch {
	case o.val["from"] != nil || o.val["to"] != nil:
		l.span(o)
	case o.val["file"] != nil:
		l.file(o)
	default:
		for _, k := range o.keys {
			label, ok := scalarText(o.get(k))
			if !ok {
				p.at(o.key[k], "write `code: label`", "%s: the label must be text", what)
			}
			l.add(o.key[k], p.value(c, o.key[k], what+": codes"), label)
		}
	}
	o.done("codes")
	return l.result(n)
}

type codeList struct {
	p      *parse
	c      *Column
	what   string
	values []Value
	labels map[string]string
	seen   map[Value]bool
}

func (l *codeList) add(n ast.Node, v Value, label string) {
	switch {
	case v.Kind == Null:
		return // already reported
	case l.seen[v]:
		l.p.at(n, "each code once", "%s: code %q is listed twice", l.what, v.String())
	case len(v.S) > maxCodeBytes || !utf8.ValidString(v.S) || hasControl(v.S):
		l.p.at(n, "codes are short printable text", "%s: a code is not valid", l.what)
	case len(l.values) >= maxCodes:
		if len(l.values) == maxCodes {
			l.p.at(n, "", "%s: more than %d codes", l.what, maxCodes)
			l.values = append(l.values, v)
		}
	default:
		l.seen[v] = true
		l.values = append(l.values, v)
		if label != "" {
			l.labels[v.String()] = label
		}
	}
}

func hasControl(s string) bool {
	return slices.ContainsFunc([]byte(s), func(b byte) bool { return b < ' ' || b == 0x7f })
}

func (l *codeList) result(n ast.Node) ([]Value, map[string]string) {
	if len(l.values) == 0 {
		l.p.at(n, "list at least one code", "%s: the code list is empty", l.what)
		return nil, nil
	}
	if len(l.labels) == 0 {
		return l.values, nil
	}
	return l.values, l.labels
}

func (l *codeList) span(o *object) {
	from, to := o.get("from"), o.get("to")
	if from == nil || to == nil || l.c.Type != Integer {
		l.p.at(o.node, "write {from: 1, to: 54} in an integer column", "%s: a code range needs from and to", l.what)
		return
	}
	a, b := l.p.value(l.c, from, l.what), l.p.value(l.c, to, l.what)
	if a.N > b.N || b.N-a.N >= maxCodes || b.N-a.N < 0 {
		l.p.at(o.node, "from must not be above to", "%s: a code range holds 1 to %d codes", l.what, maxCodes)
		return
	}
	for i := a.N; i <= b.N; i++ {
		l.add(o.node, IntValue(i), "")
	}
}

func (l *codeList) file(o *object) {
	path, col, label := o.text("file"), o.need("column", "codes", "name the CSV column that holds the codes"), o.text("label")
	n := o.get("file")
	b, err := l.p.openCodes(path)
	if err != nil {
		l.p.at(n, "give a path relative to the catalogue's folder", "%s: read code list: %v", l.what, err)
		return
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		l.p.at(n, "", "%s: the code list has no header line", l.what)
		return
	}
	at, lab := slices.Index(head, col), slices.Index(head, label)
	if at < 0 || label != "" && lab < 0 {
		l.p.at(n, "check `column` and `label` against its first line", "%s: the code list lacks a named column", l.what)
		return
	}
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		line, _ := r.FieldPos(0)
		if err != nil {
			l.p.at(n, "", "%s: the code list is not valid CSV near line %d", l.what, line)
			return
		}
		v, err := l.c.Parse(rec[at])
		if err != nil || v.Kind == Null {
			l.p.at(n, "", "%s: line %d of the code list: not a code of type %s", l.what, line, l.c.Type)
			return
		}
		text := ""
		if label != "" {
			text = rec[lab]
		}
		l.add(n, v, text)
	}
}
