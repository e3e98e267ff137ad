package main

import (
	"math"
	"strconv"
	"strings"

	"jali/sdk"
)

// screenSheet lays an answer out for people: each figure with its half-width, rounded to the digits the half-width leaves
// meaningful, and counts below 0 shown as 0 with a star. Remarks are numbered, and told once below (footer). Whoever computes on takes
// csv or json, which round nothing and repeat each remark in its row.
func screenSheet(r *sdk.Result) (s *sheet, clamped bool) {
	said, remark := remarks(r), remarksColumn(r)
	var (
		head  []string
		shown []int // columns; that of remarks only when there is one
	)
	for j, c := range r.Columns {
		if j == remark && len(said) == 0 {
			continue
		}
		shown = append(shown, j)
		name := c.Name
		if c.Unit != "" {
			name += " [" + c.Unit + "]"
		}
		head = append(head, name)
	}
	s = newSheet(head...)
	for i, j := range shown {
		if r.Columns[j].Role == "measure" || numeric(r, j) {
			s.numbers(i)
		}
	}
	for i, row := range r.Rows {
		var cells []string
		for _, j := range shown {
			switch {
			case j == remark:
				cells = append(cells, remarkNumber(said, row[j].String()))
			case r.Columns[j].Role != "measure":
				cells = append(cells, label(row[j]))
			default:
				text, star := figure(row[j], r.HalfWidth(i, j), r.Columns[j].IsCount())
				cells, clamped = append(cells, text), clamped || star
			}
		}
		s.add(cells...)
	}
	return s, clamped
}

// csvSheet lays an answer out for programs: figures as recorded, each measure followed by its half-width.
func csvSheet(r *sdk.Result) *sheet {
	var head []string
	for _, c := range r.Columns {
		head = append(head, c.Name)
		if c.Role == "measure" && r.Analysis == nil {
			head = append(head, c.Name+"_error95")
		}
	}
	s := newSheet(head...)
	for i, row := range r.Rows {
		var cells []string
		for j, v := range row {
			cells = append(cells, v.String())
			if r.Columns[j].Role == "measure" && r.Analysis == nil {
				cells = append(cells, r.HalfWidth(i, j).String())
			}
		}
		s.add(cells...)
	}
	return s
}

func numeric(r *sdk.Result, column int) bool {
	for _, row := range r.Rows {
		if v := row[column]; !v.IsNumber() && !v.IsNull() {
			return false
		}
	}
	return len(r.Rows) > 0
}

// label shows a group; rows without a value form a group of their own.
func label(v sdk.Value) string {
	if v.IsNull() {
		return "(missing)"
	}
	return v.String()
}

// figure shows a value with its half-width. star: a count below 0 is shown as 0.
func figure(v, half sdk.Value, isCount bool) (text string, star bool) {
	x, ok := v.Float()
	if !ok {
		return "hidden", false
	}
	h, ok := half.Float()
	if !ok {
		return strconv.FormatFloat(x, 'g', 5, 64), false // derived: its interval stands beside it
	}
	decimals := meaningful(h)
	text = v.String()
	if whole(text) {
		decimals = min(decimals, 0)
	} else {
		text = strconv.FormatFloat(x, 'f', max(decimals, 0), 64)
	}
	if isCount && x < 0 {
		text, star = "0*", true
	}
	return text + " ± " + roundUp(h, max(decimals, 0)), star
}

// meaningful is how many decimals show two digits of the half-width.
func meaningful(h float64) int {
	if h <= 0 || math.IsInf(h, 0) {
		return 0
	}
	return max(-3, min(10, 1-int(math.Floor(math.Log10(h)))))
}

// roundUp never understates a half-width.
func roundUp(h float64, decimals int) string {
	scale := math.Pow10(decimals)
	// A value that is already short (0.29) must not move up for its binary spelling.
	if short := strconv.FormatFloat(h, 'f', decimals, 64); strings.TrimRight(short, "0") == strings.TrimRight(strconv.FormatFloat(h, 'f', -1, 64), "0") {
		return short
	}
	up := math.Ceil(h * scale)
	if up/scale < h { // the product was rounded down to a whole number
		up++
	}
	return strconv.FormatFloat(up/scale, 'f', decimals, 64)
}

func whole(digits string) bool { return !strings.ContainsAny(digits, ".eE") }
