package catalog

import (
	"regexp"
	"strings"
)

// name is what tables, columns and bands may be called: what SQL folds an unquoted name to.
var (
	name = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	id   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
)

// ValidID reports whether s can be the id of a dataset, population or class.
func ValidID(s string) bool { return id.MatchString(s) }

// reserved are the words PostgreSQL's grammar does not take as an unquoted column or table name
// (RESERVED and TYPE_FUNC_NAME of kwlist.h, version 17).
var reserved = set(`all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate
collation column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from full
grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning right
select session_user similar some symmetric system_user table tablesample then to trailing true union unique user using
variadic verbose when where window with`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// Nearest returns the candidate most like s, or "" when none is close: at most a third of its letters differ.
func Nearest(s string, candidates []string) string {
	if len(s) > 64 {
		return ""
	}
	best, at := "", 1+max(1, len(s)/3)
	for _, c := range candidates {
		if len(c) > 64 || len(c)-len(s) >= at || len(s)-len(c) >= at {
			continue
		}
		if d := distance(strings.ToLower(s), strings.ToLower(c)); d < at {
			best, at = c, d
		}
	}
	return best
}

// distance is the optimal string alignment distance: edits and swaps of neighbours count one.
func distance(a, b string) int {
	two, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], two[j-2]+1)
			}
		}
		two, prev, cur = prev, cur, two
	}
	return prev[len(b)]
}
