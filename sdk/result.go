package sdk

import (
	"encoding/json"
	"errors"
	"iter"

	"jali/sdk/analysis"
)

// Result is an answer whose receipt verified. Columns, Rows and Error95 are what was asked for: the SELECT list in its order,
// rows after HAVING, ORDER BY and LIMIT.
type Result struct {
	Columns []Column
	// Rows has one value per column.
	Rows [][]Value
	// Error95 has, per row, one half-width per measure column: the true figure lies within it of the value with at least
	// 95 % probability. Null where the figure is hidden.
	Error95 [][]Value
	// HiddenGroups counts groups of the whole table whose figures are withheld because too few persons are in them.
	HiddenGroups int64
	// Protection is what the recorded answer says of itself where no formal guarantee stands behind it: in mode sdc
	// "disclosure-controlled, no formal guarantee". Empty: differential privacy.
	Protection string
	PricePU    int64
	Budget     Balance
	// Replayed: the same question had been paid for; this is its stored answer, free.
	Replayed bool
	// SlotsOff: the dataset answers as fast as it can; how long it took may tell something about the data.
	SlotsOff bool
	// Notes say what the figures leave out: contribution caps that the answer enforces. The intervals are about what is left.
	Notes   []string
	Receipt Receipt
	// Analysis is set for a table function: how Rows were derived from the histogram in Raw. Error95 is null then; intervals are
	// columns, lower95 and upper95 for the population, exact_lower95 and exact_upper95 for the figure of the exact data.
	Analysis *analysis.Spec
	// Raw is the whole table as recorded: the receipt's digest is over exactly these bytes.
	Raw []byte
	// RequestID is the idempotency key it was asked with.
	RequestID string
}

// Balance is what is left after an answer.
type Balance struct {
	AgreementRemainingPU int64 `json:"agreement_remaining_pu"`
	// PopulationRemainingPU is nil when the caller may not see it.
	PopulationRemainingPU *int64 `json:"population_remaining_pu"`
}

// view picks from the whole table: names and indices of columns, indices of rows.
type view struct {
	names   []string
	columns []int32
	rows    []int32
}

// apply picks the columns and rows of the view. It moves cells and never changes one.
func (t table) apply(v view) (columns []Column, rows, error95 [][]Value, err error) {
	if len(v.columns) == 0 {
		return nil, nil, nil, errors.New("the view picks no columns")
	}
	measure := make([]int, len(t.columns)) // column -> index into error95
	n := 0
	for i, c := range t.columns {
		if measure[i] = -1; c.Role == "measure" {
			measure[i], n = n, n+1
		}
	}
	for i, at := range v.columns {
		if at < 0 || int(at) >= len(t.columns) {
			return nil, nil, nil, errors.New("the view picks a column that is not there")
		}
		c := t.columns[at]
		c.Name = v.names[i]
		columns = append(columns, c)
	}
	seen := make([]bool, len(t.rows))
	rows, error95 = make([][]Value, 0, len(v.rows)), make([][]Value, 0, len(v.rows))
	for _, at := range v.rows {
		if at < 0 || int(at) >= len(t.rows) || seen[at] {
			return nil, nil, nil, errors.New("the view picks a row that is not there, or one twice")
		}
		seen[at] = true
		row, half := make([]Value, 0, len(columns)), make([]Value, 0, n)
		for _, column := range v.columns {
			row = append(row, t.rows[at][column])
			if m := measure[column]; m >= 0 {
				half = append(half, t.error95[at][m])
			}
		}
		rows, error95 = append(rows, row), append(error95, half)
	}
	return columns, rows, error95, nil
}

// Column is the index of the named column; -1: none.
func (r *Result) Column(name string) int {
	for i, c := range r.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// Float is a figure; false when it is hidden, not a number or not there.
func (r *Result) Float(row int, column string) (float64, bool) {
	at := r.Column(column)
	if at < 0 || row < 0 || row >= len(r.Rows) {
		return 0, false
	}
	return r.Rows[row][at].Float()
}

// HalfWidth is the 95 % half-width of a figure; null for groups and hidden figures.
func (r *Result) HalfWidth(row, column int) Value {
	if row < 0 || row >= len(r.Rows) || column < 0 || column >= len(r.Columns) || r.Columns[column].Role != "measure" {
		return Value{}
	}
	n := 0
	for _, c := range r.Columns[:column] {
		if c.Role == "measure" {
			n++
		}
	}
	return r.Error95[row][n]
}

// Interval is the 95 % interval of a figure; false when there is none.
func (r *Result) Interval(row int, column string) (lo, hi float64, ok bool) {
	x, ok := r.Float(row, column)
	if !ok {
		return 0, 0, false
	}
	h, ok := r.HalfWidth(row, r.Column(column)).Float()
	return x - h, x + h, ok
}

// Row is one row of an answer.
type Row struct {
	result *Result
	at     int
}

// All iterates over the rows in order.
func (r *Result) All() iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		for i := range r.Rows {
			if !yield(i, Row{r, i}) {
				return
			}
		}
	}
}

// Value is the cell of the named column; null when there is no such column.
func (row Row) Value(column string) Value {
	if at := row.result.Column(column); at >= 0 {
		return row.result.Rows[row.at][at]
	}
	return Value{}
}

// Float is the figure of the named column; false when it is hidden, not a number or not there.
func (row Row) Float(column string) (float64, bool) { return row.result.Float(row.at, column) }

// Interval is the 95 % interval of the named column.
func (row Row) Interval(column string) (lo, hi float64, ok bool) {
	return row.result.Interval(row.at, column)
}

// Hidden reports that every figure of the row is withheld.
func (row Row) Hidden() bool {
	measures := false
	for i, c := range row.result.Columns {
		if c.Role == "measure" {
			measures = true
			if !row.result.Rows[row.at][i].IsNull() {
				return false
			}
		}
	}
	return measures
}

// MarshalJSON is the object of `jali query --format json` (docs/api.md, "Answer as JSON").
func (r *Result) MarshalJSON() ([]byte, error) {
	type column struct {
		Name string `json:"name"`
		Role string `json:"role"`
	}
	columns := make([]column, len(r.Columns))
	for i, c := range r.Columns {
		columns[i] = column{c.Name, c.Role}
	}
	return json.Marshal(struct {
		Columns      []column        `json:"columns"`
		Rows         [][]Value       `json:"rows"`
		Error95      [][]Value       `json:"error95"`
		HiddenGroups int64           `json:"hidden_groups"`
		PricePU      int64           `json:"price_pu"`
		Budget       Balance         `json:"budget"`
		Replayed     bool            `json:"replayed"`
		Notes        []string        `json:"notes,omitempty"`
		Receipt      json.RawMessage `json:"receipt"`
	}{columns, r.Rows, r.Error95, r.HiddenGroups, r.PricePU, r.Budget, r.Replayed, r.Notes, json.RawMessage(r.Receipt.Raw)})
}
