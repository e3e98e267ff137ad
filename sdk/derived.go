package sdk

import (
	"fmt"
	"strconv"

	jaliv1 "jali/proto/jali/v1"
	"jali/sdk/analysis"
)

// derivedOf computes the table of a table function from the recorded histogram, whose receipt has verified. What the gateway
// derived is not used: the figures are those that anyone computes from the recorded bytes.
func derivedOf(answer *jaliv1.QueryResponse) (*Result, error) {
	spec, err := analysis.ParseSpec(answer.GetAnalysis())
	if err != nil {
		return nil, fmt.Errorf("read analysis: %w", err)
	}
	d, err := analysis.Derive(spec, answer.GetResult())
	if err != nil {
		return nil, fmt.Errorf("read analysis: %w", err)
	}
	r := &Result{
		PricePU: answer.GetPricePu(), Budget: balanceOf(answer.GetBudget()), Replayed: answer.GetReplayed(),
		SlotsOff: answer.GetSlotsOff(), Notes: answer.GetNotes(), Raw: answer.GetResult(), Analysis: &spec,
	}
	for _, c := range d.Columns {
		column := Column{Name: c.Name, Recorded: c.Name, Kind: "derived", Role: "measure", Unit: c.Unit}
		if c.Label {
			column.Kind, column.Role = "text", "group"
		}
		r.Columns = append(r.Columns, column)
	}
	for _, line := range d.Rows {
		row, half := make([]Value, len(line)), []Value{}
		for i, v := range line {
			switch x := v.(type) {
			case string:
				row[i] = Value{kind: text, text: x}
			case float64:
				row[i] = Value{kind: number, text: strconv.FormatFloat(x, 'g', -1, 64)}
			}
			if !d.Columns[i].Label {
				half = append(half, Value{})
			}
		}
		r.Rows, r.Error95 = append(r.Rows, row), append(r.Error95, half)
	}
	return r, nil
}
