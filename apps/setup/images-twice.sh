#!/bin/sh
# images-twice.sh: builds each image twice with BuildKit, as CI does: from two folders, with
# other times and other permissions of the files, and with nothing kept in between. It fails
# if two builds differ in a single byte, and says in which layer.
#
# usage: images-twice.sh [program...]      (default: all; they take a while)
#
# It uses the BuildKit that BUILDKIT_HOST names. Without it, it starts one of its own, which
# needs root and runc, and is built from apps/internal/devtest/imagebuild, once. BASES is a
# registry that has the base images under their names, where their own cannot be reached.
set -eu

cd "$(dirname "$0")/../.."
tools=$PWD/build/tools/buildkit
apps=${*:-receiver processor frontend redeemer recognizer}
scratch=$(mktemp -d)
daemon=
own=
if [ -z "${BUILDKIT_HOST:-}" ]; then
	own=yes
	export BUILDKIT_HOST="unix://$scratch/buildkitd.sock"
	if [ ! -x "$tools/buildkitd" ]; then
		echo "setup: building BuildKit, once" >&2
		mkdir -p "$tools"
		(cd apps/internal/devtest/imagebuild && CGO_ENABLED=0 GOFLAGS=-trimpath go build -tags no_containerd_worker -ldflags "-s -w" -o "$tools/" \
			github.com/moby/buildkit/cmd/buildctl github.com/moby/buildkit/cmd/buildkitd)
	fi
	PATH=$tools:$PATH
fi

# halt ends our BuildKit, and removes what it has stored.
halt() {
	if [ -n "$daemon" ]; then kill "$daemon" && wait "$daemon" || true; fi
	daemon=
	rm -rf "$scratch/buildkit"
}
trap 'halt; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM

# start starts our BuildKit with an empty cache, or empties the one that is named.
start() {
	if [ -z "$own" ]; then
		buildctl prune --all >/dev/null
		return
	fi
	halt
	buildkitd --root "$scratch/buildkit" --addr "$BUILDKIT_HOST" --allow-insecure-entitlement network.host >"$scratch/buildkitd.log" 2>&1 &
	daemon=$!
	until buildctl debug workers >/dev/null 2>&1; do
		kill -0 "$daemon" 2>/dev/null || {
			cat "$scratch/buildkitd.log" >&2
			exit 1
		}
		sleep 1
	done
}

# copy FOLDER TIME MODE: copies what git knows, and gives all files this time and mode.
copy() {
	mkdir -p "$1"
	git ls-files -z | tar -c --null -T - | tar -x -C "$1"
	if [ -n "${SSL_CERT_FILE:-}" ]; then
		mkdir -p "$1/build"
		cp "$SSL_CERT_FILE" "$1/build/ca-certificates.crt"
	fi
	chmod -R "$3" "$1"
	find "$1" -exec touch --no-dereference --date "$2" {} +
}
copy "$scratch/one/tree" 2001-02-03 u+rwX,go+rX
copy "$scratch/another-folder/tree" now u+rwX,go-rwx

# bases DOCKERFILE: prints the options by which BuildKit takes base images from BASES.
bases() {
	[ -n "${BASES:-}" ] || return 0
	sed -n 's/^FROM \([^ ]*\).*/\1/p' "$1" | while read -r image; do
		echo "--opt context:$image=docker-image://$BASES/$image"
	done
}

# build APP TREE FILE: builds an image into an archive.
build() {
	file=apps/Dockerfile
	if [ "$1" = recognizer ]; then file=apps/recognizer/Dockerfile; fi
	# The options are words.
	# shellcheck disable=SC2046
	buildctl build --progress plain --frontend dockerfile.v0 --local "context=$2" --local "dockerfile=$2" \
		--opt "filename=$file" --opt "build-arg:APP=$1" \
		--opt "build-arg:VERSION=$(make -s print-VERSION)" --opt "build-arg:REVISION=$(git rev-parse HEAD)" \
		--opt "build-arg:SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)" \
		--opt "build-arg:CREATED=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)" \
		--opt force-network-mode=host --allow network.host $(bases "$file") \
		--output "type=oci,dest=$3,rewrite-timestamp=true" >"$scratch/log" 2>&1 || {
		tail -n 40 "$scratch/log" >&2
		exit 1
	}
}

for round in one another-folder; do
	start
	for app in $apps; do
		echo "rollcall-$app, from $round" >&2
		build "$app" "$scratch/$round/tree" "$scratch/$round/$app.tar"
		mkdir "$scratch/$round/$app"
		tar -x -f "$scratch/$round/$app.tar" -C "$scratch/$round/$app"
	done
done

# digests APP ROUND: prints the digests of an image's manifest, configuration and layers.
digests() {
	manifest=$(grep -o 'sha256:[0-9a-f]*' "$scratch/$2/$1/index.json" | head -n 1)
	echo "manifest $manifest"
	grep -o '"digest": *"sha256:[0-9a-f]*"' "$scratch/$2/$1/blobs/sha256/${manifest#sha256:}" |
		cut -d'"' -f4 | awk '{ print (NR == 1 ? "config" : "layer " NR - 1), $1 }'
}

code=0
for app in $apps; do
	digests "$app" one >"$scratch/a"
	digests "$app" another-folder >"$scratch/b"
	if cmp -s "$scratch/a" "$scratch/b"; then
		echo "rollcall-$app: equal, $(wc -l <"$scratch/a") digests, $(sed -n 's/^manifest //p' "$scratch/a")"
	else
		echo "rollcall-$app: the two builds differ:"
		diff "$scratch/a" "$scratch/b" || true
		code=1
	fi
done
exit $code
