package gateway

import (
	"cmp"
	"fmt"
	"slices"

	"jali/crypto/noise"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// describe translates the plan into what protect needs, with outputs in a canonical order and under canonical names: groups
// first, then measures by name, each once. The asker's names and order go to the view, so that the recorded table is the
// same however the question was spelt.
func (a *ask) describe() {
	p := a.plan
	spec := protect.Spec{Groups: p.Domains}
	for _, it := range p.Items {
		spec.Items = append(spec.Items, protect.Item{Name: itemName(it), Block: it.Block})
	}
	type canon struct {
		out  protect.Output
		from []int
	}
	var all []canon
	for g, d := range p.Domains {
		all = append(all, canon{out: protect.Output{Name: d.Name, Kind: protect.OutGroup, Group: g}})
	}
	for i, o := range p.Outputs {
		o.Hidden = false
		if o.Kind == protect.OutGroup {
			all[o.Group].from = append(all[o.Group].from, i)
			continue
		}
		o.Name = outputName(o, spec.Items)
		at := slices.IndexFunc(all, func(c canon) bool { return c.out == o })
		if at < 0 {
			at = len(all)
			all = append(all, canon{out: o})
		}
		all[at].from = append(all[at].from, i)
	}
	slices.SortStableFunc(all[len(p.Domains):], func(x, y canon) int { return cmp.Compare(x.out.Name, y.out.Name) })

	index := make([]int, len(p.Outputs))
	for at, c := range all {
		spec.Outputs = append(spec.Outputs, c.out)
		for _, i := range c.from {
			index[i] = at
		}
	}
	for i, o := range p.Outputs {
		if !o.Hidden {
			a.columns = append(a.columns, protect.ViewColumn{Name: o.Name, Index: index[i]})
		}
	}
	a.arrange = protect.Arrange{Limit: p.Arrange.Limit, Having: remap(p.Arrange.Having, index)}
	for _, o := range p.Arrange.Order {
		a.arrange.Order = append(a.arrange.Order, protect.Order{Output: index[o.Output], Desc: o.Desc})
	}
	a.spec = spec
}

func remap(h *protect.Having, index []int) *protect.Having {
	if h == nil {
		return nil
	}
	c := *h
	if len(h.Args) == 0 {
		c.Output = index[h.Output]
	}
	c.Args = nil
	for _, x := range h.Args {
		c.Args = append(c.Args, remap(x, index))
	}
	return &c
}

func itemName(it query.Item) string {
	switch {
	case it.Block > 1:
		return fmt.Sprintf("%s per %d", it.Kind, it.Block)
	case it.Col == nil:
		return string(it.Kind)
	case it.Kind == query.Sum && it.Center != 0:
		return fmt.Sprintf("sum(%s.%s-%d)", it.Col.Column.Table, it.Col.Column.Name, it.Center)
	case it.Kind == query.Squares:
		return fmt.Sprintf("squares(%s.%s-%d)", it.Col.Column.Table, it.Col.Column.Name, it.Center)
	}
	return fmt.Sprintf("%s(%s.%s)", it.Kind, it.Col.Column.Table, it.Col.Column.Name)
}

func outputName(o protect.Output, items []protect.Item) string {
	switch o.Kind {
	case protect.OutCount:
		return items[o.N].Name
	case protect.OutSum:
		return items[o.S].Name
	}
	return fmt.Sprintf("%s of %s", o.Kind, items[o.S].Name)
}

// arm puts the bought noise into the spec, and for private keys the threshold that delta pays for.
func (a *ask) arm(min int64) error {
	a.spec.Min = min
	for i := range a.spec.Items {
		a.spec.Items[i].Sigma2 = a.cost.Lines[i].Sigma2
	}
	if a.plan.Analysis != nil {
		// The cells of a histogram are thin by design, and statistics need them raw. What is hidden are figures that rest on few.
		a.spec.Min = 0
	}
	if !a.plan.Private {
		return nil
	}
	tau, err := noise.Tau(a.cost.Lines[a.plan.PersonItem].Sigma2, a.cost.Delta, a.plan.Bounds.Groups)
	if err != nil {
		return fmt.Errorf("threshold: %w", err)
	}
	a.spec.Threshold = &protect.Threshold{Item: a.plan.PersonItem, Tau: tau, K: max(1, min)}
	// The threshold already hides every group below the minimum; hiding again would only bias what is left.
	a.spec.Min = 0
	return nil
}

// mechanism is the code of the release in the record.
func (a *ask) mechanism() string {
	if a.control != nil {
		return "sdc"
	}
	if a.plan.Private {
		return "dgauss+tau"
	}
	return "dgauss"
}

// formulation is the sentence of the quote about how bounds are enforced.
func formulation(p *query.Plan) string {
	switch p.Form {
	case query.F0:
		return "F0: bounds proved by the catalogue, plain aggregation"
	case query.F1:
		return "F1: group fixed per person, rows clipped per person"
	}
	return "F2: groups chosen and values clipped per person"
}
