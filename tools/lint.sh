#!/usr/bin/env bash
# gofumpt, vet and staticcheck over everything that is not generated. Pinned in tools/gofumpt and tools/staticcheck.
set -euo pipefail
cd "$(dirname "$0")/.."

tool() {
	local name=$1 package=$2
	if [ ! -x "build/tools/bin/$name" ] || [ "tools/$name/go.sum" -nt "build/tools/bin/$name" ]; then
		mkdir -p build/tools/bin
		(cd "tools/$name" && go build -o "../../build/tools/bin/$name" "$package")
	fi
}
tool gofumpt mvdan.cc/gofumpt
tool staticcheck honnef.co/go/tools/cmd/staticcheck

files=$(git ls-files --cached --others --exclude-standard '*.go' | grep -v '\.pb\.go$')
bad=$(xargs build/tools/bin/gofumpt -l <<<"$files")
if [ -n "$bad" ]; then
	echo "not gofumpt-clean:" >&2
	echo "$bad" >&2
	echo "hint: build/tools/bin/gofumpt -w FILE" >&2
	exit 1
fi
go vet ./...
build/tools/bin/staticcheck ./...
echo "lint: gofumpt, vet and staticcheck found nothing"
