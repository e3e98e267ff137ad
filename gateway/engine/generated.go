package engine

import (
	"context"
	"fmt"
	"math/big"
	"strconv"

	"jali/gateway/catalog"
	"jali/gateway/protect"
	"jali/gateway/query"
)

// generated is an in-memory engine over rows that depend on nothing but their number, ten to a person, and a plan over it:
// COUNT(*) and SUM per region, three regions and five rows per person. It is what calibrate and the benchmarks measure.
func generated(ctx context.Context, threads int, rows int64) (*Engine, *query.Plan, error) {
	plan := generatedPlan()
	db, err := openDatabase("", map[string]string{"threads": strconv.Itoa(threads)})
	if err != nil {
		return nil, nil, err
	}
	e := newEngine(Config{Catalog: plan.Dataset, Threads: threads})
	e.plain = newPool(db, 4*threads)
	e.ordered = e.plain
	e.holdGenerated(rows)
	if err := e.plain.session(func(c *connection) error {
		return c.exec(ctx, fmt.Sprintf(`CREATE TABLE claim AS SELECT (i // %d)::INTEGER AS _p,
			(hash(i) %% %d)::TINYINT AS region, (hash(-i) %% %d)::SMALLINT AS cost FROM range(%d) r(i)`, perPerson, regions, mostCost+1, rows))
	}); err != nil {
		e.Close()
		return nil, nil, err
	}
	return e, plan, nil
}

// What is generated: rows of a person, regions, and the greatest cost.
const perPerson, regions, mostCost = 10, 47, 19_999

func (e *Engine) holdGenerated(rows int64) {
	e.rows["claim"], e.persons = rows, (rows+perPerson-1)/perPerson
}

func generatedPlan() *query.Plan {
	codes := make([]catalog.Value, regions)
	for i := range codes {
		codes[i] = catalog.IntValue(int64(i))
	}
	region := &catalog.Column{Name: "region", Table: "claim", Type: catalog.Integer, Roles: []catalog.Role{catalog.RoleGroup}, Codes: codes, Hi: regions - 1}
	cost := &catalog.Column{Name: "cost", Table: "claim", Type: catalog.Integer, Roles: []catalog.Role{catalog.RoleMeasure}, Hi: mostCost, ClipHi: mostCost}
	claim := &catalog.Table{
		Name: "claim", PersonKey: "person", Columns: []*catalog.Column{region, cost},
		RowsPerPerson: perPerson, GroupsPerPerson: 3, RowsPerGroup: 5,
	}
	ds := &catalog.Dataset{ID: "generated", Population: "nobody", Tables: []*catalog.Table{claim}}
	return &query.Plan{
		Dataset: ds, Tables: []query.TableRef{{Table: claim}}, GroupBy: []query.ColumnRef{{Column: region}},
		Domains: []protect.Domain{{Name: "region", Labels: codes}}, Cells: regions, Form: query.F2,
		Items: []query.Item{
			{Kind: query.Rows, Lo: big.NewInt(0), Hi: big.NewInt(5)},
			{Kind: query.Sum, Col: &query.ColumnRef{Column: cost}, Lo: big.NewInt(0), Hi: big.NewInt(20_000)},
		},
		Bounds: query.Bounds{Rows: perPerson, Groups: 3, PerCol: 5},
	}
}
