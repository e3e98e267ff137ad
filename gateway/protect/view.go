package protect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"jali/gateway/catalog"
)

// ErrView: HAVING, ORDER BY or the SELECT list do not fit the table.
var ErrView = errors.New("view of the released table")

// Arrange is HAVING, ORDER BY and LIMIT, on released values only. Outputs are indices into Released.Columns (and Spec.Outputs).
type Arrange struct {
	Having *Having
	Order  []Order
	Limit  int64 // 0: none
}

// Order is one ORDER BY key: an output index.
type Order struct {
	Output int
	Desc   bool
}

// View says what of a Released table the asker sees: it names, picks and orders, and cannot change a value.
type View struct {
	Columns []ViewColumn
	Rows    []int // indices into Released.Rows
}

// ViewColumn is one column of the SELECT list: an index into Released.Columns.
type ViewColumn struct {
	Name  string
	Index int
}

// Arranged applies HAVING, ORDER BY and LIMIT to a released table. HAVING keeps rows for which it is true; a comparison with an
// absent value or the group "other" is unknown, as in SQL. Measures and labels sort by value, text by bytes; absent values and
// "other" sort last whichever the direction, and ties keep domain order.
func Arranged(r Released, a Arrange, columns []ViewColumn) (View, error) {
	if err := a.check(r.Columns); err != nil {
		return View{}, fmt.Errorf("arrange: %w: %w", ErrView, err)
	}
	if len(columns) == 0 {
		return View{}, fmt.Errorf("arrange: %w: no columns", ErrView)
	}
	for _, c := range columns {
		if c.Index < 0 || c.Index >= len(r.Columns) {
			return View{}, fmt.Errorf("arrange: %w: column %s is not in the table", ErrView, c.Name)
		}
	}
	rows := make([]int, 0, len(r.Rows))
	for i, row := range r.Rows {
		if a.Having == nil || a.Having.of(row) == yes {
			rows = append(rows, i)
		}
	}
	slices.SortStableFunc(rows, func(i, j int) int {
		for _, o := range a.Order {
			if d := o.compare(r.Rows[i].Values[o.Output], r.Rows[j].Values[o.Output]); d != 0 {
				return d
			}
		}
		return 0
	})
	if a.Limit > 0 && a.Limit < int64(len(rows)) {
		rows = rows[:a.Limit]
	}
	return View{Columns: slices.Clone(columns), Rows: rows}, nil
}

func (o Order) compare(x, y Cell) int {
	if x.missing() || y.missing() {
		return cmp.Compare(b2i(x.missing()), b2i(y.missing()))
	}
	var d int
	switch {
	case x.Label != nil && y.Label != nil:
		d = compare(*x.Label, *y.Label)
	case x.Fixed != nil && y.Fixed != nil:
		d = x.Fixed.Cmp(y.Fixed) // one column, one scale
	default:
		d = cmp.Compare(x.Float, y.Float)
	}
	if o.Desc {
		return -d
	}
	return d
}

// missing reports that the cell is null: absent, or the group "other".
func (c Cell) missing() bool {
	return c.Absent || c.Label != nil && c.Label.Kind == catalog.Null
}

func (a Arrange) check(columns []Column) error {
	if a.Limit < 0 {
		return errors.New("limit is negative")
	}
	for _, o := range a.Order {
		if o.Output < 0 || o.Output >= len(columns) {
			return errors.New("order by names no column")
		}
	}
	if a.Having == nil {
		return nil
	}
	return a.Having.check(columns, maxHaving)
}
