#!/bin/sh
# fuzz-api.sh: sends requests that are made from the OpenAPI document to a standalone with
# the sample pictures, for a while, and fails if an answer is a 5xx or is not as the
# document says. The tool is Schemathesis, in a virtual environment of its own below
# build/tools. All data is in a temporary folder.
#
# usage: fuzz-api.sh STANDALONE [more options of `schemathesis run`]
#
# ROLLCALL_FUZZ_SECONDS is how long it takes (default 1200).
set -eu

version=4.32.5
standalone=$(realpath "${1:?usage: fuzz-api.sh STANDALONE}")
shift
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
venv=$root/build/tools/schemathesis-$version
seconds=${ROLLCALL_FUZZ_SECONDS:-1200}

if ! [ -x "$venv/bin/schemathesis" ]; then
	rm -rf "$venv"
	python3 -m venv "$venv" ||
		{ echo "fuzz-api: a virtual environment cannot be made; on Debian: apt-get install python3-venv" >&2; exit 1; }
	"$venv/bin/pip" install --quiet "schemathesis==$version"
fi

# Paths and known pictures that the tool posts are looked for in copies.
dir=$(mktemp -d)
server=
end() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	[ -z "$server" ] || wait "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 1' INT TERM
cp -r "$root/apps/standalone/samples/known" "$root/apps/standalone/samples/unknown" "$dir"

# A key with all scopes, which nothing that the tool sends can revoke.
"$standalone" keys create -declare -name fuzz -scopes admin,act >"$dir/new"
ROLLCALL_FUZZ_KEY=$(sed -n 1p "$dir/new")
export ROLLCALL_FUZZ_KEY # schemathesis.toml reads it
printf '{"keys": [%s]}\n' "$(sed -n 2p "$dir/new")" >"$dir/keys.json"
rm "$dir/new"

ports=$(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(s.getsockname()[1] for s in sockets))')
rest=127.0.0.1:${ports%% *}
admin=127.0.0.1:${ports##* }
dashboard=${ports#* }

ROLLCALL_LISTEN_ADDRESS=$rest FRONTEND_PORT=${dashboard% *} ROLLCALL_ADMIN_ADDRESS=$admin ROLLCALL_KEYS_FILE=$dir/keys.json \
	"$standalone" -known "$dir/known" -unknown "$dir/unknown" -data "$dir/data" >"$dir/log" 2>&1 &
server=$!
until curl --silent --fail --output /dev/null "http://$admin/readyz"; do
	kill -0 "$server" 2>/dev/null || { tail -n 20 "$dir/log" >&2; exit 1; }
	sleep 0.2
done

status=0
cd "$dir" # the tool leaves notes where it runs
"$venv/bin/schemathesis" --config-file "$root/apps/setup/schemathesis.toml" run "http://$rest/openapi.json" \
	--max-time "$seconds" --continue-on-failure --request-timeout 30 --generation-database none "$@" || status=$?
kill -0 "$server" 2>/dev/null || { echo "fuzz-api: standalone has ended" >&2; status=1; }
if [ "$status" != 0 ] || grep -q 'panic' "$dir/log"; then
	echo "fuzz-api: warnings and errors in the log of standalone:" >&2
	grep -E 'level=(WARN|ERROR)|"level":"(WARN|ERROR)"|panic' "$dir/log" | tail -n 40 >&2 || true
fi
exit "$status"
