package engine

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"jali/gateway/protect"
	"jali/gateway/query"
)

// RunSubjects executes a plan without groups and gives its items for each of the persons, in their order: Values[item][i] is of
// persons[i]. Each value is clipped to the bounds of one person. An ordinal below 0, of nobody, and a person without rows that the plan
// counts have 0: the result does not tell them apart. Ordinals are unique.
//
// Every person's rows are read and aggregated, whoever is listed, so that how long it takes tells little of the list.
func (e *Engine) RunSubjects(ctx context.Context, plan *query.Plan, persons []int32) (protect.Raw, error) {
	e.life.RLock()
	defer e.life.RUnlock()
	cells, err := e.subjects(ctx, plan, persons)
	if err == nil {
		return protect.NewRaw(cells), nil
	}
	if c := ctx.Err(); c != nil {
		err = c
	}
	e.operator.Error("query not executed", "form", "subjects", "cause", causeOf(err))
	return protect.Raw{}, fmt.Errorf("%w: %w", ErrExecute, err)
}

func (e *Engine) subjects(ctx context.Context, plan *query.Plan, persons []int32) (protect.Cells, error) {
	if e.closed {
		return protect.Cells{}, errClosed
	}
	if err := e.admit(plan); err != nil {
		return protect.Cells{}, err
	}
	if plan.Private || len(plan.GroupBy) > 0 || plan.Bounds.Groups != 1 {
		return protect.Cells{}, fmt.Errorf("%w: groups of subjects", errPlan)
	}
	s := &subjects{aggregation: aggregation{plan: plan, sql: writer{dialect: e.dialect}}, slots: make([]int32, e.persons)}
	for i := range s.slots {
		s.slots[i] = -1
	}
	for i, p := range persons {
		if p < 0 || int64(p) >= e.persons { // never imported, or after this version
			continue
		}
		if s.slots[p] >= 0 {
			return protect.Cells{}, fmt.Errorf("%w: a person twice", errPlan)
		}
		s.slots[p] = int32(i)
	}
	if err := s.write(len(persons)); err != nil {
		return protect.Cells{}, err
	}
	err := e.store.aggregate(ctx, statement{s.sql.String(), s.sql.args, append([]string{"INTEGER"}, s.types()...)}, s.read)
	return s.cells, err
}

// subjects is an aggregation by person. slots is where a person's values go, -1: nowhere.
type subjects struct {
	aggregation
	slots []int32
}

func (s *subjects) write(n int) error {
	sc, err := s.sql.open(s.plan.Tables)
	if err != nil {
		return err
	}
	for _, it := range s.plan.Items {
		if it.Lo == nil || it.Hi == nil || it.Lo.Cmp(it.Hi) > 0 {
			return fmt.Errorf("%w: item bounds", errPlan)
		}
		if it.Kind == query.Persons && it.Col == nil {
			s.items, s.sums = append(s.items, aggregateItem{{len(s.sums), one}}), append(s.sums, "1")
			continue
		}
		if err := s.item(sc, it); err != nil {
			return err
		}
	}
	list := []string{sc.person}
	for _, x := range s.sums {
		list = append(list, "("+x+")::"+s.sql.dialect.typ("HUGEINT"))
	}
	s.sql.WriteString("SELECT " + strings.Join(list, ", "))
	if err := s.sql.from(sc, s.plan.Where); err != nil {
		return err
	}
	s.sql.WriteString(" GROUP BY 1")
	s.cells.Values = make([][]*big.Int, len(s.plan.Items))
	for j := range s.cells.Values {
		s.cells.Values[j] = make([]*big.Int, n)
	}
	return nil
}

// read puts the persons of one chunk into their slots.
func (s *subjects) read(rows chunk) error {
	p, mask := rows.vector(0)
	if mask != nil && !allValid(mask, rows.size()) {
		return errOrder
	}
	for i, person := range values[int32](p, rows.size()) {
		if person < 0 || int(person) >= len(s.slots) {
			return errOrder
		}
		slot := s.slots[person]
		if slot < 0 {
			continue
		}
		sums := make([]*big.Int, len(s.sums))
		for j := range sums {
			v, mask := rows.vector(1 + j)
			if !valid(mask, i) {
				return fmt.Errorf("%w: NULL sum", errPlan)
			}
			sums[j] = values[hugeint](v, rows.size())[i].big()
		}
		for j, it := range s.items {
			if s.cells.Values[j][slot] != nil { // a group seen twice
				return errOrder
			}
			v := new(big.Int)
			for _, t := range it {
				v.Add(v, new(big.Int).Mul(t.factor, sums[t.sum]))
			}
			s.cells.Values[j][slot] = clip(v, s.plan.Items[j])
		}
	}
	return nil
}

// clip holds a person's value within the bounds of its item.
func clip(v *big.Int, it query.Item) *big.Int {
	if v.Cmp(it.Lo) < 0 {
		return new(big.Int).Set(it.Lo)
	}
	if v.Cmp(it.Hi) > 0 {
		return new(big.Int).Set(it.Hi)
	}
	return v
}
