#!/usr/bin/env bash
# Runs every fuzz target of the repository for the given time each.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?usage: tools/fuzz.sh TIME}

targets=$(git grep -hoE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | wc -l)
echo "fuzz: $targets targets, $time each"
git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/:func /:/' | while IFS=: read -r file name; do
	go test -tags duckdb_arrow -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./$(dirname "$file")" | grep -vE '^(PASS|fuzz: elapsed: 0s)' | tail -n 3
done
