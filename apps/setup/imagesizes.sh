#!/bin/sh
# imagesizes.sh TAG: prints the unpacked sizes of the images with this tag. It
# fails if one is over its limit: 25 MB for a program in pure Go, 30 for the frontend, which
# has sign-in and its pages, 35 for the receiver, which has the REST API, a client of gRPC
# and backups, 150 MB for the recognizer with its models and ONNX Runtime.
set -eu
tag=${1:?usage: imagesizes.sh TAG}
docker=${DOCKER:-docker}
code=0

# check NAME LIMIT: the limit is in MB of a million bytes.
check() {
	size=$($docker image inspect --format '{{.Size}}' "rollcall-$1:$tag")
	printf '%-24s %5.1f MB of %d\n' "rollcall-$1" "$(echo "$size" | awk '{print $1 / 1e6}')" "$2"
	if [ "$size" -gt $(($2 * 1000000)) ]; then
		echo "rollcall-$1:$tag is larger than $2 MB" >&2
		code=1
	fi
}

for app in processor redeemer; do check $app 25; done
check frontend 30
check receiver 35
check recognizer 150
exit $code
