#!/bin/sh
# Regenerates third_party/proto, the Go code under proto/ and the stubs of sdk/python with pinned tools.
#
#   tools/generate.sh          regenerate in place
#   tools/generate.sh check    lint, regenerate in a scratch copy, and fail if the committed files differ
#
# The tools are built once into build/tools and build/python, keyed by the files that pin them; a second run needs no network. Where there is no
# Python 3.11 the stubs stay as they are, which is said: make python-stubs makes them elsewhere, and a test of sdk/python compares them.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cache=$root/build/tools
mode=${1:-write}
case $mode in
write | check) ;;
*)
	echo "usage: tools/generate.sh [check]" >&2
	exit 2
	;;
esac

# stale NAME FILE...: true when the tool NAME was not built from these very files. The stamp is written after the build, so an interrupted build is redone.
stale() {
	name=$1
	shift
	cat "$@" | cksum >"$cache/$name.want"
	! cmp -s "$cache/$name.want" "$cache/$name.stamp"
}

mkdir -p "$cache/bin"

build() {
	name=$1 package=$2
	dir=$root/tools/$name
	if stale "$name" "$dir"/go.mod "$dir"/go.sum $(find "$dir" -name '*.go'); then
		(cd "$dir" && go build -o "$cache/bin/$name" "$package")
		mv "$cache/$name.want" "$cache/$name.stamp"
	fi
}

build protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go
build protoc-gen-go-grpc google.golang.org/grpc/cmd/protoc-gen-go-grpc
build thirdparty .

if stale buf "$root/tools/buf/package.json" "$root/tools/buf/package-lock.json"; then
	mkdir -p "$cache/buf"
	cp "$root/tools/buf/package.json" "$root/tools/buf/package-lock.json" "$cache/buf/"
	# Not "npm ci": the lock holds the digests of the Linux binaries only, and ci would refuse it everywhere for the ones it lacks.
	(cd "$cache/buf" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error)
	mv "$cache/buf.want" "$cache/buf.stamp"
fi
PATH=$cache/bin:$cache/buf/node_modules/.bin:$PATH
export PATH

# Everything is generated in a scratch copy first: a mistake in a proto file must not cost the generated files that still compile.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$root/buf.yaml" "$root/buf.gen.yaml" "$scratch/"
cp -R "$root/proto" "$scratch/proto"
(
	cd "$scratch"
	find proto -name '*.pb.go' -exec rm {} +
	thirdparty third_party/proto
	buf generate
)

stubs=sdk/python/src/jali/v1
python=$("$root/tools/python.sh" "$root/sdk/python/requirements-floor.lock") || python=
if [ -n "$python" ]; then
	"$python" "$root/sdk/python/tools/generate.py" "$scratch/proto" "$scratch/third_party/proto" "$scratch/sdk/python/src"
fi

if [ "$mode" = check ]; then
	(cd "$scratch" && buf lint && buf format --diff --exit-code proto)
	if ! diff -r "$root/proto" "$scratch/proto" || ! diff -r "$root/third_party/proto" "$scratch/third_party/proto"; then
		echo "generated files are out of date: run make proto and commit proto/, third_party/proto and $stubs" >&2
		exit 1
	fi
	if [ -z "$python" ]; then
		echo "note: $stubs was not compared: no Python (above); where there is one, make python-stubs and commit the result if it differs" >&2
	elif ! diff -r -x __pycache__ "$root/$stubs" "$scratch/$stubs"; then
		echo "the Python stubs are out of date: run make python-stubs and commit $stubs" >&2
		exit 1
	fi
	exit
fi

find "$root/proto" -name '*.pb.go' -exec rm {} +
rm -rf "$root/third_party/proto"
mkdir -p "$root/third_party"
cp -R "$scratch/third_party/proto" "$root/third_party/proto"
(cd "$scratch" && find proto -name '*.pb.go') | while read -r file; do
	cp "$scratch/$file" "$root/$file"
done
if [ -z "$python" ]; then
	echo "note: $stubs was left as it is: no Python (above); where there is one, run make python-stubs" >&2
else
	rm -f "$root/$stubs"/*.py "$root/$stubs"/*.pyi
	cp "$scratch/$stubs"/*.py "$scratch/$stubs"/*.pyi "$root/$stubs/"
fi
