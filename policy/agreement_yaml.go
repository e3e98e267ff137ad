package policy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// ErrAgreement says that a file is no agreement. The error names the line and what to write.
var ErrAgreement = errors.New("agreement is not valid")

// Limits of the text, checked before the YAML library sees it: it is recursive, and quadratic in the length of a line.
const (
	maxAgreement       = 256 << 10
	maxAgreementLine   = 4 << 10
	maxAgreementDepth  = 16
	maxAgreementIndent = 64
)

// ParseAgreement reads one agreement; docs/agreements.md describes the format. Keys and types are strict: an unknown,
// repeated or missing key, a number in quotes, a name without them that reads as a number are errors, so that no term
// that somebody wrote down is silently without effect or means something else.
func ParseAgreement(source []byte) (Agreement, error) {
	if err := checkText(source); err != nil {
		return Agreement{}, err
	}
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		// The library's message shows the place in the custodian's own file.
		return Agreement{}, fmt.Errorf("%w: %s", ErrAgreement, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return Agreement{}, fmt.Errorf("%w: the file must hold exactly one document", ErrAgreement)
	}
	r := &reader{lines: map[string]int{}}
	a, dates := r.agreement(file.Docs[0].Body)
	if r.err != nil {
		return Agreement{}, r.err
	}
	a.source = bytes.Clone(source)
	if err := a.check(r); err != nil {
		return Agreement{}, err
	}
	if err := a.setDates(dates[0], dates[1], r); err != nil {
		return Agreement{}, err
	}
	return a, nil
}

// checkText counts brackets and dashes. Those in quoted text count too: an agreement has no use for many of them.
func checkText(source []byte) error {
	if len(source) > maxAgreement {
		return fmt.Errorf("%w: it is longer than %d bytes", ErrAgreement, maxAgreement)
	}
	depth, number := 0, 0
	for line := range bytes.Lines(source) {
		number++
		if len(line) > maxAgreementLine {
			return fmt.Errorf("%w: line %d: it is longer than %d bytes; write one item a line", ErrAgreement, number, maxAgreementLine)
		}
		indent := line[:len(line)-len(bytes.TrimLeft(line, " -?\t"))]
		depth += bytes.Count(line, []byte("[")) + bytes.Count(line, []byte("{"))
		if depth > maxAgreementDepth || len(indent) > maxAgreementIndent {
			return fmt.Errorf("%w: line %d: nested too deeply", ErrAgreement, number)
		}
		depth -= bytes.Count(line, []byte("]")) + bytes.Count(line, []byte("}"))
		depth = max(depth, 0)
	}
	return nil
}

// reader walks the YAML tree, keeps the first error, and remembers the line of every value for later ones.
type reader struct {
	lines map[string]int
	err   error
}

// errorf makes an error at the line of a path such as datasets[0].id, or of its nearest parent that exists.
func (r *reader) errorf(path, format string, args ...any) error {
	line := 1
	for p := path; p != ""; p = p[:max(strings.LastIndexAny(p, ".["), 0)] {
		if n, ok := r.lines[p]; ok {
			line = n
			break
		}
	}
	if path == "" {
		path = "the agreement"
	}
	return fmt.Errorf("%w: line %d: %s: %s", ErrAgreement, line, path, fmt.Sprintf(format, args...))
}

func (r *reader) fail(path, format string, args ...any) {
	if r.err == nil {
		r.err = r.errorf(path, format, args...)
	}
}

