package catalog

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// maxCells is the largest domain of one band.
const maxCells = 100_000

// band reads one declared coarsening:
//
//	age_band:   {cuts: [0, 18, 65, 120], labels: [child, adult, old]}   label i holds cuts[i] <= x < cuts[i+1]
//	birth_year: {year: [1900, 2020]}
//	chapter:    {prefix: 3, labels: {J00: ..., J01: ...}}               the first bytes of a text value
func (p *parse) band(c *Column, key string, keyNode, n ast.Node) *Band {
	if !p.name(keyNode, "band", key) {
		return nil
	}
	what := "band " + c.Table + "." + key
	o := p.object(n, what)
	b := &Band{Name: key, Column: c.Name}
	p.nodes[b] = keyNode
	cuts, year, prefix := o.get("cuts"), o.get("year"), o.get("prefix")
	switch {
	case cuts != nil && year == nil && prefix == nil:
		p.cuts(c, b, o, cuts, what)
	case year != nil && cuts == nil && prefix == nil:
		p.year(c, b, year, what)
	case prefix != nil && cuts == nil && year == nil:
		p.prefix(c, b, o, what)
	default:
		p.at(keyNode, "use one of cuts, year and prefix", "%s must say how values fall into it", what)
	}
	o.done(what)
	if len(b.Labels) > maxCells {
		p.at(keyNode, "use wider bands", "%s has more than %d labels", what, maxCells)
	}
	return b
}

func (p *parse) cuts(c *Column, b *Band, o *object, n ast.Node, what string) {
	b.Kind = BandCuts
	if c.Type == Text {
		p.at(n, "bands of text use prefix", "%s: cuts need numbers or dates", what)
		return
	}
	for _, e := range p.list(n, "cuts") {
		v := p.value(c, e, what+": cuts")
		if k := len(b.Cuts); k > 0 && v.N <= b.Cuts[k-1] {
			p.at(e, "each cut begins a band; the last one ends the last band", "%s: cuts must ascend", what)
			return
		}
		b.Cuts = append(b.Cuts, v.N)
	}
	if len(b.Cuts) < 2 {
		p.at(n, "two cuts make one band", "%s needs at least two cuts", what)
		return
	}
	if l := o.get("labels"); l != nil {
		for _, s := range p.texts(l, "labels") {
			b.Labels = append(b.Labels, StringValue(s))
		}
		p.labels(b, l, what)
		if len(b.Labels) != len(b.Cuts)-1 {
			p.at(l, fmt.Sprintf("%d cuts make %d bands", len(b.Cuts), len(b.Cuts)-1), "%s has the wrong number of labels", what)
		}
		return
	}
	for i := range len(b.Cuts) - 1 {
		b.Labels = append(b.Labels, StringValue(cutLabel(c, b.Cuts[i], b.Cuts[i+1])))
	}
}

// cutLabel names lo <= x < hi: "18-64", "2008-01-01..2008-12-31", or for decimals "[1.50,2.00)".
func cutLabel(c *Column, lo, hi int64) string {
	switch c.Type {
	case Integer:
		if hi == lo+1 {
			return IntValue(lo).String()
		}
		if lo < 0 {
			return IntValue(lo).String() + ".." + IntValue(hi-1).String()
		}
		return IntValue(lo).String() + "-" + IntValue(hi-1).String()
	case Date:
		return DayValue(lo).String() + ".." + DayValue(hi-1).String()
	}
	return "[" + FormatFixed(lo, c.Decimals) + "," + FormatFixed(hi, c.Decimals) + ")"
}

func (p *parse) labels(b *Band, n ast.Node, what string) {
	seen := map[Value]bool{}
	for _, v := range b.Labels {
		if v.S == "" || len(v.S) > maxCodeBytes || hasControl(v.S) || seen[v] {
			p.at(n, "labels are short, printable and all different; no label is reserved for NULL", "%s has an invalid label", what)
			return
		}
		seen[v] = true
	}
}

func (p *parse) year(c *Column, b *Band, n ast.Node, what string) {
	b.Kind = BandYear
	elems := p.list(n, "year")
	if c.Type != Date || len(elems) != 2 {
		p.at(n, "write `year: [1900, 2020]` in a date column", "%s: a year band needs a date column, a first and a last year", what)
		return
	}
	var y [2]int64
	for i, e := range elems {
		s, _ := scalarText(e)
		v, err := ParseInteger(s)
		if err != nil || v < 1 || v > 9999 {
			p.at(e, "years run from 1 to 9999", "%s: not a year", what)
			return
		}
		y[i] = v
	}
	if y[0] > y[1] {
		p.at(n, "write the first year first", "%s: the first year is after the last", what)
		return
	}
	for v := y[0]; v <= y[1]; v++ {
		b.Labels = append(b.Labels, IntValue(v))
	}
}

func (p *parse) prefix(c *Column, b *Band, o *object, what string) {
	b.Kind = BandPrefix
	n := o.get("prefix")
	b.Prefix = int(o.count("prefix", 1, 16, 1))
	if c.Type != Text {
		p.at(n, "use cuts or year", "%s: prefix bands need a text column", what)
		return
	}
	if o.get("labels") == nil {
		p.at(p.nodes[b], "list the prefixes under `labels:`, as codes are listed", "%s has no labels", what)
		return
	}
	// A prefix band's domain is written like a code list, from a file too.
	b.Labels, b.Names = p.codes(&Column{Name: b.Name, Table: c.Table, Type: Text}, o.get("labels"), what)
	if slices.ContainsFunc(b.Labels, func(v Value) bool { return len(v.S) != b.Prefix }) {
		p.at(o.get("labels"), fmt.Sprintf("every label is %d bytes long", b.Prefix), "%s: a label is not a prefix of the declared length", what)
	}
}
