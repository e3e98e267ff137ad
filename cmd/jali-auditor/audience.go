package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"jali/audit/export"
)

// checkEntitled refuses an audience that gets more than this source shows: an export labelled for it would pass what was never shown for
// withheld or erased. have is the audience for which the source shows everything; empty: it does not say, and then it is the public.
func checkEntitled(audience, have string) error {
	if have == "" {
		have = export.Public
	}
	if audience == have || audience == export.Public || have == export.Regulator {
		return nil
	}
	return usageError{hintedError{
		fmt.Errorf("%w: this source shows what an export for %s holds, not all that one for %s does", export.ErrAudience, have, audience),
		"--audience " + have + ", or read with a profile of the regulator",
	}}
}

// audienceIn is the audience of an export that lies in a directory. Of a researcher's the key is not in it: it is taken for the one asked for,
// and what belongs to another key is left out entry by entry (export.Readers).
func audienceIn(dir, asked string) string {
	found, err := filepath.Glob(filepath.Join(dir, "disclosures.*.jsonl"))
	if err != nil || len(found) != 1 {
		return export.Public
	}
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), "disclosures."), ".jsonl")
	if export.AudienceName(asked) == name {
		return asked
	}
	return name
}
