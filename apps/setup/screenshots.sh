#!/bin/sh
# screenshots.sh: takes pictures of the dashboard with the sample people.
#
# usage: screenshots.sh STANDALONE FOLDER
#
# STANDALONE is the program. FOLDER gets dashboard-<page>[-<screen>].png. It runs
# standalone on ports of its own for a minute; PORT is the first of three.
set -eu

[ $# -eq 2 ] || {
	echo "usage: $0 STANDALONE FOLDER" >&2
	exit 1
}
program=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1")
folder=$(CDPATH='' cd -- "$2" && pwd)
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
first=${PORT:-18070}
api=http://127.0.0.1:$first
scratch=$(mktemp -d)

ROLLCALL_LISTEN_ADDRESS=127.0.0.1:$first FRONTEND_PORT=$((first + 1)) ROLLCALL_ADMIN_ADDRESS=127.0.0.1:$((first + 2)) \
	"$program" -data "$scratch/data" >"$scratch/log" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null || true; rm -r "$scratch"' EXIT

# answered: the number of images that have an answer, and of all.
answered() {
	curl -sf "$api/api/v1/images?limit=100" | jq -r '[(.images | map(select(.reason != "queued" and .reason != "")) | length), (.images | length)] | join(" ")'
}

tries=0
until [ "$(answered 2>/dev/null)" = "10 10" ]; do
	tries=$((tries + 1))
	if [ $tries -gt 120 ] || ! kill -0 $pid 2>/dev/null; then
		tail -n 20 "$scratch/log" >&2
		echo "screenshots: the samples are not answered; the log is above" >&2
		exit 1
	fi
	sleep 1
done
# The picture with the most faces.
image=$(curl -sf "$api/api/v1/images?limit=100" | jq -r '.images[].id' | while read -r id; do
	curl -sf "$api/api/v1/images/$id" | jq -r '"\(.faces | length) \(.id)"'
done | sort -rn | head -n 1 | cut -d' ' -f2)
cd "$root/apps/internal/devtest/browser"
go test -count=1 -run '^TestScreenshots$' . -args -address "http://127.0.0.1:$((first + 1))" -out "$folder" -image "$image"
