#!/usr/bin/env bash
# Makes a Python environment with exactly what a lock file lists, hashes checked, and prints its interpreter. Made once per lock; a second run needs no
# network.
#
#   tools/python.sh sdk/python/requirements.lock
#
# JALI_PYTHON names a Python 3.11, for which both lock files have wheels.
set -euo pipefail
lock=$(realpath "$1")
cd "$(dirname "$0")/.."

dir=$PWD/build/python/$(basename "$lock" .lock)-$(sha256sum <"$lock" | cut -c1-12)
if [ ! -e "$dir/complete" ]; then
	base=
	for name in "${JALI_PYTHON:-}" python3.11 /usr/bin/python3.11 python3; do
		if [ -n "$name" ] && [ "$("$name" -c 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.11 ]; then
			base=$name
			break
		fi
	done
	if [ -z "$base" ]; then
		echo "error: no Python 3.11 with venv" >&2
		echo "hint: apt-get install python3-venv on Debian 12, or name one in JALI_PYTHON" >&2
		exit 3
	fi
	mkdir -p build/python
	exec 9>"$dir.lock" # test processes of several packages run at once: one makes it, the others find it
	flock 9
	if [ ! -e "$dir/complete" ]; then
		"$base" -m venv --clear "$dir" >&2
		"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r "$lock" >&2
		touch "$dir/complete" # last: an interrupted installation is done again
	fi
fi
echo "$dir/bin/python"
