#!/usr/bin/env bash
# Tries the Debian package in a throw-away root: builds it twice, from two directories, and compares the bytes; installs it, makes a state directory, serves under
# the unit's account, limits and privileges (without systemd: its sandbox is judged offline by unit_test.go), reloads, backs up, upgrades, removes, purges.
#
#   JALI_REPRODUCE=full deploy/package-test.sh    compiles everything a second time, with an empty build cache (long)
#
# Needs root, debootstrap and a Debian mirror for the first run; the root is kept in build/package.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "package-test: needs root, for a root of its own" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "package-test: no debootstrap (hint: tools/setup.sh package)" >&2; exit 1; }
say() { echo "package-test: $*"; }
fail() { say "FAILED: $*" >&2; exit 1; }

work=$(mktemp -d)
root=$work/root
server=
stop() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$work"
}
trap stop EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# Two builds of the commit, in two directories: the same digest.
for name in one elsewhere/two; do
	mkdir -p "$work/$name"
	git archive HEAD | tar -xf - -C "$work/$name"
done
"$work/one/deploy/package.sh" 0.0.1 "$work/one.deb" >/dev/null
if [ "${JALI_REPRODUCE:-}" = full ]; then
	GOCACHE=$work/cache "$work/elsewhere/two/deploy/package.sh" 0.0.1 "$work/two.deb" >/dev/null
	chmod -R u+w "$work/cache" && rm -rf "$work/cache"
else
	"$work/elsewhere/two/deploy/package.sh" 0.0.1 "$work/two.deb" >/dev/null
fi
cmp "$work/one.deb" "$work/two.deb" || fail "two builds differ"
say "two builds from two directories: $(sha256sum "$work/one.deb" | cut -c1-16)..."
"$work/one/deploy/package.sh" 0.0.2 "$work/next.deb" >/dev/null

# A root.
base=build/package/bookworm
if [ ! -e "$base.done" ]; then
	rm -rf "$base"
	mkdir -p build/package
	debootstrap --variant=minbase --include=adduser,ca-certificates,libstdc++6 bookworm "$base" >"$work/debootstrap.log" || fail "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
	touch "$base.done"
fi
cp -a "$base" "$root"
inside() { chroot "$root" "$@"; }
files() { (cd "$root" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/lib/jali -o -path ./proc -o -path ./run -o -path ./dev -o -path ./tmp -o -path ./var/cache \) -prune -o -print | sort); }
files >"$work/before"
cp "$work/one.deb" "$work/next.deb" "$root/tmp/"

inside dpkg -i /tmp/one.deb >/dev/null
[ "$(inside jali version | cut -d' ' -f2)" = 0.0.1 ] || fail "version of the installed program"
[ "$(inside stat -c '%U %a' /var/lib/jali)" = "jali 700" ] || fail "owner and mode of /var/lib/jali"
inside dpkg -V jali || fail "installed files differ from the package"

# As the unit runs it: its account, no privileges, its limits.
run=(chroot "$root" prlimit --stack=8388608 --core=0 setpriv --reuid jali --regid jali --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all env -i PATH=/usr/bin:/bin HOME=/var/lib/jali)
as() { "${run[@]}" "$@"; }
state=/var/lib/jali/state
as jali-gateway init --dir $state --origin package.test/1 >/dev/null
sed -i 's/^listen: .*/listen: 127.0.0.1:0/' "$root$state/config.yaml"
start() {
	rm -f "$root$state/endpoint"
	: >"$work/log"
	# Not through the function: each command replaces itself, and the process is the gateway.
	"${run[@]}" jali-gateway serve --dir $state >"$work/out" 2>"$work/log" &
	server=$!
	for _ in $(seq 100); do
		[ ! -s "$root$state/endpoint" ] || break
		kill -0 "$server" 2>/dev/null || fail "the gateway does not start: $(cat "$work/log")"
		sleep 0.1
	done
	endpoint=$(cat "$root$state/endpoint")
	[ "$(curl -fsS --cacert "$root$state/keys/ca/ca.pem" "$endpoint/readyz")" = ok ] || fail "not ready"
}
halt() {
	kill -TERM "$server"
	wait "$server" || fail "the gateway ends with $?"
	server=
}
start
grep -q '^CapEff:[[:space:]]*0000000000000000$' "/proc/$server/status" || fail "the gateway has capabilities"
grep -q '^NoNewPrivs:[[:space:]]*1$' "/proc/$server/status" || fail "the gateway may get privileges"
sed -i 's/^log_level: .*/log_level: DEBUG/' "$root$state/config.yaml"
kill -HUP "$server"
for _ in $(seq 50); do ! grep -q reloaded "$work/log" || break; sleep 0.1; done
grep -q reloaded "$work/log" || fail "no reload on SIGHUP"
say "installed, served, reloaded"
if as jali-gateway backup --help >/dev/null 2>&1; then
	as jali-gateway backup --dir $state --out /var/lib/jali/backup >/dev/null
	say "backed up while serving"
fi
halt

sum() { sha256sum "$root$state/audit.db" "$root$state/keys.db" "$root$state/config.yaml"; }
before=$(sum)
inside dpkg -i /tmp/next.deb >/dev/null
[ "$(inside jali-gateway version | cut -d' ' -f2)" = 0.0.2 ] || fail "version after the upgrade"
[ "$before" = "$(sum)" ] || fail "the upgrade changed the state"
as jali-gateway doctor --dir $state >"$work/doctor" || { cat "$work/doctor"; fail "doctor after the upgrade"; }
start
halt
"$root/usr/bin/jali-auditor" verify --dir "$root$state" >/dev/null || fail "the log does not verify after the upgrade"
say "upgraded, the state is as it was"

inside dpkg -r jali >/dev/null
[ ! -e "$root/usr/bin/jali-gateway" ] || fail "programs stay"
[ -e "$root$state/audit.db" ] || fail "removing took the audit log"
inside dpkg -P jali >/dev/null 2>"$work/purge"
[ -e "$root$state/audit.db" ] || fail "purging took the audit log"
grep -q 'it stays' "$work/purge" || fail "purging does not say that the state stays"
files >"$work/after"
left=$(comm -13 "$work/before" "$work/after" | grep -Ev '^\./(etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|var/lib/jali)$' || true)
[ -z "$left" ] || fail "left behind: $left"
say "removed; what stays is /var/lib/jali and the account that owns it"
