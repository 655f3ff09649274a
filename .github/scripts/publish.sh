#!/usr/bin/env bash
# publish.sh REGISTRY TAG DIGESTS: joins the images of all architectures under one
# tag, signs what came out, and looks whether a stranger can verify it. DIGESTS is
# a folder with a file APP-ARCH for each image that was pushed; the file holds its
# digest. For each program it prints a line "APP DIGEST", which bump.sh reads.
#
# Signatures are keyless: cosign gets a certificate for the workflow that runs this.
# To try it on another machine, set COSIGN_KEY and COSIGN_PUBLIC_KEY to the files of
# a key pair.
set -euo pipefail

registry=${1:?usage: publish.sh REGISTRY TAG DIGESTS}
tag=${2:?usage: publish.sh REGISTRY TAG DIGESTS}
digests=${3:?usage: publish.sh REGISTRY TAG DIGESTS}
apps=${APPS:-receiver processor frontend redeemer recognizer}
# What each image must bring along: its list of contents, and how it was built.
predicates=${PREDICATES:-https://spdx.dev/Document https://slsa.dev/provenance/}
workflow="^https://github\.com/${GITHUB_REPOSITORY:-}/\.github/workflows/images\.yaml@refs/(heads/main|tags/v.*)\$"

die() {
	echo "publish: $*" >&2
	exit 1
}

# inspect IMAGE: prints a manifest or an index.
inspect() { docker buildx imagetools inspect --raw "$1"; }

# sign IMAGE: signs an index and all that is in it, attestations, too.
#
# The format is the one of cosign 2, a tag beside the image. policy-controller
# 0.13 does not find what cosign 3 writes (sigstore/policy-controller 1899).
sign() {
	if [ -n "${COSIGN_KEY:-}" ]; then
		cosign sign --yes --recursive --key "$COSIGN_KEY" --tlog-upload=false "$1" >&2
	else
		cosign sign --yes --recursive "$1" >&2
	fi
}

# verify IMAGE: fails if there is no signature by this workflow.
verify() {
	if [ -n "${COSIGN_PUBLIC_KEY:-}" ]; then
		cosign verify --key "$COSIGN_PUBLIC_KEY" --insecure-ignore-tlog=true "$1" >/dev/null
	else
		cosign verify --certificate-oidc-issuer https://token.actions.githubusercontent.com \
			--certificate-identity-regexp "$workflow" "$1" >/dev/null
	fi
}

# attested IMAGE INDEX: fails if an image of the index is without an attestation,
# or an attestation without one of the predicates.
attested() {
	local digest types predicate
	for digest in $(jq -r '.manifests[] | select(.annotations["vnd.docker.reference.type"] == null) | .digest' <<<"$2"); do
		types=$(for about in $(jq -r --arg d "$digest" '.manifests[] | select(.annotations["vnd.docker.reference.digest"] == $d) | .digest' <<<"$2"); do
			inspect "$1@$about" | jq -r '.layers[].annotations["in-toto.io/predicate-type"]'
		done)
		for predicate in $predicates; do
			grep -q "^$predicate" <<<"$types" || die "$1@$digest has no attestation of $predicate"
		done
	done
}

for app in $apps; do
	image=$registry/rollcall-$app
	parts=()
	for file in "$digests/$app"-*; do
		parts+=("$image@$(cat "$file")")
	done
	docker buildx imagetools create --tag "$image:$tag" "${parts[@]}" >&2
	digest=$(docker buildx imagetools inspect "$image:$tag" --format '{{.Manifest.Digest}}')
	index=$(inspect "$image@$digest")
	[ "$(jq '[.manifests[] | select(.annotations["vnd.docker.reference.type"] == null)] | length' <<<"$index")" -eq ${#parts[@]} ] ||
		die "$image:$tag does not hold the images of ${#parts[@]} architectures"
	attested "$image" "$index"
	sign "$image@$digest"
	for part in "$digest" $(jq -r '.manifests[].digest' <<<"$index"); do
		verify "$image@$part" || die "$image@$part has no signature"
	done
	echo "$app $digest"
done
