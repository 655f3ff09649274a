#!/bin/sh
# Say who the first face without a name is: sh correct.sh IMAGE "Grace Hopper"
# With a third word, such as undo, the correction is undone again.
set -eu
. "$(dirname "$0")/rollcall.sh"

image=$(call "/api/v1/images/$1") || fail "$image"
face=$(printf '%s' "$image" | jq '[.faces[] | select(.person == null)][0].id')
[ "$face" != null ] || { echo "every face of the image has a name" >&2; exit 1; }
seen=$(printf '%s' "$image" | jq -r .version) # if the image has changed since, the error is stale
body=$(jq -n --arg name "$2" '{name: $name}')
said=$(call "/api/v1/faces/$face/person" --header "If-Match: \"$seen\"" --data "$body") || fail "$said"
printf '%s' "$said" | jq -r '"face \(.face.id) is \(.face.person.name)"'
if [ $# -gt 2 ]; then
	correction=$(printf '%s' "$said" | jq .correction.id)
	seen=$(printf '%s' "$said" | jq -r .version)
	call "/api/v1/corrections/$correction" --request DELETE --header "If-Match: \"$seen\"" | jq -r '"undone: the image is \(.image.reason)"'
fi
