package main

import (
	"os"
	"strings"
	"testing"

	"jali/sdk/sdktest"
)

// nhefs is a gateway with the small public data set of the examples. change, if not nil, edits the agreement.
func nhefs(t *testing.T, change *strings.Replacer) sdktest.Config {
	t.Helper()
	const dir = "../../examples/nhefs"
	text, err := os.ReadFile(dir + "/agreement.yaml")
	if err != nil {
		t.Fatal(err)
	}
	agreement := string(text)
	if change != nil {
		agreement = change.Replace(agreement)
	}
	return sdktest.Config{
		Datasets:   []sdktest.Dataset{{Catalog: dir + "/nhefs.yaml", Files: []string{dir + "/nhefs.csv.gz"}}},
		Agreements: []string{agreement},
	}
}
