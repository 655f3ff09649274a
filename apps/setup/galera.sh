#!/bin/sh
# galera.sh: installs what tests of a cluster of databases need beside debian.sh: Galera's
# library and rsync as packages, and the programs with which a node copies another one's data
# out of mariadb-server. That package is unpacked and not installed, because it has a service.
#
# usage: galera.sh [folder]      (default: build/tools; the programs go to galera/ in it)
set -eu

tools=${1:-build/tools}
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo

program() { (PATH=$PATH:/usr/sbin && command -v "$1" >/dev/null); }

packages=
[ -e /usr/lib/galera/libgalera_smm.so ] || packages="$packages galera-4"
program rsync || packages="$packages rsync"
program lsof || packages="$packages lsof"
program ss || packages="$packages iproute2"
if [ -n "$packages" ]; then
	echo "setup: installing these Debian packages:$packages" >&2
	# It is a list of words, so it is not quoted.
	# shellcheck disable=SC2086
	{ $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends --no-remove $packages; } >&2 || {
		echo "setup: apt-get failed; its message is above" >&2
		exit 1
	}
fi
if ! program wsrep_sst_rsync && [ ! -x "$tools/galera/wsrep_sst_rsync" ]; then
	scratch=$(mktemp -d)
	trap 'rm -r "$scratch"' EXIT
	chmod 755 "$scratch" # apt-get downloads as the user _apt
	(cd "$scratch" && apt-get download -q mariadb-server >&2 && dpkg-deb -x mariadb-server_*.deb .) || {
		echo "setup: apt-get download mariadb-server failed; its message is above" >&2
		exit 1
	}
	mkdir -p "$tools/galera"
	cp "$scratch"/usr/bin/wsrep_sst_* "$tools/galera/"
fi
