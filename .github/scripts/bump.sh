#!/usr/bin/env bash
# bump.sh REGISTRY TAG [DIGESTS]: rolls out a tag through git. It sets REGISTRY,
# TAG and the digest behind it in every overlay that takes our images from a
# registry, and pushes the commit to the branch that is checked out. If somebody
# pushes in between, it tries again on top of their commit. Overlays with locally
# built images are not changed.
#
# The tag is for people, the digest is what nodes pull: a tag can be moved in the
# registry, a digest cannot. DIGESTS is a file with a line "APP DIGEST" for each
# image. Without it, the script asks the registry, by docker buildx.
#
# It works in a worktree of its own, made from origin's branch. So the commit
# holds the image lines and nothing else: no unfinished work, no commit that was
# not pushed. The branch here follows if that is a fast-forward over files that
# nobody is editing; otherwise it stays as it is.
#
# It fails if tag and digest do not reach the rendered manifests, because
# kustomize silently ignores an image name that matches nothing.
set -euo pipefail
registry=${1:?usage: bump.sh REGISTRY TAG [DIGESTS]}
tag=${2:?usage: bump.sh REGISTRY TAG [DIGESTS]}
digests=${3:+$(realpath "$3")}
cd "$(git rev-parse --show-toplevel)"

apps=(receiver processor frontend redeemer recognizer)
tries=5

die() {
	echo "bump: $*" >&2
	exit 1
}

# ask APP: prints the digest of an image, from the file or from the registry.
ask() {
	if [ -n "$digests" ]; then
		awk -v app="$1" '$1 == app { print $2 }' "$digests"
	else
		docker buildx imagetools inspect "$registry/rollcall-$1:$tag" --format '{{.Manifest.Digest}}'
	fi
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

# lines FILE: prints a kustomization with our images' newName, newTag and digest
# replaced. Not `kustomize edit`, which also sorts keys and drops comments.
lines() {
	local app list=""
	for app in "${apps[@]}"; do list+="rollcall-$app ${digest[$app]} "; done
	awk -v registry="$registry" -v tag="$tag" -v list="$list" '
		BEGIN { n = split(list, words, " "); for (i = 1; i < n; i += 2) digest[words[i]] = words[i + 1]
			if (tag ~ /^[0-9.e+_-]+$/) tag = "\"" tag "\"" } # or YAML reads a number
		/^ *- / { name = "" }
		/^ *- name: / { name = $3 }
		!(name in digest) { print; next }
		/^ *digest: / { next }
		/^ *newName: / { sub(/newName: .*/, "newName: " registry "/" name) }
		/^ *newTag: / { sub(/newTag: .*/, "newTag: " tag); print; sub(/newTag: .*/, "digest: " digest[name]) }
		{ print }' "$1"
}

# edit OVERLAY: sets tags and digests, and compares the rendered manifests before and
# after.
edit() {
	local overlay=$1 before after app want changed file=$1/kustomization.yaml text
	before=$(kustomize build "$overlay")
	text=$(lines "$file")
	printf '%s\n' "$text" >"$file"
	after=$(kustomize build "$overlay")
	for app in "${apps[@]}"; do
		want="image: $registry/rollcall-$app:$tag@${digest[$app]}"
		grep -qF "$want" <<<"$after" || die "$overlay: the render has no \"$want\""
	done
	changed=$(diff <(echo "$before") <(echo "$after") | grep '^[<>]' | grep -vE '^[<>] +(- )?image: ' || true)
	[ -z "$changed" ] || die "$overlay: more than images changed: $changed"
}

command -v kustomize >/dev/null || die "kustomize is missing: go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1"
branch=$(git symbolic-ref --quiet --short HEAD) || die "no branch is checked out; git switch to the one to push to"
# Without a digest of its own, a new tag would stand before the old digest, and
# nodes would go on with the old image.
declare -A digest
for app in "${apps[@]}"; do
	digest[$app]=$(ask "$app") || die "cannot ask $registry for the digest of rollcall-$app:$tag; log in, or give a file of digests"
	[[ ${digest[$app]} =~ ^sha256:[0-9a-f]{64}$ ]] || die "rollcall-$app:$tag has the digest \"${digest[$app]}\", want sha256:<64 hex digits>"
done

here=$PWD
work=$(mktemp -d)
trap 'git -C "$here" worktree remove --force "$work" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach --no-checkout "$work" HEAD
cd "$work"

for ((try = 1; try <= tries; try++)); do
	git fetch --quiet origin "refs/heads/$branch" || die "cannot fetch $branch from origin; if it is not there yet: git push -u origin $branch"
	git checkout --quiet --force --detach FETCH_HEAD
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
	if git push --quiet origin "HEAD:refs/heads/$branch"; then
		git --no-pager show --stat --oneline HEAD
		git -C "$here" merge --quiet --ff-only "$(git rev-parse HEAD)" 2>/dev/null ||
			echo "pushed; $branch here is left as it is, because of work in it: git pull when that suits you"
		exit 0
	fi
	echo "the push was refused; once more on top of origin's $branch ($try of $tries)"
	sleep "$try"
done
die "could not push in $tries tries"
