package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jali/sdk"
)

func cellsOf(t *testing.T, text string) [][]sdk.Value {
	t.Helper()
	var v [][]sdk.Value
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func someAnswer(t *testing.T) *sdk.Result {
	return &sdk.Result{
		Columns: []sdk.Column{
			{Name: "sex", Recorded: "sex", Role: "group"}, {Name: "n", Recorded: "rows", Role: "measure", Kind: "count"}, {Name: "avg_cost", Recorded: "mean of sum(c.cost-5)", Role: "measure", Unit: "EUR"},
		},
		Rows:         cellsOf(t, `[["F",1234,71.23456],["M",-3,0.5],[null,null,null],["\u001b[31mX",5,-1e3]]`),
		Error95:      cellsOf(t, `[[50,0.4321],[50,12.1],[null,null],[50,0.29]]`),
		HiddenGroups: 1, PricePU: 77, Budget: sdk.Balance{AgreementRemainingPU: 900},
		Receipt: sdk.Receipt{Intent: 12, Release: 13, Origin: "log.test", Size: 14, KeyIDs: []string{"5f0d8938"}, SignedBy: []string{"Ed25519"}, Raw: []byte(`{"format":"jali-receipt/1"}`)},
	}
}

func TestTableForPeople(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out}
	if err := a.showAnswer(formatTable, someAnswer(t)); err != nil {
		t.Fatal(err)
	}
	want := `sex                 n  avg_cost [EUR]
F           1234 ± 50   71.23 ± 0.44
M             0* ± 50         0 ± 13
(missing)      hidden         hidden
\u001b[31mX    5 ± 50     -1e3 ± 0.29

values   value ± half-width; the true figure lies within with at least 95 % probability
         * the recorded figure is below 0, which is noise; --format csv or json prints it, and sums should use it
hidden   1 group has too few persons to show: every figure of theirs is withheld
price    77 PU
left     900 PU in the agreement
receipt  verified: charge is entry 12, release entry 13 of log log.test (key 5f0d8938, Ed25519, 14 entries)
         unsealed: no witness has cosigned yet; the operator alone vouches for the log's history
`
	want = strings.Replace(want, "-1e3 ± 0.29", "-1000.00 ± 0.29", 1)
	got := out.String()
	if diff := cmp.Diff(squeeze(want), squeeze(got)); diff != "" {
		t.Errorf("table (-want +got):\n%s\n%s", diff, got)
	}
	lines := strings.Split(got, "\n")
	for _, l := range lines[1:5] {
		if len([]rune(l)) != len([]rune(lines[0])) {
			t.Errorf("columns are not aligned:\n%s", got)
			break
		}
	}
	if strings.ContainsRune(got, '\x1b') {
		t.Error("a label reached the terminal as a control sequence")
	}
}

// squeeze leaves alignment to another check.
func squeeze(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}

func TestCSVForPrograms(t *testing.T) {
	var out, notes bytes.Buffer
	a := &app{stdout: &out, stderr: &notes}
	if err := a.showAnswer(formatCSV, someAnswer(t)); err != nil {
		t.Fatal(err)
	}
	want := "sex,n,n_error95,avg_cost,avg_cost_error95\nF,1234,50,71.23456,0.4321\nM,-3,50,0.5,12.1\n,,,,\n\x1b[31mX,5,50,-1e3,0.29\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("csv (-want +got):\n%s", diff)
	}
	if !strings.Contains(notes.String(), "77 PU") {
		t.Errorf("standard error lacks the price: %q", notes.String())
	}
}

func TestJSONForPrograms(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out}
	if err := a.showAnswer(formatJSON, someAnswer(t)); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"columns", "rows", "error95", "hidden_groups", "price_pu", "budget", "replayed", "receipt"} {
		if _, ok := got[key]; !ok {
			t.Errorf("%s is missing", key)
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("keys nobody documented: %v", got)
	}
}

func TestFigure(t *testing.T) {
	for _, c := range []struct {
		value, half string
		count       bool
		want        string
	}{
		{"1234", "50", true, "1234 ± 50"},
		{"1234", "49.98", true, "1234 ± 50"},
		{"-1", "50", true, "0* ± 50"},
		{"-1", "50", false, "-1 ± 50"},
		{"12.3456", "0.01234", false, "12.346 ± 0.013"},
		{"12.3456", "0.29", false, "12.35 ± 0.29"},
		{"12.3456", "1234.5", false, "12 ± 1235"},
		{"12.3456", "0", false, "12 ± 0"},
		{"123456.78", "5000", false, "123457 ± 5000"},
		{"7", "null", false, "7"},
		{"null", "null", true, "hidden"},
	} {
		v := cellsOf(t, fmt.Sprintf("[[%s,%s]]", c.value, c.half))[0]
		if got, _ := figure(v[0], v[1], c.count); got != c.want {
			t.Errorf("figure(%s, %s) = %q, want %q", c.value, c.half, got, c.want)
		}
	}
}

// The half-width on screen is never smaller than the recorded one.
func FuzzFigureNeverUnderstates(f *testing.F) {
	f.Add(0.29)
	f.Add(49.98)
	f.Add(1e-7)
	f.Fuzz(func(t *testing.T, h float64) {
		b, err := json.Marshal(h)
		if err != nil || h < 0 || h > 1e15 {
			t.Skip()
		}
		v := cellsOf(t, "[[1.5,"+string(b)+"]]")[0]
		text, _ := figure(v[0], v[1], false)
		_, shown, _ := strings.Cut(text, " ± ")
		var got float64
		if _, err := fmt.Sscanf(shown, "%g", &got); err != nil || got < h {
			t.Errorf("half-width %v is shown as %q", h, shown)
		}
	})
}

