#!/usr/bin/env bash
# argocd.sh CLONE [TIMES]: pushes a tag that nobody can pull, looks at the clients for
# BAD seconds (20), pushes its revert, and measures how long until Argo CD says Synced
# and Healthy; TIMES (10) times. README.md says what must be there. It exits with 1 if a
# post failed or a revert took longer than LIMIT seconds (60).
set -euo pipefail
clone=${1:?usage: argocd.sh CLONE [TIMES]} times=${2:-10} bad=${BAD:-20} limit=${LIMIT:-60}
overlay=$clone/overlays/${OVERLAY:-minikube} failed=0

# refresh: what a webhook does, so that the poll interval is not measured.
refresh() { kubectl -n argocd annotate application rollcall argocd.argoproj.io/refresh=normal --overwrite >/dev/null; }
app() { kubectl -n argocd get application rollcall -o jsonpath="{.status.sync.revision} {.status.sync.status} {.status.health.status} {.status.operationState.phase}"; }
push() { git -C "$clone" push --quiet origin HEAD; refresh; }
# phase FIELD: what the clients saw since the last call: requests, failed, longest gap.
phase() {
	kubectl create --raw /api/v1/namespaces/rollcall/pods/e2e-poster:8080/proxy/phase -f /dev/null |
		sed 's|.*"api":{"requests":\([0-9]*\),"failed":\([0-9]*\),"gap":\([0-9]*\).*|\1 \2 \3|' | awk '{ printf "%d %d %.1f", $1, $2, $3 / 1e9 }'
}

echo "| time | posts | failed | longest gap | bad tag seen as | revert to healthy |"
echo "| ---: | ---: | ---: | ---: | --- | ---: |"
phase >/dev/null
for ((i = 1; i <= times; i++)); do
	sed -i "s/newTag: .*/newTag: bad-$i-$$/" "$overlay/kustomization.yaml"
	git -C "$clone" commit --quiet --all --message "bad tag $i"
	push
	sleep "$bad"
	seen=$(app | cut -d' ' -f2-)
	git -C "$clone" revert --no-edit HEAD >/dev/null
	want=$(git -C "$clone" rev-parse HEAD) start=$(date +%s.%N)
	push
	until [ "$(app)" = "$want Synced Healthy Succeeded" ] || [ "$(date +%s)" -gt "$((${start%.*} + 900))" ]; do sleep 0.5; done
	took=$(echo "$(date +%s.%N) $start" | awk '{ printf "%.1f", $1 - $2 }')
	read -r posts lost gap <<<"$(phase)"
	echo "| $i | $posts | $lost | $gap s | $seen | $took s |"
	if [ "$lost" -gt 0 ] || [ "${took%.*}" -ge "$limit" ]; then failed=1; fi
done
exit "$failed"
