#!/bin/sh
# imagesizes.sh TAG: prints how large the images with this tag are, unpacked, and
# fails where one is larger than promised: 25 MB for a program of pure Go, 50 MB
# for the recognizer with the lite models, 80 MB with the official ones.
set -eu
tag=${1:?usage: imagesizes.sh TAG}
docker=${DOCKER:-docker}
code=0

# check NAME LIMIT: in MB, of a million bytes.
check() {
	size=$($docker image inspect --format '{{.Size}}' "rollcall-$1:$tag")
	printf '%-24s %5.1f MB of %d\n' "rollcall-$1" "$(echo "$size" | awk '{print $1 / 1e6}')" "$2"
	if [ "$size" -gt $(($2 * 1000000)) ]; then
		echo "rollcall-$1:$tag is larger than $2 MB" >&2
		code=1
	fi
}

# official: whether the recognizer has the official models inside. There is no
# shell in it to ask, so its files are listed.
official() {
	container=$($docker create "rollcall-recognizer:$tag")
	found=$($docker export "$container" | tar -t | grep -c '^models/official/model.json$' || true)
	$docker rm "$container" >/dev/null
	[ "$found" -gt 0 ]
}

for app in receiver processor frontend redeemer; do check $app 25; done
if official; then
	echo "the recognizer has the official models"
	check recognizer 80
else
	echo "the recognizer has the lite models only (MODELS=official fails where the others cannot be fetched)"
	check recognizer 50
fi
exit $code
