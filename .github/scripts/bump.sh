#!/usr/bin/env bash
# bump.sh REGISTRY TAG: rolls out a tag through git. It sets REGISTRY and TAG in
# every overlay that takes our images from a registry, and pushes the commit to
# the current branch. If somebody pushes in between, it tries again on top of
# their commit. Overlays with locally built images are not changed.
#
# It fails if the new tag does not reach the rendered manifests, because
# kustomize silently ignores an image name that matches nothing.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"

registry=${1:?usage: bump.sh REGISTRY TAG}
tag=${2:?usage: bump.sh REGISTRY TAG}
apps=(receiver processor frontend redeemer recognizer)
tries=5

die() {
	echo "bump: $*" >&2
	exit 1
}

# pulled: prints the overlays whose images come from a registry.
pulled() {
	grep -lE '^ *newName: .*/rollcall-' overlays/*/kustomization.yaml | xargs -r -n1 dirname
}

# current OVERLAY: prints the receiver's tag.
current() {
	kustomize build "$1" | sed -n "s|^ *image: .*/rollcall-receiver:\([^@]*\).*|\1|p" | head -n 1
}

# newer OVERLAY: succeeds if the overlay's tag was built from a later commit,
# which happens when a slow build ends after a fast one.
newer() {
	local have
	have=$(current "$1")
	[ "$have" != "$tag" ] &&
		git cat-file -e "$tag^{commit}" 2>/dev/null &&
		git cat-file -e "$have^{commit}" 2>/dev/null &&
		git merge-base --is-ancestor "$tag" "$have"
}

# edit OVERLAY: sets the tag and compares the rendered manifests before and
# after.
edit() {
	local overlay=$1 before after app want changed
	before=$(kustomize build "$overlay")
	args=()
	for app in "${apps[@]}"; do args+=("rollcall-$app=$registry/rollcall-$app:$tag"); done
	(cd "$overlay" && kustomize edit set image "${args[@]}")
	after=$(kustomize build "$overlay")
	for app in "${apps[@]}"; do
		want="image: $registry/rollcall-$app:$tag"
		grep -qF "$want" <<<"$after" || die "$overlay: the render has no \"$want\""
	done
	changed=$(diff <(echo "$before") <(echo "$after") | grep '^[<>]' | grep -vE '^[<>] +(- )?image: ' || true)
	[ -z "$changed" ] || die "$overlay: more than images changed: $changed"
}

for ((try = 1; try <= tries; try++)); do
	overlays=$(pulled)
	[ -n "$overlays" ] || die "no overlay takes images from a registry"
	for overlay in $overlays; do
		if newer "$overlay"; then
			echo "$overlay has a later build already: $(current "$overlay")"
		else
			edit "$overlay"
		fi
	done
	if git diff --quiet -- overlays; then
		echo "nothing to do: $tag is what the overlays have, or older"
		exit 0
	fi
	git -c user.name="${BUMP_NAME:-rollcall-bump}" -c user.email="${BUMP_EMAIL:-rollcall-bump@users.noreply.github.com}" \
		commit --quiet --message "overlays: roll out ${tag:0:12}" -- overlays
	if git push --quiet origin HEAD; then
		git --no-pager show --stat --oneline HEAD
		exit 0
	fi
	echo "somebody pushed in between; once more on top of it ($try of $tries)"
	branch=$(git rev-parse --abbrev-ref HEAD)
	git fetch --quiet origin "$branch"
	git reset --quiet --hard "origin/$branch"
	sleep "$try"
done
die "could not push in $tries tries"
