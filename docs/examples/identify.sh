#!/bin/sh
# Ask who is in a picture. Nothing is stored: sh identify.sh photo.jpg
set -eu
. "$(dirname "$0")/rollcall.sh"

seen=$(call /api/v1/identify --header 'Content-Type: application/octet-stream' --data-binary "@$1") || fail "$seen"
printf '%s' "$seen" | jq -r '.faces[] | "\(.person.name // "nobody known") \(.reason)"'
