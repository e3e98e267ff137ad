# Two commands do everything on a fresh machine: `make demo` and `make test`. Both install what they need, pinned.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

export PATH := $(CURDIR)/build/go/bin:$(PATH)
export GOTOOLCHAIN ?= auto
PERSONS ?= 10000
TIME ?= 30s
ONLY ?= .
FUZZ_SMOKE ?= 2000x

.PHONY: build console review console-check demo test unit browser oidc clients oracle race fuzz-smoke attacks attacks-search mutants soak bench lint fuzz proto proto-check wasm libs python python-stubs setup clean

setup: build/setup.stamp
build/setup.stamp: tools/setup.sh go.mod
	@mkdir -p build
	@tools/setup.sh
	@touch $@

# The three programs: the gateway with its engine (cgo), and two static ones without C.
build: setup console
	CGO_ENABLED=1 go build -trimpath -o build/bin/jali-gateway ./cmd/jali-gateway
	CGO_ENABLED=0 go build -trimpath -o build/bin/jali ./cmd/jali
	CGO_ENABLED=0 go build -trimpath -o build/bin/jali-auditor ./cmd/jali-auditor

# The browser console (console/), compiled into the gateway by go:embed. npm takes nothing but what console/package-lock.json pins.
console: setup build/console.stamp
build/console.stamp: $(shell find console \( -path console/node_modules -o -path console/src/gen \) -prune -o -type f -print) $(wildcard proto/jali/v1/*.proto) audit/wasm/verify.js crypto/cohort/wasm/cohort.mjs $(shell find audit crypto -name '*.go' ! -name '*_test.go') tools/setup.sh
	@mkdir -p build
	@tools/setup.sh console
	@touch $@

# The review part of the console as static files for a witness to serve, an export beside them (docs/console.md).
review: console build/review.stamp
build/review.stamp: build/console.stamp
	@PATH=$(CURDIR)/build/node/bin:$$PATH && cd console && npm run -s build:review
	@touch $@

# The console's types, and its texts in all languages.
console-check: console
	@PATH=$(CURDIR)/build/node/bin:$$PATH && cd console && npm run -s check

demo: build
	@build/bin/jali-gateway demo --persons $(PERSONS) $(if $(SERVE),--serve)

test: build lint proto-check console-check unit oracle race fuzz-smoke
	@echo "make test: all parts passed"

# Everything, against the real programs where a program is what is tested.
unit: build review browser oidc clients
	JALI_BIN=$(CURDIR)/build/bin go test -timeout 30m ./...

# What the tests of pages start: Debian's Chromium, driven by playwright-core (tools/browser). They leave pictures in build/screenshots.
browser: setup build/browser.stamp
build/browser.stamp: tools/browser/package.json tools/browser/package-lock.json tools/setup.sh
	@mkdir -p build
	@tools/setup.sh browser
	@touch $@

# The OpenID provider that tests of tokens start on loopback.
oidc: setup build/oidc.stamp
build/oidc.stamp: tools/oidc/package.json tools/oidc/package-lock.json tools/setup.sh
	@mkdir -p build
	@tools/setup.sh oidc
	@touch $@

# The programs that people already have: psql, R, ODBC, JDBC, Python's, grpcurl (docs/clients.md).
clients: setup build/clients.stamp
build/clients.stamp: tools/clients/requirements.lock tools/grpcurl/go.mod tools/python.sh tools/setup.sh
	@mkdir -p build
	@tools/setup.sh clients
	@touch $@

# Other people's programs judge our formats: Tessera's fsck, litewitness, and note and Merkle libraries alone. A module of its own.
oracle: setup
	cd audit/oracle && go test -timeout 15m ./...

# The race detector where goroutines meet; the engine's C++ is left out.
race: build
	JALI_BIN=$(CURDIR)/build/bin go test -race -short -timeout 40m ./audit ./audit/store ./audit/witness ./crypto/noise ./crypto/cohort ./gateway/budget ./gateway/identity ./gateway/protect ./gateway/pgwire/... ./gateway ./policy

fuzz-smoke: setup
	@tools/fuzz.sh $(FUZZ_SMOKE)

# Coverage-guided fuzzing of every parser: make fuzz TIME=10m
fuzz: setup
	@tools/fuzz.sh $(TIME)

# The attack suite at full counts against the programs as they ship, as a table, build/attacks.md and build/attacks.json; `make unit` runs it fast.
# ONLY=regexp picks numbers.
attacks: build
	@JALI_BIN=$(CURDIR)/build/bin go run ./tools/attacks -long -only '$(ONLY)' -out build/attacks

# An evolutionary search for questions that tell somebody's secret: make attacks-search TIME=24h
attacks-search: build
	@JALI_BIN=$(CURDIR)/build/bin JALI_SEARCH=$(TIME) go test -count=1 -timeout 48h -v -run '^TestSearch$$' ./attacks

# The mutation gate: each patch of attacks/mutants, applied to a copy of what is committed, must be killed by a test it names.
mutants: setup
	@go run ./tools/mutants -out build/mutants.md

# Load and harm for so long: make soak TIME=60m
soak: build
	@JALI_BIN=$(CURDIR)/build/bin JALI_SOAK=$(TIME) go test -count=1 -timeout 48h -v -run '^TestSoak$$' ./attacks

# Ratios in one run, as a table and build/bench.json: make bench ONLY=regexp runs a part.
bench: build
	@go run ./tools/bench -only '$(ONLY)' -out build/bench.json

# For browsers: the verifier, as a static site for a witness to serve (both implementations and a page; works offline once loaded), and
# the client half of encrypted queries.
wasm: setup
	@mkdir -p build/wasm
	GOOS=js GOARCH=wasm CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o build/wasm/jali-verify.wasm ./audit/wasm
	@cp audit/wasm/index.html audit/wasm/page.css audit/wasm/page.js audit/wasm/verify.js "$$(go env GOROOT)/lib/wasm/wasm_exec.js" build/wasm/
	@node -e 'const z = require("zlib"), f = require("fs"), n = "build/wasm/jali-verify.wasm"; f.writeFileSync(n + ".br", z.brotliCompressSync(f.readFileSync(n), { params: { [z.constants.BROTLI_PARAM_LGWIN]: 24 } }))'
	@printf 'jali-verify.wasm: %s bytes, gzip -9 %s, brotli %s (jali-verify.wasm.br, to be served with Content-Encoding: br)\n' "$$(wc -c <build/wasm/jali-verify.wasm)" "$$(gzip -9 -c build/wasm/jali-verify.wasm | wc -c)" "$$(wc -c <build/wasm/jali-verify.wasm.br)"
	GOOS=js GOARCH=wasm CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o build/wasm/jali-cohort.wasm ./crypto/cohort/wasm
	@cp crypto/cohort/wasm/cohort.mjs build/wasm/
	@printf 'jali-cohort.wasm: %s bytes, gzip -9 %s\n' "$$(wc -c <build/wasm/jali-cohort.wasm)" "$$(gzip -9 -c build/wasm/jali-cohort.wasm | wc -c)"

# The client half of encrypted queries (docs/clients-encrypted.md) for C and Python, into build/lib. The library is for this machine's platform.
libs: setup
	@mkdir -p build/lib
	CGO_ENABLED=1 go build -trimpath -buildmode=c-shared -ldflags='-s -w' -o build/lib/libjali_cohort.so ./crypto/cohort/clib
	@rm -f build/lib/libjali_cohort.h
	@cp crypto/cohort/clib/jali_cohort.h crypto/cohort/clib/jali_cohort.py build/lib/
	@printf 'libjali_cohort.so: %s bytes, gzip -9 %s\n' "$$(wc -c <build/lib/libjali_cohort.so)" "$$(gzip -9 -c build/lib/libjali_cohort.so | wc -c)"

# The Python package (sdk/python) as a wheel for this platform, with the library of encrypted questions in it.
python: libs
	@python=$$(tools/python.sh sdk/python/requirements.lock) && rm -f build/python/jali-*.whl && JALI_COHORT_LIBRARY=$(CURDIR)/build/lib/libjali_cohort.so \
		"$$python" -m pip wheel --quiet --no-build-isolation --no-deps -w build/python sdk/python && ls build/python/jali-*.whl

# After a change in proto/: the stubs of the Python package, which are committed. A test compares them.
python-stubs: setup
	@python=$$(tools/python.sh sdk/python/requirements-floor.lock) && rm -f sdk/python/src/jali/v1/*.py* && \
		"$$python" sdk/python/tools/generate.py proto third_party/proto sdk/python/src

# The Debian package, and its test in a throw-away root (as root). VERSION=1.2.3; the same commit and version give the same bytes.
VERSION ?= 0.0.0
package: setup
	deploy/package.sh $(VERSION) build/package/jali.deb

package-test: setup
	@tools/setup.sh package
	JALI_PACKAGE_TEST=1 go test -count=1 -timeout 30m -v -run 'TestPackage|TestUnit|TestBill' ./deploy

lint: setup
	@tools/lint.sh

proto: setup
	@tools/generate.sh

# The committed generated code is what the .proto files say.
proto-check: setup
	@tools/generate.sh check

clean:
	rm -rf build
