#!/bin/sh
# onnxruntime.sh: downloads ONNX Runtime's C library into a folder, with its
# licence and third-party notices. It does nothing if the library is there.
#
# usage: onnxruntime.sh [folder]      (default: build/lib)
#
# Debian 12 has no package of it. Its authors publish the C library in the
# Python wheel, which pip downloads by hash. The wheel is chosen for this
# machine, not for the installed Python: Python is only used to download and
# unpack.
set -eu

folder=${1:-build/lib}
version=1.32.0
library=libonnxruntime.so.$version
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

die() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

[ ! -e "$folder/$library" ] || exit 0
machine=$(uname -m)
case $machine in
x86_64 | aarch64) ;;
arm64) machine=aarch64 ;;
*) die "there is no pinned ONNX Runtime for $machine, only for x86_64 and aarch64 (apps/setup/onnxruntime.txt)" ;;
esac
python3 -m pip --version >/dev/null 2>&1 || die "pip is missing (Debian's package: python3-pip); it fetches ONNX Runtime"

printf 'setup: fetching ONNX Runtime %s (28 MB)\n' "$version" >&2
mkdir -p "$folder"
work=$(mktemp -d "$folder/.onnxruntime.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -m pip download -q --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: \
	--implementation cp --python-version 3.12 --abi cp312 --platform "manylinux_2_28_$machine" \
	--require-hashes -r "$here/onnxruntime.txt" -d "$work" >&2 ||
	die "ONNX Runtime cannot be fetched; pip's message is above. Without a network, put the wheel into a folder and set PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER"
python3 - "$work" "$library" <<'PYTHON'
import pathlib, sys, zipfile

folder, library = pathlib.Path(sys.argv[1]), sys.argv[2]
(wheel,) = folder.glob("*.whl")
files = {
    "onnxruntime/capi/" + library: library,
    "onnxruntime/LICENSE": "onnxruntime.LICENSE",
    "onnxruntime/ThirdPartyNotices.txt": "onnxruntime.ThirdPartyNotices.txt",
}
with zipfile.ZipFile(wheel) as archive:
    for name, target in files.items():
        (folder / target).write_bytes(archive.read(name))
PYTHON
# The library is copied last: if it exists, everything exists.
mv "$work"/onnxruntime.* "$folder"/
mv "$work/$library" "$folder/"
