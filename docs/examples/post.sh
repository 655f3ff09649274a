#!/bin/sh
# Post the path of a picture, and wait for the answer: sh post.sh unknown0001.jpg
set -eu
. "$(dirname "$0")/rollcall.sh"

body=$(jq -n --arg path "$1" '{path: $path}')
id=$(call /image/post --data "$body" | jq .id)
await_answer "$id" | jq -r '"\(.path) \(.status) \(.reason)", (.faces[] | .person.name // .reason)'
