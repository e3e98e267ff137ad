package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jali/sdk"
	"jali/sdk/analysis"
)

// A remark that many rows share is told once beneath the table; a table without remarks has no column for them; csv has each in its row.
func TestRemarksOnce(t *testing.T) {
	curve := func(rows string) *sdk.Result {
		return &sdk.Result{
			Columns: []sdk.Column{
				{Name: "arm", Role: "group", Kind: "text"},
				{Name: "time", Role: "measure", Kind: "derived"},
				{Name: "survival", Role: "measure", Kind: "derived"},
				{Name: "note", Role: "group", Kind: "text"},
			},
			Rows: cellsOf(t, rows), Error95: cellsOf(t, `[[null,null],[null,null],[null,null]]`), PricePU: 7,
			Analysis: &analysis.Spec{Statistic: analysis.KaplanMeier},
		}
	}
	for _, tt := range []struct{ name, rows, table, notes string }{
		{
			"two remarks on three rows", `[["a",1,0.9,"too noisy to read"],["a",2,0.8,"too noisy to read"],["b",1,0.7,"the last bin is empty"]]`,
			"arm time survival note\na 1 0.9 1)\na 2 0.8 1)\nb 1 0.7 2)\n", "note 1) too noisy to read\nnote 2) the last bin is empty\n",
		},
		{"rows without one", `[["a",1,0.9,""],["a",2,0.8,"too noisy to read"],["b",1,0.7,null]]`, "arm time survival note\na 1 0.9\na 2 0.8 1)\nb 1 0.7\n", "note 1) too noisy to read\n"},
		{"none at all", `[["a",1,0.9,""],["a",2,0.8,""],["b",1,0.7,""]]`, "arm time survival\na 1 0.9\na 2 0.8\nb 1 0.7\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := (&app{stdout: &out}).showAnswer(formatTable, curve(tt.rows)); err != nil {
				t.Fatal(err)
			}
			table, foot, _ := strings.Cut(squeeze(out.String()), "\n\n")
			if diff := cmp.Diff(tt.table, table+"\n"); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
			notes := ""
			for line := range strings.Lines(foot) {
				if strings.HasPrefix(line, "note ") {
					notes += line
				}
			}
			if diff := cmp.Diff(tt.notes, notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
	var out, foot bytes.Buffer
	if err := (&app{stdout: &out, stderr: &foot}).showAnswer(formatCSV, curve(`[["a",1,0.9,"too noisy to read"],["a",2,0.8,"too noisy to read"],["b",1,0.7,""]]`)); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "too noisy to read"); n != 2 || strings.Contains(foot.String(), "too noisy") {
		t.Errorf("csv has the remark in %d rows of 2, standard error says %q", n, foot.String())
	}
}
