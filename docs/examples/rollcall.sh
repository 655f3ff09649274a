# What the scripts beside this one share. They need curl and jq.
# ROLLCALL_URL is the receiver, ROLLCALL_KEY the API key, if the receiver wants one.
url=${ROLLCALL_URL:-http://127.0.0.1:8000}

# call PATH [OPTIONS OF curl]: sends a request and prints its answer. The key comes from
# standard input, because everybody on the machine can read a command line.
call() {
	path=$1
	shift
	if [ -n "${ROLLCALL_KEY:-}" ]; then
		printf 'header = "Authorization: Bearer %s"\n' "$ROLLCALL_KEY"
	fi | curl --silent --show-error --fail-with-body --config - "$@" "$url$path"
}

# fail ANSWER: ends the script with the message of an error.
fail() {
	printf '%s' "$1" | jq -r '.error.message // .' >&2
	exit 1
}

# await_answer ID: asks until an image has its outcome, and prints it.
await_answer() {
	tries=0
	while answer=$(call "/api/v1/images/$1") && [ "$(printf '%s' "$answer" | jq '.status == "processing" or .reason == "queued"')" = true ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 120 ] || { echo "image $1 still waits" >&2; return 1; }
		sleep 0.5
	done
	printf '%s\n' "$answer"
}
