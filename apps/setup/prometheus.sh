#!/bin/sh
# prometheus.sh: unpacks Debian's package of Prometheus, and keeps prometheus and promtool. It
# installs nothing, because the package has a service.
#
# usage: prometheus.sh [folder]      (default: build/tools)
set -eu

tools=${1:-build/tools}
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
chmod 755 "$scratch" # apt-get downloads as the user _apt
(cd "$scratch" && apt-get download -q prometheus >&2 && dpkg-deb -x prometheus_*.deb .) || {
	echo "setup: apt-get download prometheus failed; its message is above" >&2
	exit 1
}
mkdir -p "$tools"
for name in prometheus promtool; do
	cp "$scratch/usr/bin/$name" "$tools/$name.new"
	mv "$tools/$name.new" "$tools/$name" # never half a program
done
