#!/usr/bin/env bash
# argocd.sh CLONE [TIMES [tag|refused]]: pushes a bad commit, then its revert, and measures
# how long until Argo CD says Synced and Healthy; TIMES (10) times. README.md says what must
# be there.
#   tag      a tag that nobody can pull; the revert follows after BAD seconds (20)
#   refused  a commit that cannot be applied: an object that the API server refuses, a kind
#            that the project forbids and a folder that does not render, in turns. The
#            revert follows during the retries, after TRIES of them (2).
# It exits with 1 if a post failed or a revert took longer than LIMIT seconds (60).
set -euo pipefail
usage="usage: argocd.sh CLONE [TIMES [tag|refused]]"
clone=${1:?$usage} times=${2:-10} mode=${3:-tag}
bad=${BAD:-20} tries=${TRIES:-2} limit=${LIMIT:-60}
overlay=$clone/overlays/${OVERLAY:-minikube} failed=0
case $mode in tag | refused) ;; *) echo "$usage" >&2 && exit 2 ;; esac

# refresh: what a webhook does, so that the poll interval is not measured.
refresh() { kubectl -n argocd annotate application rollcall argocd.argoproj.io/refresh=normal --overwrite >/dev/null; }
get() { kubectl -n argocd get application rollcall -o jsonpath="$1"; }
app() { get "{.status.sync.revision} {.status.sync.status} {.status.health.status} {.status.operationState.phase}"; }
# trying: whether Argo CD is between two tries, and how many it has made again.
trying() { get "{.status.operationState.phase} {.status.operationState.finishedAt} {.status.operationState.retryCount}"; }
push() { git -C "$clone" push --quiet origin HEAD; refresh; }
# phase FIELD: what the clients saw since the last call: requests, failed, longest gap.
phase() {
	kubectl create --raw /api/v1/namespaces/rollcall/pods/e2e-poster:8080/proxy/phase -f /dev/null |
		sed 's|.*"api":{"requests":\([0-9]*\),"failed":\([0-9]*\),"gap":\([0-9]*\).*|\1 \2 \3|' | awk '{ printf "%d %d %.1f", $1, $2, $3 / 1e9 }'
}

# within SECONDS COMMAND...: waits until the command succeeds, or fails.
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.5
	done
}

# commit SUBJECT: commits everything, with the file refused.yaml as one more resource if
# there is one.
commit() {
	git -C "$clone" add --all
	git -C "$clone" commit --quiet --message "$1"
}

# add_resource: makes the overlay list refused.yaml, whose text is standard input.
add_resource() {
	sed -i '0,/^resources:$/s//resources:\n- refused.yaml/' "$overlay/kustomization.yaml"
	cat >"$overlay/refused.yaml"
}

bad_tag() { sed -i "s/newTag: .*/newTag: bad-$1-$$/" "$overlay/kustomization.yaml"; }
# No port is that high.
bad_object() { add_resource <<<'{apiVersion: v1, kind: Service, metadata: {name: refused}, spec: {ports: [{port: 70000}]}}'; }
bad_kind() { add_resource <<<'{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: refused}, rules: []}'; }
bad_yaml() { add_resource <<<'{kind: ['; }

tried_again() {
	local state finished count
	read -r state finished count <<<"$(trying)"
	[ "$state" = Running ] && [ "${count:-0}" -ge "$tries" ] && [ -n "$finished" ]
}
not_rendered() { [ "$(get '{.status.sync.status}')" = Unknown ]; }
reverted() { [ "$(app)" = "$want Synced Healthy Succeeded" ]; }

# refuse N: commits and pushes the Nth kind of refused commit, and waits until Argo CD has
# refused it.
refuse() {
	local kinds=(bad_object bad_kind bad_yaml) kind
	kind=${kinds[($1 - 1) % 3]}
	"$kind"
	commit "refused $1: $kind"
	push
	if [ "$kind" = bad_yaml ]; then within 60 not_rendered; else within 300 tried_again; fi ||
		{ echo "Argo CD did not refuse the commit ($kind): $(app)" >&2 && exit 1; }
	seen="$kind: $(app | cut -d' ' -f2-)"
	[ "$kind" = bad_yaml ] || seen+=", tried again $(get '{.status.operationState.retryCount}')"
}

echo "| time | posts | failed | longest gap | bad commit seen as | revert to healthy |"
echo "| ---: | ---: | ---: | ---: | --- | ---: |"
phase >/dev/null
for ((i = 1; i <= times; i++)); do
	if [ "$mode" = refused ]; then
		refuse "$i"
	else
		bad_tag "$i"
		commit "bad tag $i"
		push
		sleep "$bad"
		seen=$(app | cut -d' ' -f2-)
	fi
	git -C "$clone" revert --no-edit HEAD >/dev/null
	want=$(git -C "$clone" rev-parse HEAD) start=$(date +%s.%N)
	push
	within 900 reverted || true
	took=$(echo "$(date +%s.%N) $start" | awk '{ printf "%.1f", $1 - $2 }')
	read -r posts lost gap <<<"$(phase)"
	echo "| $i | $posts | $lost | $gap s | $seen | $took s |"
	if [ "$lost" -gt 0 ] || [ "${took%.*}" -ge "$limit" ]; then failed=1; fi
done
exit "$failed"