func (r *reader) agreement(body ast.Node) (a Agreement, dates [2]string) {
	required := []string{
		"id", "version", "title", "state", "parties", "purposes", "datasets", "kinds", "mode", "budget",
		"min_error", "max_price_pu", "per_hour", "valid_from", "valid_until",
	}
	o := r.object("", body, required, []string{"users", "hours", "encrypted"})
	a = Agreement{
		ID: r.text("id", o["id"]), Version: r.integer("version", o["version"]),
		Title: r.text("title", o["title"]), State: r.text("state", o["state"]),
		Parties: r.texts("parties", o["parties"]), Users: r.texts("users", o["users"]),
		Purposes: r.texts("purposes", o["purposes"]), Kinds: r.texts("kinds", o["kinds"]),
		Mode: r.text("mode", o["mode"]), MinError: r.decimal("min_error", o["min_error"]),
		MaxPricePU: r.integer("max_price_pu", o["max_price_pu"]), PerHour: r.integer("per_hour", o["per_hour"]),
		Hours: []int64{0, 24},
	}
	if o["hours"] != nil {
		a.Hours = []int64{}
		for i, n := range r.items("hours", o["hours"]) {
			a.Hours = append(a.Hours, r.integer(at("hours", i), n))
		}
	}
	for i, n := range r.items("datasets", o["datasets"]) {
		p := at("datasets", i)
		d := r.object(p, n, []string{"id", "columns", "sensitivity"}, nil)
		a.Datasets = append(a.Datasets, InputAllowed{
			ID:          r.text(p+".id", d["id"]),
			Columns:     r.texts(p+".columns", d["columns"]),
			Sensitivity: r.texts(p+".sensitivity", d["sensitivity"]),
		})
	}
	for i, n := range r.items("budget", o["budget"]) {
		p := at("budget", i)
		b := r.object(p, n, []string{"population"}, []string{"pu", "cells", "delta"})
		own := PopulationBudget{Population: r.text(p+".population", b["population"]), unit: "pu"}
		if b["cells"] != nil {
			own.unit = "cells"
		}
		if own.unit == "cells" && b["pu"] != nil {
			r.fail(p+".pu", "a budget is in privacy units or in cells, not in both")
		}
		if r.err == nil && b[own.unit] == nil {
			r.fail(p+".pu", "is missing")
		}
		own.PU = r.integer(p+"."+own.unit, b[own.unit])
		if b["delta"] != nil {
			own.Delta = r.delta(p+".delta", b["delta"])
		}
		a.Budget = append(a.Budget, own)
	}
	a.Encrypted = r.encrypted(o["encrypted"])
	return a, [2]string{r.text("valid_from", o["valid_from"]), r.text("valid_until", o["valid_until"])}
}

func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func (r *reader) see(path string, n ast.Node) {
	if t := n.GetToken(); t != nil && t.Position != nil {
		r.lines[path] = t.Position.Line
	}
}

// object reads a mapping. Keys are plain text: anchors, merge keys and tags are none of ours.
func (r *reader) object(path string, n ast.Node, required, optional []string) map[string]ast.Node {
	if r.err != nil {
		return nil
	}
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		r.see(path, n)
		r.fail(path, "must hold keys and values")
		return nil
	}
	r.see(path, n)
	fields := map[string]ast.Node{}
	for _, pair := range pairs {
		name, ok := pair.Key.(*ast.StringNode)
		child := path
		if ok {
			child = strings.TrimPrefix(path+"."+name.Value, ".")
		}
		r.see(child, pair.Key)
		if !ok || !slices.Contains(required, name.Value) && !slices.Contains(optional, name.Value) {
			r.fail(child, "unknown key; known are %s", strings.Join(slices.Concat(required, optional), ", "))
			return nil
		}
		if fields[name.Value] != nil {
			r.fail(child, "is there twice")
			return nil
		}
		fields[name.Value] = pair.Value
	}
	for _, name := range required {
		if fields[name] == nil {
			r.fail(strings.TrimPrefix(path+"."+name, "."), "is missing")
			return nil
		}
	}
	return fields
}

func (r *reader) items(path string, n ast.Node) []ast.Node {
	if r.err != nil || n == nil {
		return nil
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fail(path, "must be a list, such as [a, b]")
		return nil
	}
	for i, item := range s.Values {
		r.see(at(path, i), item)
	}
	return s.Values
}
