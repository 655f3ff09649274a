#!/bin/sh
# debian.sh: installs what a machine needs before `make` can build (run) or test
# (test) everything. It checks for the files themselves, not for packages.
# Missing ones are installed with apt-get, or listed if there is no apt-get.
# Then it links the BLAS libraries, and onnxruntime.sh downloads ONNX Runtime's
# C library into the same folder.
#
# usage: debian.sh run|test [folder]
#
# The folder (default: build/lib) gets libblas.so, libcblas.so and liblapack.so
# as links to OpenBLAS. go-face links with -lblas -lcblas -llapack, and OpenBLAS
# provides all three, many times faster than the reference libraries.
#
# The tests' database server comes from mariadb-server-core. Unlike
# mariadb-server it has no service and no scripts: installing it starts nothing,
# uses no port and creates no data folder. Prometheus' package has a service: prometheus.sh
# unpacks it and does not install it; the programs go to the folder tools beside the one with
# the links.
set -eu

target=${1:-}
links=${2:-build/lib}
tools=$(dirname -- "$links")/tools
cxx=${CXX:-g++}
onnxruntime=libonnxruntime.so.1.32.0 # as in onnxruntime.sh
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
	say "$@"
	exit 1
}

# program NAME: succeeds if it is installed; servers are often outside PATH.
program() { (PATH=$PATH:/usr/sbin:/usr/libexec && command -v "$1" >/dev/null); }

# library NAME: prints the path of lib<NAME>.so as the compiler finds it, or
# fails.
library() {
	found=$("$cxx" -print-file-name="lib$1.so" 2>/dev/null) || return 1
	case $found in
	/*) printf '%s/lib%s.so\n' "$(cd "${found%/*}" && pwd -P)" "$1" ;;
	*) return 1 ;;
	esac
}

# header NAME: succeeds if the compiler finds it.
header() {
	printf '#if !__has_include(<%s>)\n#error missing\n#endif\n' "$1" |
		"$cxx" -x c++ -E - >/dev/null 2>&1
}

# missing: prints what the target lacks, one item per line: the Debian package,
# what it is, why it is needed. Without a compiler, all libraries count as
# missing.
missing() {
	program "$cxx" ||
		echo "g++: a C++ compiler ($cxx), to build the face recognizer"
	{ library dlib && header dlib/dnn.h; } >/dev/null ||
		echo "libdlib-dev: dlib with its headers, to find and describe faces"
	library openblas >/dev/null ||
		echo "libopenblas-dev: OpenBLAS with its headers, to do dlib's arithmetic"
	{ library jpeg && header jpeglib.h; } >/dev/null ||
		echo "libjpeg-dev: libjpeg with its headers, to read pictures"
	{ [ -e "$links/$onnxruntime" ] || python3 -m pip --version; } >/dev/null 2>&1 ||
		echo "python3-pip: pip, to fetch ONNX Runtime, which runs the networks"
	[ "$target" = test ] || return 0
	{ program mariadbd && program mariadb-install-db; } ||
		echo "mariadb-server-core: mariadbd, the database server that tests run against (no service is set up)"
	program python3 ||
		echo "python3: Python, to run the examples of docs/examples"
	program jq ||
		echo "jq: jq, which the same examples use"
	program my_print_defaults ||
		echo "mariadb-client-core: my_print_defaults, which mariadb-install-db calls"
	program chromium ||
		echo "chromium: a browser without a window, for the tests of the dashboard's pages"
	{ program prometheus && program promtool; } || { [ -x "$tools/prometheus" ] && [ -x "$tools/promtool" ]; } ||
		echo "prometheus: Prometheus and promtool, which test the alerts (no service is set up)"
}

# list: prints lines, indented.
list() { printf '%s\n' "$1" | sed 's/^/setup:   /' >&2; }

# install LINES: installs the package at the start of each line of missing.
install() {
	packages=$(printf '%s\n' "$1" | sed 's/:.*//' | grep -vx prometheus | tr '\n' ' ')
	say "installing these Debian packages (package: what it brings):"
	list "$1"
	# --no-remove: do not remove the machine's own MySQL server for the tests.
	# A new machine may be running its own updates: wait for them.
	command="apt-get install -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends --no-remove $packages"
	as_root=
	if [ "$(id -u)" -ne 0 ]; then
		as_root=sudo
		command -v sudo >/dev/null ||
			die "you are not root and there is no sudo. As root, run: apt-get update && $command"
		say "you are not root: sudo runs apt-get, and may ask for your password"
	fi
	# Both variables are lists of words, so they are not quoted.
	# shellcheck disable=SC2086
	{
		$as_root apt-get update -q >&2 || die "apt-get update failed; its message is above"
		[ -z "$packages" ] || $as_root env DEBIAN_FRONTEND=noninteractive $command >&2 || die "$command failed; its message is above"
	}
	case $1 in *"prometheus: "*) sh "$root/apps/setup/prometheus.sh" "$tools" ;; esac
}

# check_go compares Go's version with go.mod. It runs inside the module because
# Go 1.21 and later then download the required version, unless told not to.
check_go() {
	want=$(sed -n 's/^go \([0-9.]*\).*/\1/p' "$root/go.mod")
	command -v go >/dev/null ||
		die "Go is missing: put Go $want or newer (https://go.dev/dl/) on the PATH"
	have=$( (cd "$root" && go env GOVERSION 2>/dev/null) || (cd / && go env GOVERSION))
	have=$(printf '%s\n' "$have" | sed 's/^go//; s/[^0-9.].*//')
	[ "$(printf '%s\n' "$want" "$have" | sort -V | tail -n 1)" = "$have" ] ||
		die "Go $have is too old: Go $want or newer is needed (https://go.dev/dl/)"
}

# link_blas points the three names to OpenBLAS. A correct link is not replaced,
# so that nothing is rebuilt.
link_blas() {
	openblas=$(library openblas)
	mkdir -p "$links"
	for name in blas cblas lapack; do
		link=$links/lib$name.so
		[ "$(readlink "$link")" = "$openblas" ] || ln -sf "$openblas" "$link"
	done
}

case $target in
run | test) ;;
*) die "usage: $0 run|test [folder for the library links]" ;;
esac
lacks=$(missing)
if [ -n "$lacks" ] && command -v apt-get >/dev/null; then
	install "$lacks"
	lacks=$(missing)
fi
if [ -n "$lacks" ]; then
	say "this machine lacks (Debian's package: what it brings):"
	list "$lacks"
	exit 1
fi
check_go
link_blas
sh "$root/apps/setup/onnxruntime.sh" "$links"
