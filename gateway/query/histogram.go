package query

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/protect"
)

// cell is one dimension of a histogram: what is grouped by, and what it is called.
type cell struct {
	name string
	expr *pg.Node
}

// histogram plans the table that analyses are computed from: over FROM and WHERE of s, persons per cell of the given group
// expressions, every person in one cell. One noisy number per cell with squared sensitivity 1 then feeds many statistics
// (disclosure-control.md section 9). A relation in which one person may fall into several cells is refused.
//
// The expressions are what GROUP BY takes: columns, bands, BIN, CASE, conditions. The SELECT list of s is not read. The outputs
// are the dimensions in order, then the count "n".
func (c *compiler) histogram(s *pg.SelectStmt, cells []cell) *Plan {
	p, sc := c.relation(s)
	o := &outputs{c: c, sc: sc, p: p, names: map[string]int{}}
	o.group(&pg.SelectStmt{GroupClause: expressions(cells)})
	at := selectAt(s)
	if len(cells) > 0 {
		at = c.at(cells[0].expr)
	}
	if len(p.GroupBy) != len(cells) {
		c.fail(at, NotSupported, "two dimensions are the same", "name each once")
	}
	for i, x := range cells {
		p.Outputs = append(p.Outputs, protect.Output{Name: x.name, Kind: protect.OutGroup, Group: i})
	}
	p.Outputs = append(p.Outputs, protect.Output{Name: "n", Kind: protect.OutCount, N: o.item(Item{Kind: Persons})})
	c.settle(o, at)
	for i, x := range cells {
		p.Domains[i].Name = x.name
	}
	if !p.OneCell() {
		c.fail(at, BoundMissing, "one person may be in several cells", "give each person one row: FROM (SELECT person_id, MIN(day) AS first_day FROM t GROUP BY person_id) x")
	}
	return p
}

func expressions(cells []cell) []*pg.Node {
	out := make([]*pg.Node, len(cells))
	for i, x := range cells {
		out[i] = x.expr
	}
	return out
}

// OneCell reports whether the plan counts persons and each of them, proved, in at most one cell: squared sensitivity 1.
func (p *Plan) OneCell() bool {
	return !p.Private && len(p.Items) == 1 && p.Items[0].Kind == Persons && p.Bounds.Proved && p.Bounds.Groups == 1 && p.Items[0].S2.IsInt64() && p.Items[0].S2.Int64() == 1
}
