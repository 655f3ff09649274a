#!/usr/bin/env bash
# install.sh [build|remove]: builds KEDA and metrics-server from their Go modules, loads
# them into the cluster that KUBECONFIG names, and installs them. For a cluster that cannot
# pull their images; elsewhere install them as their own pages say. README.md of the folder
# above tells more. With build nothing is installed; remove takes both away again.
# ROLLCALL_E2E_LOAD is the command that loads images into the nodes, as for the walk.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=$root/build/autoscalers
keda=v2.17.2 # that of apps/internal/devtest/manifests
metrics=v0.8.0
keda_module=github.com/kedacore/keda/v2@$keda
metrics_module=sigs.k8s.io/metrics-server@$metrics

# module NAME: the folder of a Go module, downloaded if it is not there.
module() { (cd / && go mod download -json "$1") | sed -n 's/^\t"Dir": "\(.*\)",\?$/\1/p'; }

# manifests NAME FOLDER: our kustomization of NAME, beside a copy of a module's folder.
manifests() {
	rm -rf "${out:?}/$1"
	cp -R "$here/$1" "$out/$1"
	cp -R "$2" "$out/$1/"
	chmod -R u+w "$out/$1"
	sed -i "s/newTag: TAG/newTag: $3/" "$out/$1/kustomization.yaml"
}

# image NAME TAG PROGRAM PATH: an image of one static program, which is at PATH in it.
image() {
	local dir=$out/image
	rm -rf "$dir" && mkdir "$dir"
	cp "$3" "$dir/program"
	printf 'FROM scratch\nCOPY program %s\nUSER 65532:65532\nENTRYPOINT ["%s"]\n' "$4" "$4" >"$dir/Dockerfile"
	docker build --quiet --tag "$1:$2" "$dir" >/dev/null
	sh -c "${ROLLCALL_E2E_LOAD:?set it to the command that loads the images \"\$@\" into the nodes}" load "$1:$2"
}

# build PROGRAM MODULE PACKAGE LDFLAGS: builds a program in its own module: with the
# dependencies of its authors, whose replace directives count nowhere else.
build() {
	[ -x "$out/$1" ] && return
	(cd "$(module "$2")" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -ldflags "-s -w $4" -o "$out/$1" "$3")
}

# Whether the API server proves to other servers that it is itself.
has_aggregator_certificate() {
	kubectl -n kube-system get configmap extension-apiserver-authentication -o jsonpath='{.data.requestheader-client-ca-file}' | grep -q CERTIFICATE
}

mkdir -p "$out"
manifests keda "$(module "$keda_module")/config" "$keda"
manifests metrics-server "$(module "$metrics_module")/manifests" "$metrics"
if [ "${1:-}" = remove ]; then
	for part in "$here/anonymous" "$out/metrics-server" "$out/keda"; do
		kubectl delete --ignore-not-found --kustomize "$part"
	done
	exit
fi
version="-X github.com/kedacore/keda/v2/version.Version=$keda"
build "keda-$keda" "$keda_module" ./cmd/operator "$version"
build "keda-adapter-$keda" "$keda_module" ./cmd/adapter "$version"
build "metrics-server-$metrics" "$metrics_module" ./cmd/metrics-server ""
[ "${1:-}" = build ] && exit
image rollcall-lab-keda $keda "$out/keda-$keda" /keda
image rollcall-lab-keda-adapter $keda "$out/keda-adapter-$keda" /keda-adapter
image rollcall-lab-metrics-server $metrics "$out/metrics-server-$metrics" /metrics-server
# KEDA's definitions are too large for the annotation of a client-side apply.
kubectl apply --server-side --force-conflicts --kustomize "$out/keda"
kubectl apply --server-side --force-conflicts --kustomize "$out/metrics-server"
has_aggregator_certificate || kubectl apply --kustomize "$here/anonymous"
kubectl -n keda rollout status deployment/keda-operator deployment/keda-metrics-apiserver --timeout=5m
kubectl -n kube-system rollout status deployment/metrics-server --timeout=5m
kubectl wait --for=condition=Available --timeout=5m apiservice/v1beta1.metrics.k8s.io apiservice/v1beta1.external.metrics.k8s.io
