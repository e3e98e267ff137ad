#!/usr/bin/env bash
# Runs every fuzz target of the repository for the given time (30s) or number of executions (5000x) each, and reports the executions of each
# and of all. ONLY=regexp picks targets by "package Name". Each target has a corpus in the repository (testdata/fuzz/Name, a handful of small files).
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?usage: tools/fuzz.sh TIME}

targets=$(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/:func /:/')
passed=0 failed=0 total=0
while IFS=: read -r file name; do
	[[ "$(dirname "$file") $name" =~ ${ONLY:-.} ]] || continue
	seeds=$(dirname "$file")/testdata/fuzz/$name
	[ -n "$(git ls-files -- "$seeds")" ] || echo "fuzz: $name has no corpus: put what it found, or a few inputs, into $seeds" >&2
	[ -z "$(find "$seeds" -size +64k 2>/dev/null)" ] || echo "fuzz: $seeds has files of more than 64 KiB" >&2
	# Minimising what is merely interesting would eat a short run; a failing input is still minimised by hand from its file.
	if text=$(go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1x ${PARALLEL:+-parallel "$PARALLEL"} "./$(dirname "$file")" 2>&1); then
		passed=$((passed + 1))
		execs=$(grep -oE 'execs: [0-9]+' <<<"$text" | tail -n 1 | grep -oE '[0-9]+' || echo 0)
		total=$((total + execs))
		printf '%-28s %-24s %12d\n' "$name" "$(dirname "$file")" "$execs"
	else
		failed=$((failed + 1))
		printf '%s\n' "$text" | tail -n 40
	fi
done <<<"$targets"
echo "fuzz: $passed targets passed, $failed failed, $time each, $total executions"
[ "$failed" = 0 ]
