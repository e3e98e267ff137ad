package gateway_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jali/audit"
	"jali/audit/export"
	"jali/gateway"
)

// While a hold stands nobody is shown the details it covers, in pages, charges or exports, and nothing of it is erased; who
// ordered it is shown, and answers are served. It ends by itself, by an UNHOLD, and survives a restart until then.
func TestHold(t *testing.T) {
	s := newOffice(t, terms(), 50_000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	reopen := func() {
		t.Helper()
		cfg := s.config()
		cfg.Now = func() time.Time { return now }
		g, err := gateway.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.Gateway = g
	}
	reopen()
	const text = "SELECT COUNT(*) AS held FROM nhefs WHERE age > 51"
	first, err := s.Answer(t.Context(), alice, question(text, "30"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(t.Context(), alice, question("SELECT COUNT(*) AS free FROM nhefs WHERE age > 52", "30")); err != nil {
		t.Fatal(err)
	}
	// seen tells what is shown of the two questions: to whom there is, in every way there is.
	seen := func() (held, free int) {
		t.Helper()
		var all strings.Builder
		page, _, err := s.Entries(t.Context(), clerk, first.Decision-1, 0, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page {
			for _, d := range p.Details {
				_, _, value, err := audit.OpenDetail(d)
				if err != nil {
					t.Fatal(err)
				}
				all.WriteString(value)
			}
		}
		r, err := s.Budget(t.Context(), alice, question("", "").Agreement)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Charges {
			all.WriteString(c.Query)
		}
		dir := filepath.Join(t.TempDir(), "export")
		if _, err := s.Export(t.Context(), dir, export.Regulator); err != nil {
			t.Fatal(err)
		}
		rep, err := export.Verify(dir, nil)
		if err != nil || rep.Details == 0 {
			t.Fatal(rep.Details, err)
		}
		opened := disclosed(t, dir)
		return strings.Count(all.String()+opened, "AS held"), strings.Count(all.String()+opened, "AS free")
	}
	beforeHeld, beforeFree := seen()
	if beforeHeld < 3 || beforeFree < 3 {
		t.Fatalf("shown before the hold: %d and %d times", beforeHeld, beforeFree)
	}
	order := gateway.HoldOrder{A: first.Decision, B: first.Decision + 1, Until: now.Add(time.Hour), Order: "7 Js 12/27", Judge: "District Court"}
	for name, o := range map[string]gateway.HoldOrder{
		"of what is not there": {A: 1, B: 1 << 40, Until: order.Until, Order: "x", Judge: "y"},
		"over already":         {A: 1, B: 1, Until: now, Order: "x", Judge: "y"},
		"by nobody":            {A: 1, B: 1, Until: order.Until, Order: "x"},
		"backwards":            {A: 2, B: 1, Until: order.Until, Order: "x", Judge: "y"},
	} {
		if _, err := s.Hold(t.Context(), clerk, o); refusal(t, err).Code != gateway.Invalid {
			t.Errorf("a hold %s: %v", name, err)
		}
	}
	if _, err := s.Hold(t.Context(), alice, order); refusal(t, err).Code != gateway.PolicyDenied {
		t.Errorf("a hold by a researcher: %v", err)
	}
	hold, err := s.Hold(t.Context(), clerk, order)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(t.Context(), clerk, order); refusal(t, err).Code != gateway.Invalid {
		t.Errorf("the same hold twice: %v", err)
	}
	if held, free := seen(); held != 0 || free != beforeFree {
		t.Errorf("during the hold: shown %d and %d times, want 0 and %d", held, free, beforeFree)
	}
	page, _, err := s.Entries(t.Context(), clerk, hold, 1, true)
	if err != nil || len(page) != 1 || len(page[0].Details) != 3 {
		t.Errorf("the order of the hold: %v, %v", page, err)
	}
	if a, err := s.Answer(t.Context(), alice, question(text, "30")); err != nil || !a.Replayed {
		t.Errorf("the stored answer during the hold: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reopen()
	if held, _ := seen(); held != 0 {
		t.Errorf("after a restart: shown %d times", held)
	}
	r, err := s.Unhold(t.Context(), clerk, hold, "7 Js 12/27 lifted", "District Court")
	if err != nil || r <= hold {
		t.Fatal(r, err)
	}
	if held, _ := seen(); held < beforeHeld {
		t.Errorf("after the hold was ended: shown %d times, want at least %d", held, beforeHeld)
	}
	if _, err := s.Unhold(t.Context(), clerk, hold, "again", "District Court"); refusal(t, err).Code != gateway.NotFound {
		t.Errorf("ended twice: %v", err)
	}
	if _, err := s.Hold(t.Context(), clerk, order); err != nil { // once more, and this time it runs out
		t.Fatal(err)
	}
	if held, _ := seen(); held != 0 {
		t.Errorf("under the second hold: shown %d times", held)
	}
	now = now.Add(time.Hour)
	if held, _ := seen(); held < beforeHeld {
		t.Errorf("after its time: shown %d times, want at least %d", held, beforeHeld)
	}
}

// disclosed is the text of all details in an export.
func disclosed(t *testing.T, dir string) string {
	t.Helper()
	r, err := filepath.Glob(filepath.Join(dir, "disclosures.*"))
	if err != nil || len(r) != 1 {
		t.Fatal(r, err)
	}
	var all strings.Builder
	for _, d := range disclosures(t, r[0]) {
		_, _, value, err := audit.OpenDetail(d)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(value)
	}
	return all.String()
}

func disclosures(t *testing.T, file string) (out []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var d audit.Disclosures
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		out = append(out, d.D...)
	}
	return out
}
