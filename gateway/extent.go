package gateway

import (
	"jali/gateway/protect"
	"jali/sdk/analysis"
)

// Extent is how large the derived table of a table function can become whatever the figures are: a regression that noise has drowned has no
// coefficients to show, and a note may or may not stand in each row. Whoever sends an answer fills it up to this, so that its length tells the
// shape of the question only (attack 24). It is made of the specification and of public labels.
type Extent struct {
	Rows  int
	Label int // bytes of a label or of the name of a coefficient
	Note  int // bytes of the note in each row, and of one more note on the whole
}

const (
	// noteBytes is more than the longest note of sdk/stat and sdk/analysis has, but for a label in it; joined is what the names of coefficients put
	// between names and labels; marked is more than "(missing)" and "(all)".
	noteBytes = 256
	joined    = 64
	marked    = 16
)

// extent bounds the derived table.
func extent(s analysis.Spec, d analysis.Derived, released protect.Released) Extent {
	e := Extent{Rows: len(d.Rows)}
	longest, names, labels := 0, 0, map[string]int{}
	for i, c := range released.Columns {
		if c.Kind != protect.OutGroup {
			continue
		}
		names = max(names, len(c.Name))
		seen := map[string]bool{}
		for _, row := range released.Rows {
			if l := row.Values[i].Label; l != nil {
				seen[l.String()] = true
				longest = max(longest, len(l.String()))
			}
		}
		labels[c.Name] = len(seen)
	}
	e.Note = noteBytes + longest
	if len(s.Terms) == 0 { // labels stand alone, and there may be a hundred thousand rows of them
		e.Label = max(longest, marked)
		return e
	}
	e.Label = joined + names + longest
	coefficients := 1
	for _, t := range s.Terms {
		coefficients += max(labels[t.Dim], 1)
	}
	e.Rows = max(e.Rows, coefficients)
	return e
}
