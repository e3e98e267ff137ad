package gateway

import "jali/policy"

// input is what policy sees of the question: all that is public about it.
func (b *blind) input(a *ask) *policy.InputEncrypted {
	in := &policy.InputEncrypted{
		Form: "category", Aggregate: b.req.Aggregate, Filter: a.plan.Filtered(),
		Entries: int64(b.layout.Entries()), Groups: int64(b.spec.Sums()), Opened: b.opened,
	}
	if s := b.domain.study; s != nil {
		in.Form, in.Study = "subject", s.id
	}
	for _, l := range b.domain.by {
		in.Select = append(in.Select, l.full())
	}
	if g := b.domain.group; g != nil {
		in.Group = []string{g.full()}
	}
	in.Rule, in.Min, in.Max = b.req.Rule.declared(in.Entries)
	return in
}

// declared says how many of n entries the rule lets be selected.
func (r SizeRule) declared(n int64) (kind string, least, most int64) {
	switch {
	case r.Exact > 0:
		return "exact", r.Exact, r.Exact
	case r.Range && r.Max == 0:
		return "range", r.Min, n
	case r.Range:
		return "range", r.Min, r.Max
	}
	return "none", 0, n
}
