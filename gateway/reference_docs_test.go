package gateway_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"jali/gateway"
	"jali/gateway/protect"
)

const (
	tablePage  = "../docs/statistics.md"
	tableBegin = "<!-- 86 questions: begin. Written by JALI_WRITE_DOCS=1 go test ./gateway -run ReferenceTable -->\n"
	tableEnd   = "<!-- 86 questions: end -->\n"
)

// TestReferenceTable checks that the docs have a line for each reference question, and with JALI_WRITE_DOCS=1 asks them all once and
// writes the lines.
func TestReferenceTable(t *testing.T) {
	page, err := os.ReadFile(tablePage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), tableBegin)
	recorded, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", tablePage)
	}
	items := referenceItems(t)
	if os.Getenv("JALI_WRITE_DOCS") == "" {
		for _, it := range items {
			if !strings.Contains(recorded, "| "+it.ID+" |") {
				t.Errorf("%s has no line for %s", tablePage, it.ID)
			}
		}
		return
	}
	s := newReference(t, 1)
	var b strings.Builder
	b.WriteString("| id | question | R | ours, exact interval | price, PU | |\n|---|---|---|---|---|---|\n")
	held, told := 0, 0
	for _, it := range items {
		l := s.line(t, it)
		held, told = held+l.held, told+l.told
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", it.ID, strings.ReplaceAll(it.Question, "|", "\\|"), l.r, l.ours, l.price, l.note)
	}
	fmt.Fprintf(&b, "\nIn this run %d of the %d figures told have R's value in their interval: %.1f %%.\n", held, told, 100*float64(held)/float64(told))
	if err := os.WriteFile(tablePage, []byte(before+tableBegin+b.String()+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// line is one question in the docs.
type line struct {
	r, ours, price, note string
	held, told           int
}

func (s *reference) line(t *testing.T, it item) line {
	t.Helper()
	q, function := analyses[it.ID]
	sql := it.SQL
	if instead[it.ID] != "" {
		sql = instead[it.ID]
	}
	if function {
		sql = q.sql
	}
	a, err := s.g.Answer(t.Context(), s.who, s.request(0, it, sql))
	var refusal *gateway.Refusal
	if errors.As(err, &refusal) {
		return line{r: it.answer(), ours: "refused", price: "0", note: refusal.Message}
	}
	if err != nil {
		t.Fatalf("%s: %v", it.ID, err)
	}
	var figures []figure
	switch {
	case function:
		figures = it.figures(t, q, *a.Derived)
	case it.Kind == "rate":
		figures = it.rates(t, a)
	default:
		figures = it.plain(t, a)
	}
	l := line{price: strconv.FormatInt(int64(a.Price.Rho.PU()), 10)}
	if a.Replayed {
		l.price, l.note = "0", "the histogram of an earlier line"
	}
	var r, ours []string
	hidden := ""
	for i, f := range figures {
		if !math.IsNaN(f.value) {
			l.told++
			if f.exactLo <= f.r && f.r <= f.exactHi {
				l.held++
			}
		} else if f.note != "" {
			hidden = f.note
		}
		if i >= shownFigures {
			continue
		}
		r = append(r, f.reference())
		ours = append(ours, f.told())
	}
	if more := len(figures) - shownFigures; more > 0 {
		ours = append(ours, fmt.Sprintf("and %d more", more))
	}
	l.r, l.ours = strings.Join(r, "<br>"), strings.Join(ours, "<br>")
	if hidden != "" {
		l.note = strings.Trim(l.note+"; "+hidden, "; ")
	}
	if it.SQL != "" && (function || instead[it.ID] != "") && !strings.HasPrefix(it.ID, "o-cms180k") {
		l.note = strings.Trim(l.note+"; "+"asked in other words: the SQL of the question is refused with a hint", "; ")
	}
	if l.told > 0 {
		l.note = strings.Trim(l.note+"; "+fmt.Sprintf("%d of %d hold R's", l.held, l.told), "; ")
	}
	return l
}

// shownFigures of a question are in the docs.
const shownFigures = 3

// answer is R's value where there is nothing of ours beside it.
func (it item) answer() string {
	if len(it.columns) > 2 {
		return fmt.Sprintf("%d terms", len(it.rows))
	}
	return short(it.number(0, 0))
}

func (f figure) reference() string {
	text := short(f.r)
	if f.name != "" {
		text = f.name + ": " + text
	}
	if f.rLo < f.rHi {
		text += " (" + short(f.rLo) + " to " + short(f.rHi) + ")"
	}
	return strings.ReplaceAll(text, "|", "\\|")
}

func (f figure) told() string {
	if math.IsNaN(f.value) {
		return "hidden"
	}
	text := short(f.value)
	if f.rLo < f.rHi {
		text += " (" + short(f.lo) + " to " + short(f.hi) + ")"
	}
	return text + ", " + short(f.exactLo) + " to " + short(f.exactHi)
}

func short(x float64) string {
	switch {
	case math.IsInf(x, 0) || math.IsNaN(x):
		return "open"
	case math.Abs(x) >= 1000:
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

// plain pairs the numbers of the reference with those of an answer to SQL.
func (it item) plain(t *testing.T, a gateway.Answer) []figure {
	t.Helper()
	var out []figure
	for m, name := range it.measures(a) {
		at := a.View.Columns[it.column(a, m)].Index
		col := a.Released.Columns[at]
		half := it.half(a, at)
		for _, row := range a.Released.Rows {
			r, listed := it.truth(a, row, m)
			if !listed {
				continue
			}
			f := figure{name: name, r: r, rLo: math.NaN(), rHi: math.NaN(), value: math.NaN(), note: "hidden: below the size that is shown"}
			var groups []string
			for i, c := range a.Released.Columns {
				if c.Role == protect.RoleGroup {
					groups = append(groups, row.Values[i].Label.String())
				}
			}
			if len(groups) > 0 {
				f.name = strings.Join(slices.DeleteFunc(append(groups, name), func(s string) bool { return s == "" || s == "n" || s == "m" }), ", ")
			}
			cell := row.Values[at]
			if !cell.Absent {
				f.value = cell.Float
				if col.Kind == protect.OutCount || col.Kind == protect.OutSum {
					f.value = scaled(cell.Fixed, cell.Dec)
				} else {
					half = row.Error95[at].Float
				}
				f.exactLo, f.exactHi, f.note = f.value-half, f.value+half, ""
			}
			out = append(out, f)
		}
	}
	return out
}
