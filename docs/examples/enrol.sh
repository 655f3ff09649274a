#!/bin/sh
# Make somebody known by pictures: sh enrol.sh "Ada Lovelace" ada.jpg …
set -eu
. "$(dirname "$0")/rollcall.sh"

name=$1
shift
id=$(call /api/v1/people --get --data-urlencode "name=$name" --data hidden=all | jq '.people[0].id')
if [ "$id" = null ]; then
	body=$(jq -n --arg name "$name" '{name: $name}')
	id=$(call /api/v1/people --data "$body" | jq .id)
fi
for picture in "$@"; do
	# A picture that would do harm is refused; each reason says how.
	if answer=$(call "/api/v1/people/$id/known-pictures" --header 'Content-Type: application/octet-stream' --data-binary "@$picture"); then
		printf '%s' "$answer" | jq -r --arg picture "$picture" '"\($picture) is known picture \(.known_picture.id)"'
	else
		printf '%s' "$answer" | jq -r --arg picture "$picture" '"\($picture) was refused: \(.error.message)"'
	fi
done
