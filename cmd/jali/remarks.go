package main

import (
	"slices"
	"strconv"

	"jali/sdk"
)

// remarksColumn is the column of a derived table that says, row by row, what to know about its figures; -1 when there is none.
func remarksColumn(r *sdk.Result) int {
	if r.Analysis == nil {
		return -1
	}
	return slices.IndexFunc(r.Columns, func(c sdk.Column) bool { return c.Role == "group" && c.Name == "note" })
}

// remarks lists what the rows of a derived table say, each text once, in the order of its first row. On a screen rows that share a
// remark show its number and the footer its text: a whole curve often carries the same one.
func remarks(r *sdk.Result) []string {
	column := remarksColumn(r)
	if column < 0 {
		return nil
	}
	var list []string
	for _, row := range r.Rows {
		if text := row[column].String(); !row[column].IsNull() && text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// remarkNumber is how a row, and the footer, refer to a remark; nothing for a row without one.
func remarkNumber(list []string, text string) string {
	if i := slices.Index(list, text); i >= 0 {
		return strconv.Itoa(i+1) + ")"
	}
	return ""
}
