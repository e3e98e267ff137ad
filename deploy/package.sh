#!/usr/bin/env bash
# Builds the Debian package: deploy/package.sh VERSION OUT.deb. The same commit and version give the same bytes, wherever the tree lies: paths are trimmed, times are
# the commit's, owners are root.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?usage: deploy/package.sh VERSION OUT.deb}
out=$(realpath -m "${2:?usage: deploy/package.sh VERSION OUT.deb}")
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export LC_ALL=C TZ=UTC
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
bin=$root/usr/bin
mkdir -p "$bin" "$root/DEBIAN" "$root/usr/lib/systemd/system" "$root/usr/share/doc/jali/examples" "$(dirname "$out")"
flags=(-trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version")
tools/setup.sh console # compiled into the gateway; the same commit makes the same files
CGO_ENABLED=1 go build "${flags[@]}" -o "$bin/jali-gateway" ./cmd/jali-gateway
CGO_ENABLED=0 go build "${flags[@]}" -o "$bin/jali" ./cmd/jali
CGO_ENABLED=0 go build "${flags[@]}" -o "$bin/jali-auditor" ./cmd/jali-auditor

install -m 0644 deploy/systemd/jali-gateway.service "$root/usr/lib/systemd/system/"
install -m 0644 docs/*.md CHANGELOG.md "$root/usr/share/doc/jali/"
install -m 0644 LICENSE "$root/usr/share/doc/jali/copyright"
install -m 0644 deploy/grafana/jali.json deploy/prometheus/jali.rules.yaml "$root/usr/share/doc/jali/examples/"
(cd tools/sbom && go run . -version "$version" "$bin"/*) >"$root/usr/share/doc/jali/sbom.cdx.json"

install -m 0755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$root/DEBIAN/"
cat >"$root/DEBIAN/control" <<CONTROL
Package: jali
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: Jali maintainers <jali@localhost>
Installed-Size: $(du -sk --apparent-size "$root/usr" | cut -f1)
Depends: adduser, libc6 (>= 2.34), libgcc-s1, libstdc++6 (>= 12), ca-certificates
Section: database
Priority: optional
Description: protected answers about data that stays where it is
 Jali is a gateway in front of data about people. It answers questions with
 differential privacy or statistical disclosure control and keeps a signed
 record of every question, decision, charge and answer.
CONTROL
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
# One thread: how many there are would show in the bytes.
dpkg-deb --root-owner-group --threads-max=1 -Zzstd -z9 --build "$root" "$out" >/dev/null
sha256sum "$out"
