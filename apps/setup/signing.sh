#!/bin/sh
# signing.sh: gets what the cluster test signs and verifies images with: cosign, crane and
# sigstore's policy-controller with its manifests, built from apps/internal/devtest/signing,
# and Debian's registry. Building takes some minutes, once. It installs nothing.
#
# usage: signing.sh [folder]      (default: build/tools/signing)
set -eu

tools=${1:-build/tools/signing}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
module=$(cd "$(dirname "$0")/../internal/devtest/signing" && pwd)

cd "$module"
echo "setup: building cosign, crane and policy-controller" >&2
CGO_ENABLED=0 GOFLAGS=-trimpath go build -ldflags "-s -w" -o "$tools/" \
	github.com/sigstore/cosign/v2/cmd/cosign \
	github.com/google/go-containerregistry/cmd/crane \
	github.com/sigstore/policy-controller/cmd/webhook
rm -rf "$tools/policy-controller"
mkdir "$tools/policy-controller"
cp "$(go list -m -f '{{.Dir}}' github.com/sigstore/policy-controller)"/config/*.yaml "$tools/policy-controller/"
chmod -R u+w "$tools/policy-controller"

if [ ! -x "$tools/docker-registry" ]; then
	scratch=$(mktemp -d)
	trap 'rm -r "$scratch"' EXIT
	chmod 755 "$scratch" # apt-get downloads as the user _apt
	(cd "$scratch" && apt-get download -q docker-registry >&2 && dpkg-deb -x docker-registry_*.deb .) || {
		echo "setup: apt-get download docker-registry failed; its message is above" >&2
		exit 1
	}
	cp "$scratch/usr/bin/docker-registry" "$tools/docker-registry.new"
	mv "$tools/docker-registry.new" "$tools/docker-registry" # never half a program
fi
