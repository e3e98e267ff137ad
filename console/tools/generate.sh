#!/bin/sh
# Regenerates console/src/gen from proto/ and console/proto; with "check", fails if the committed files differ. buf is the one that
# tools/generate.sh installs.
set -eu
cd "$(dirname "$0")/.."
PATH=$(cd .. && pwd)/build/tools/buf/node_modules/.bin:$PATH
if [ "${1:-}" = check ]; then
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	sed "s|out: src/gen|out: $scratch/gen|" buf.gen.yaml >"$scratch/buf.gen.yaml"
	buf generate --template "$scratch/buf.gen.yaml"
	if ! diff -r src/gen "$scratch/gen"; then
		echo "console/src/gen is out of date: run console/tools/generate.sh and commit the result" >&2
		exit 1
	fi
	exit
fi
rm -rf src/gen
buf generate --template buf.gen.yaml
