#!/bin/sh
# Decide what Rollcall is not sure about: sh review.sh, and answer with y, n or Return
set -eu
. "$(dirname "$0")/rollcall.sh"

for reason in uncertain unknown_person; do
	after=0
	while [ "$after" != null ]; do # page after page
		page=$(call "/api/v1/images?reason=$reason&after=$after")
		after=$(printf '%s' "$page" | jq .next)
		for id in $(printf '%s' "$page" | jq '.images[].id'); do
			image=$(call "/api/v1/images/$id")
			seen=$(printf '%s' "$image" | jq -r .version)
			for face in $(printf '%s' "$image" | jq '.faces[] | select(.person == null and .best != null) | .id'); do
				best=$(printf '%s' "$image" | jq ".faces[] | select(.id == $face) | .best")
				printf '%s' "$best" | jq -r --arg what "image $id, face $face" '"\($what): is this \(.person.name) (distance \(.distance))?"'
				read -r answer || exit 0
				case $answer in
				y) what=person ;;
				n) what=not-person ;;
				*) continue ;;
				esac
				body=$(printf '%s' "$best" | jq '{person_id: .person.id}')
				said=$(call "/api/v1/faces/$face/$what" --header "If-Match: \"$seen\"" --data "$body")
				printf '%s' "$said" | jq -r '"it is \(.image.reason)"'
				seen=$(printf '%s' "$said" | jq -r .version)
			done
		done
	done
done
