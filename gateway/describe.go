package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"jali/gateway/catalog"
	"jali/gateway/identity"
	"jali/gateway/protect"
	"jali/gateway/query"
	"jali/sdk/analysis"
)

// Shape is a column of an answer as it is known before there is one.
type Shape struct {
	Name, Unit string
	// Kind is protect.OutGroup for labels, whose type and decimals then follow; what a measure is otherwise.
	Kind     protect.OutputKind
	Type     catalog.Type
	Decimals int
	// Derived: a figure of a table function, without a half-width of its own.
	Derived bool
}

// Describe tells the columns of a question's answer. It touches no data, charges nothing and does not decide about the question, but
// it takes the same plan as Answer: what the plan refuses is refused here with the same words, and is on the record as there.
//
// sample, if not nil, writes the question to plan in place of req.SQL, for a catalogue: a prepared question whose parameters are not bound yet.
func (g *Gateway) Describe(ctx context.Context, who identity.Principal, req Request, sample func(*catalog.Dataset) string) ([]Shape, error) {
	compile := query.Compile
	if sample != nil {
		compile = func(ds *catalog.Dataset, _ string) (*query.Plan, error) { return query.Compile(ds, sample(ds)) }
	}
	a, refusal := g.planned(&ask{who: who, req: req}, compile)
	if refusal == nil && a.plan.Analysis != nil {
		refusal = g.price(a)
	}
	if refusal != nil {
		return nil, g.refuse(ctx, a, refusal)
	}
	if a.plan.Analysis != nil {
		shapes, err := a.derivedShapes()
		if err != nil {
			g.operator.Error("table function not described", "err", causeOf(err))
			return nil, g.refuse(ctx, a, &Refusal{Code: NotSupported, Message: "the columns of this table function are not known before it has run", Hint: "ask it without preparing it first"})
		}
		return shapes, nil
	}
	return a.shapes(), nil
}

// Covered is the catalogue that a question under this agreement would be planned against, or nil: what may be described to this caller.
func (g *Gateway) Covered(who identity.Principal, agreement, dataset string) *catalog.Dataset {
	a := g.agreement(agreement)
	if a == nil || !a.maySee(who) {
		return nil
	}
	if dataset == "" && len(a.Datasets) == 1 {
		dataset = a.Datasets[0].ID
	}
	d := g.dataset(dataset)
	if d == nil || !a.covers(dataset) {
		return nil
	}
	return d.catalog
}

// shapes lists the columns of the SELECT list.
func (a *ask) shapes() []Shape {
	var out []Shape
	for _, c := range a.columns {
		o := a.spec.Outputs[c.Index]
		s := Shape{Name: c.Name, Unit: o.Unit, Kind: o.Kind, Decimals: o.Decimals}
		if o.Kind == protect.OutGroup {
			ref := a.plan.GroupBy[o.Group]
			s.Type, s.Decimals = ref.Column.Type, ref.Column.Decimals
			if ref.Band != nil {
				if s.Type = catalog.Text; ref.Band.Kind == catalog.BandYear {
					s.Type = catalog.Integer
				}
			}
		}
		out = append(out, s)
	}
	return out
}

var errShape = errors.New("describe table function")

// derivedShapes runs the table function on made-up figures: its columns follow from the question alone, never from the figures.
func (a *ask) derivedShapes() ([]Shape, error) {
	if a.plan.Private {
		return nil, errShape
	}
	if err := a.arm(0); err != nil {
		return nil, fmt.Errorf("%w: %w", errShape, err)
	}
	s := a.analysis()
	d, err := analysis.Derive(*s, protect.Encode(a.madeUp()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errShape, err)
	}
	var out []Shape
	for _, c := range d.Columns {
		shape := Shape{Name: c.Name, Unit: c.Unit, Kind: protect.OutMean, Derived: true}
		if c.Label {
			shape.Kind, shape.Type = protect.OutGroup, catalog.Text
		}
		out = append(out, shape)
	}
	return out, nil
}

// madeUp is a released table of the plan's shape with figures that come from nothing but the number of the cell.
func (a *ask) madeUp() protect.Released {
	var r protect.Released
	for _, o := range a.spec.Outputs {
		c := protect.Column{Name: o.Name, Role: protect.RoleMeasure, Kind: o.Kind, Unit: o.Unit}
		if o.Kind == protect.OutGroup {
			c.Role, c.Type = protect.RoleGroup, string(typeOfLabels(a.spec.Groups[o.Group].Labels))
		}
		r.Columns = append(r.Columns, c)
	}
	at := make([]int, len(a.spec.Groups))
	for n := int64(0); ; n++ {
		row := protect.Row{}
		for _, o := range a.spec.Outputs {
			cell, half := protect.Cell{Fixed: big.NewInt(1000 + 37*(n*n%101))}, protect.Cell{Fixed: big.NewInt(1)}
			if o.Kind == protect.OutGroup {
				label := a.spec.Groups[o.Group].Labels[at[o.Group]]
				cell, half = protect.Cell{Label: &label}, protect.Cell{Absent: true}
			}
			row.Values, row.Error95 = append(row.Values, cell), append(row.Error95, half)
		}
		r.Rows = append(r.Rows, row)
		i := len(at) - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < len(a.spec.Groups[i].Labels) {
				break
			}
			at[i] = 0
		}
		if i < 0 {
			return r
		}
	}
}

// typeOfLabels is the type under which labels are encoded.
func typeOfLabels(labels []catalog.Value) catalog.Type {
	at := slices.IndexFunc(labels, func(v catalog.Value) bool { return v.Kind != catalog.Null })
	if at < 0 {
		return catalog.Text
	}
	switch labels[at].Kind {
	case catalog.Int:
		return catalog.Integer
	case catalog.Fixed:
		return catalog.Decimal
	case catalog.Day:
		return catalog.Date
	}
	return catalog.Text
}
