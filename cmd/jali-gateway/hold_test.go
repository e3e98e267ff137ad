package main

import (
	"strconv"
	"strings"
	"testing"

	"jali/sdk"
	"jali/sdk/sdktest"
)

// Three processes: the regulator holds the details of a question over the network, and then nobody sees them, the regulator
// included; what is said instead names the hold. The custodian ends it through the socket.
func TestHoldAcrossProcesses(t *testing.T) {
	g := sdktest.Start(t, nhefs(t, nil))
	answer, err := g.Researcher().Query(t.Context(), sdk.Query{SQL: "SELECT COUNT(*) AS held FROM nhefs", Error: "20"})
	if err != nil {
		t.Fatal(err)
	}
	seq := strconv.FormatUint(answer.Receipt.Intent, 10)
	regulator := g.Regulator().Profile()
	show := func(want bool, says string) {
		t.Helper()
		code, out := auditor(t, "show", seq, "--profile", regulator)
		if code != 0 || strings.Contains(out, "AS held") != want || !strings.Contains(out, says) {
			t.Errorf("show: %d, the question is shown: %v, want %v and %q\n%s", code, !want, want, says, out)
		}
	}
	show(true, "SELECT")
	if code, out := auditor(t, "hold", "--profile", g.Researcher().Profile(), "--entries", seq, "--until", "2099-12-31", "--order", "x", "--judge", "me"); code != 3 {
		t.Errorf("a hold by the researcher: %d\n%s", code, out)
	}
	code, out := auditor(t, "hold", "--profile", regulator, "--entries", seq, "--until", "2099-12-31", "--order", "7 Js 12/27", "--judge", "District Court")
	if code != 0 {
		t.Fatal(out)
	}
	_, hold, _ := strings.Cut(strings.TrimRight(out, ")\n"), "(entry ")
	show(false, "(held until 2100-01-01T00:00:00Z, by entry "+hold+")")
	if code, out := auditor(t, "verify", "--profile", regulator, "--details"); code != 0 || !strings.Contains(out, "held until 2100-01-01T00:00:00Z, by entry "+hold) {
		t.Errorf("verify: %d\n%s", code, out)
	}
	g.Run("unhold", "--dir", g.Dir, "--hold", hold, "--order", "lifted", "--judge", "District Court")
	show(true, "SELECT")
	if code, out := auditor(t, "list", "--profile", regulator, "--kind", "HOLD,UNHOLD"); code != 0 || strings.Count(out, "HOLD") != 2 {
		t.Errorf("list: %d\n%s", code, out)
	}
}