func TestParseAccuracy(t *testing.T) {
	for _, c := range []struct {
		in    string
		plain string
		named map[string]string
		bad   bool
	}{
		{in: "50", plain: "50"},
		{in: " 0.5 , n = 10,total=1e3", plain: "0.5", named: map[string]string{"n": "10", "total": "1e3"}},
		{in: "n=10,50", plain: "50", named: map[string]string{"n": "10"}},
		{in: "", bad: true},
		{in: ",", bad: true},
		{in: "n=", bad: true},
		{in: "=5", bad: true},
		{in: "5,6", bad: true},
		{in: "n=5", bad: true},
		{in: "5,n=1,n=2", bad: true},
		{in: "5,", bad: true},
	} {
		plain, named, err := parseAccuracy(c.in)
		if (err != nil) != c.bad {
			t.Errorf("parseAccuracy(%q): %v", c.in, err)
		}
		if err != nil {
			if statusOf(err) != statusUsage {
				t.Errorf("parseAccuracy(%q): exit status %d", c.in, statusOf(err))
			}
			continue
		}
		if plain != c.plain || !cmp.Equal(named, c.named) {
			t.Errorf("parseAccuracy(%q) = %q, %v", c.in, plain, named)
		}
	}
}

func TestStatusOf(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("ask: %w", err) }
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("disk full"), 1},
		{usagef("", "bad flag"), 2},
		{wrap(&sdk.QueryError{}), 2},
		{wrap(sdk.ErrConfig), 2},
		{wrap(sdk.ErrStale), 2},
		{wrap(&sdk.PolicyDenied{}), 3},
		{wrap(sdk.ErrUnauthenticated), 3},
		{wrap(&sdk.BudgetExhausted{}), 4},
		{wrap(sdk.ErrUnavailable), 5},
		{wrap(sdk.ErrNoAnswer), 5},
		{wrap(sdk.ErrReceipt), 6},
		{&sdk.ReceiptError{Reason: sdk.ErrUnavailable}, 6},
		{errors.Join(&sdk.ReceiptError{Reason: errors.New("x")}, errors.New("disk full")), 6},
	} {
		if got := statusOf(c.err); got != c.want {
			t.Errorf("statusOf(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestReportShowsPlaceReasonsAndHint(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out, sql: "SELECT sex\nFORM t"}
	a.report(&sdk.QueryError{Message: "unexpected \x1b[2J", Hint: "write FROM", Line: 2, Column: 1})
	want := "error: line 2, column 1: unexpected \\u001b[2J\n     2 | FORM t\n       | ^\nhint: write FROM\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("query error (-want +got):\n%s", diff)
	}
	out.Reset()
	a.report(&sdk.PolicyDenied{Message: "two things", Hint: "first hint", Reasons: []sdk.Reason{{Code: "purpose", Text: "not allowed", Hint: "first hint"}, {Code: "hours", Text: "too late", Hint: "come at 8"}}})
	want = "error: denied by policy: two things\n  purpose: not allowed\n    hint: first hint\n  hours: too late\n    hint: come at 8\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("denial (-want +got):\n%s", diff)
	}
	out.Reset()
	a.report(&sdk.BudgetExhausted{Message: "too dear", Hint: "ask less", Reasons: []sdk.Reason{{Code: "BUDGET_AGREEMENT", Text: "too dear", Hint: "ask less"}}})
	want = "error: budget exhausted: too dear (BUDGET_AGREEMENT)\nhint: ask less\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("single reason (-want +got):\n%s", diff)
	}
}

func TestShowQuote(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out}
	now := time.Date(2027, 1, 15, 7, 45, 0, 0, time.UTC)
	q := &sdk.Quote{
		Allowed: true, PricePU: 77, ID: "q-1", ExpiresAt: now.Add(15 * time.Minute), Population: "sufficient",
		Error95: []sdk.OutputError{{Name: "n", Value: 50}, {Name: "m", Sizes: []sdk.SizeError{{N: 100, Value: 2.512}}}},
		Plan:    sdk.Plan{Dataset: "cms10k", Version: "abcdefghijklmnop", Formulation: "F0: proved", Mechanism: "gauss", Columns: []string{"t.sex"}, Cells: 3, HideBelow: 10},
		Budget:  sdk.Balance{AgreementRemainingPU: 900}, Warnings: []string{"small groups are hidden"},
	}
	if err := a.showQuote(q, now); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"price          77 PU", "n: ± 50", "± 2.51 at n = 100", "2027-01-15T08:00:00Z (in 15m0s)", "q-1", "small groups are hidden", "3 cells"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("quote lacks %q:\n%s", want, out.String())
		}
	}
}

// Mode sdc withholds for several reasons and never says which: the line must not claim one.
func TestHiddenInModeSDC(t *testing.T) {
	for _, tt := range []struct{ protection, says, not string }{
		{"", "1 group has too few persons to show", "too close"},
		{"disclosure-controlled, no formal guarantee", "1 group is withheld: too few persons, one that dominates, or too close", "has too few"},
	} {
		var out bytes.Buffer
		r := someAnswer(t)
		r.Protection = tt.protection
		if err := (&app{stdout: &out}).showAnswer(formatTable, r); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, tt.says) || strings.Contains(got, tt.not) {
			t.Errorf("protection %q:\n%s", tt.protection, got)
		}
	}
}
