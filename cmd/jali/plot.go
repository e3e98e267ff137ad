package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"jali/sdk"
	"jali/sdk/analysis"
)

// plot draws a derived table where a picture says more than its rows: curves, bars, or estimates with their intervals.
func plot(r *sdk.Result) string {
	if r.Analysis == nil || len(r.Rows) == 0 {
		return ""
	}
	switch r.Analysis.Statistic {
	case analysis.KaplanMeier:
		return curves(r)
	case analysis.Histogram:
		return bars(r)
	case analysis.OddsRatio, analysis.RiskRatio, analysis.RateRatio, analysis.MantelHaenszel:
		return forest(r, "", "lower95", "upper95", true)
	case analysis.RiskDifference, analysis.Prevalence, analysis.IncidenceRate, analysis.MedianSurvival, analysis.MeanSurvival:
		return forest(r, "", "lower95", "upper95", false)
	case analysis.HazardRatio, analysis.LogisticRegression, analysis.PoissonRegression:
		return forest(r, "ratio", "ratio_lower95", "ratio_upper95", true)
	case analysis.LinearRegression:
		return forest(r, "estimate", "lower95", "upper95", false)
	}
	return ""
}

const (
	plotWidth  = 60
	plotHeight = 16
)

// marks tell the groups of a plot apart.
var marks = []rune("●○■□▲△◆◇")

// curves draws survival over time, one mark per group.
func curves(r *sdk.Result) string {
	var groups []string
	latest := 0.0
	for i := range r.Rows {
		if g := groupOf(r, i); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
		if t, ok := r.Float(i, "time"); ok {
			latest = max(latest, t)
		}
	}
	if latest == 0 || len(groups) > len(marks) {
		return ""
	}
	grid := newGrid()
	for i := range r.Rows {
		t, ok := r.Float(i, "time")
		s, shown := r.Float(i, "survival")
		if !ok || !shown {
			continue
		}
		x := int(math.Round(t / latest * (plotWidth - 1)))
		y := int(math.Round((1 - min(1, max(0, s))) * (plotHeight - 1)))
		grid[y][x] = marks[slices.Index(groups, groupOf(r, i))]
	}
	var b strings.Builder
	for y, line := range grid {
		fmt.Fprintf(&b, "%5.2f │%s\n", 1-float64(y)/(plotHeight-1), strings.TrimRight(string(line), " "))
	}
	fmt.Fprintf(&b, "      └%s\n", strings.Repeat("─", plotWidth))
	fmt.Fprintf(&b, "       0%*s\n", plotWidth-1, compact(latest))
	for i, g := range groups {
		if g != "" {
			fmt.Fprintf(&b, "       %c %s\n", marks[i], cell(g))
		}
	}
	return b.String() + "\n"
}

func newGrid() [][]rune {
	grid := make([][]rune, plotHeight)
	for i := range grid {
		grid[i] = []rune(strings.Repeat(" ", plotWidth))
	}
	return grid
}

// bars draws one bar per bin; what is below 0 is noise and has none.
func bars(r *sdk.Result) string {
	most, wide := 0.0, 0
	for i := range r.Rows {
		n, _ := r.Float(i, "count")
		most, wide = max(most, n), max(wide, len([]rune(groupOf(r, i))))
	}
	if most <= 0 {
		return ""
	}
	var b strings.Builder
	for i := range r.Rows {
		n, ok := r.Float(i, "count")
		text := "hidden"
		if ok {
			text = strings.Repeat("█", int(math.Round(max(0, n)/most*plotWidth))) + " " + compact(n)
		}
		g := cell(groupOf(r, i))
		fmt.Fprintf(&b, "%s%s │%s\n", strings.Repeat(" ", max(0, wide-len([]rune(g)))), g, text)
	}
	return b.String() + "\n"
}

// forest draws each estimate with its interval; value is the column of the estimate, "" for the statistic's own. Ratios stand on a
// logarithmic scale with a line at 1, all else on a plain one with a line at 0.
func forest(r *sdk.Result, value, lower, upper string, ratio bool) string {
	if value == "" {
		value = string(r.Analysis.Statistic)
	}
	scale := func(x float64) float64 { return x }
	if ratio {
		scale = func(x float64) float64 { return math.Log(max(x, 1e-9)) }
	}
	type line struct {
		name      string
		v, lo, hi float64
	}
	var lines []line
	from, to, wide := 0.0, 0.0, 0
	for i := range r.Rows {
		v, ok := r.Float(i, value)
		lo, okLo := r.Float(i, lower)
		hi, okHi := r.Float(i, upper)
		if !ok || !okLo || !okHi || ratio && (v <= 0 || lo <= 0) || strings.HasPrefix(groupOf(r, i), "(intercept)") {
			continue
		}
		l := line{cell(groupOf(r, i)), scale(v), scale(lo), scale(hi)}
		lines = append(lines, l)
		from, to, wide = min(from, l.lo), max(to, l.hi), max(wide, len([]rune(l.name)))
	}
	if len(lines) == 0 || to <= from {
		return ""
	}
	at := func(x float64) int { return int(math.Round((x - from) / (to - from) * (plotWidth - 1))) }
	var b strings.Builder
	for _, l := range lines {
		row := []rune(strings.Repeat(" ", plotWidth))
		row[at(0)] = '┊'
		for x := at(l.lo); x <= at(l.hi); x++ {
			row[x] = '─'
		}
		row[at(l.v)] = '●'
		fmt.Fprintf(&b, "%s%s │%s│\n", strings.Repeat(" ", wide-len([]rune(l.name))), l.name, string(row))
	}
	ends := func(x float64) string {
		if ratio {
			x = math.Exp(x)
		}
		return compact(x)
	}
	left, right := ends(from), ends(to)
	fmt.Fprintf(&b, "%s  %s%s%s\n", strings.Repeat(" ", wide), left, strings.Repeat(" ", max(1, plotWidth-len(left)-len(right)+1)), right)
	return b.String() + "\n"
}

// groupOf joins the labels of a row, without the note.
func groupOf(r *sdk.Result, row int) string {
	var parts []string
	for j, c := range r.Columns {
		if c.Role == "group" && j != remarksColumn(r) {
			parts = append(parts, r.Rows[row][j].String())
		}
	}
	return strings.Join(parts, ", ")
}

func compact(x float64) string { return fmt.Sprintf("%.4g", x) }
