#!/bin/sh
# Upload files, and wait for the answers: sh upload.sh photo.jpg …
set -eu
. "$(dirname "$0")/rollcall.sh"

for file in "$@"; do # one request can have thousands of parts, too
	entry=$(call /api/v1/images --form "file=@\"$file\"" | jq '.images[0]')
	if [ "$(printf '%s' "$entry" | jq 'has("error")')" = true ]; then
		printf '%s' "$entry" | jq -r '"\(.path) was refused: \(.error.message)"'
		continue
	fi
	await_answer "$(printf '%s' "$entry" | jq .id)" | jq -r --arg file "$file" '"\($file) \(.reason)", (.faces[] | .person.name // .reason)'
done
