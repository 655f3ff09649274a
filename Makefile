# Rollcall's tasks. `make` prints them.
#
# Everything that uses cgo (the recognizer and standalone) is compiled with a
# wrapper of the C++ compiler, so that go-face is not built for this machine
# only. It is linked with OpenBLAS through links in build/lib; see
# docs/adr/0003.

SHELL := /bin/sh
GO ?= go
# Oldest x86-64 level that the build runs on: x86-64-v2, any CPU since about
# 2009.
ARCH ?= $(if $(filter aarch64 arm64,$(shell uname -m)),armv8-a,x86-64-v2)
TAG ?= dev
# What images, -version, the metric and the dashboard say of themselves: the tag of a
# release, or what git makes of the commit.
VERSION ?= $(or $(filter-out dev,$(TAG)),$(shell git describe --tags --match 'v*' --always --abbrev=12 --dirty 2>/dev/null),unknown)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# Packages that `make test` tests.
PKGS ?= ./...

export CGO_ENABLED = 1
export CXX = $(CURDIR)/apps/recognizer/toolchain/cxx-$(ARCH)
export CGO_LDFLAGS = -L$(CURDIR)/build/lib
export OPENBLAS_NUM_THREADS = 1
# Without this tag, the WASM decoders of HEIC and AVIF search for system
# libraries at the start.
export GOFLAGS += -tags=nodynamic
# Programs started in the source tree also find these without the variables.
ROLLCALL_MODELS ?= $(CURDIR)/apps/recognizer/models
ROLLCALL_ONNXRUNTIME ?= $(CURDIR)/build/lib/libonnxruntime.so.1.32.0
export ROLLCALL_MODELS ROLLCALL_ONNXRUNTIME

VERSION_PACKAGE := github.com/rollcall-faces/rollcall/apps/internal/platform/version
LDFLAGS = -X $(VERSION_PACKAGE).release=$(VERSION)

PURE := receiver processor frontend redeemer rollcall portraits
CGO := recognizer standalone
# Installed by version and not a tool of go.mod: so it is built with the dependencies that
# its authors tested, and neither they nor we have to agree on versions. Building it takes
# about two minutes, once.
GOLANGCI_VERSION := v2.15.0
GOLANGCI := build/tools/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK_VERSION := v1.1.4
PROTOS := face.proto recognizer/v1/recognizer.proto

.DEFAULT_GOAL := help
.PHONY: help run test test-galera test-previous test-vitess cover build rollcall bench chaos hostile load fuzz-api accuracy manifests proto api lint notices fmt check samples screenshots images images-twice e2e-cluster vulnerabilities clean setup-run setup-test

help: ## Print this help.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup-run ## Everything on this machine: answers the samples, or your pictures with ARGS="-known DIR -unknown DIR -data DIR".
	@echo "Building (the first time takes some minutes: dlib is C++) ..."
	@$(GO) build -ldflags '$(LDFLAGS)' -o build/bin/standalone ./apps/standalone
	@exec build/bin/standalone $(ARGS)

# SQLite is C that was translated to Go: the race detector makes it five times slower, and
# it has no goroutines of its own. So it is left out, and its driver's pointers are not checked.
RACE = -race -gcflags=modernc.org/...=-race=false -gcflags=github.com/glebarez/go-sqlite=-d=checkptr=0

test: setup-test ## All tests, on a real MariaDB and a real nsqd, with the race detector.
	$(GO) test $(RACE) -shuffle=on -count=1 -timeout 30m $(TESTARGS) $(PKGS)

test-galera: setup-test ## The store's suite, and chaos, on a real cluster of three databases (Galera). Takes twenty minutes.
	@sh apps/setup/galera.sh build/tools
	PATH="$(CURDIR)/build/tools/galera:$$PATH" ROLLCALL_TEST_REQUIRE_GALERA=1 CGO_ENABLED=0 $(GO) test -count=1 -timeout 60m -p 1 -parallel 3 -run Galera -v $(TESTARGS) ./apps/internal/store ./apps/internal/backup ./apps/internal/devtest/mariadbtest ./apps/internal/devtest/chaos >build/galera.log || { cat build/galera.log; exit 1; }
	@grep -E '^ok|_test.go:' build/galera.log

# A module of its own: Vitess has several hundred dependencies, and needs no tag of ours.
test-vitess: ## Plan every statement of the store as Vitess would (docs/vitess.md). It needs mariadbd; the first build takes minutes.
	ROLLCALL_TEST_STATEMENTS=1 CGO_ENABLED=0 $(GO) test -count=1 -timeout 30m -run '^(TestMariaDB|TestSchemaIsWrittenDown)$$' ./apps/internal/store
	cd apps/internal/devtest/vitess && GOFLAGS=-buildvcs=false CGO_ENABLED=0 $(GO) test -count=1 -timeout 20m $(TESTARGS) ./...

test-previous: setup-test ## The suite of the previous release's store, on this tree's schema. Needs git's history.
	CGO_ENABLED=0 sh .ci/previous-store $(ARGS)

# Without the race detector: with it, each count is atomic and the decoders take ten times as long.
cover: setup-test ## How much of each package its own tests run.
	$(GO) test -count=1 -timeout 30m -covermode=set -coverprofile=build/cover.out $(TESTARGS) $(PKGS) >build/cover.log || { cat build/cover.log; exit 1; }
	@sh .ci/coverage build/cover.out

build: setup-run ## Build all programs into build/bin.
	@mkdir -p build/bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/bin/ $(PURE:%=./apps/%)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/bin/ $(CGO:%=./apps/%)

rollcall: ## Build the command line into build/bin. It needs Go and nothing else.
	@mkdir -p build/bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/bin/ ./apps/rollcall

bench: setup-test ## Measure: where a picture's time goes, memory, posts a second. Results are in docs/benchmarks.md.
	$(GO) run ./apps/bench $(ARGS)

chaos: setup-test ## Post 20,000 images while everything is killed, paused and cut off at random; check that each ends once. ARGS=-galera: on three databases.
	PATH="$(CURDIR)/build/tools/galera:$$PATH" CGO_ENABLED=0 $(GO) run ./apps/chaos $(ARGS)

hostile: setup-run ## Attack a running system with hostile input; good pictures must be answered. Results are in docs/hostile.md.
	$(GO) run ./apps/hostile $(ARGS)

load: ## Send requests to a running system at a set rate and measure: ARGS="-rate 20 -report DIR", or ARGS=-h; docs/load.md explains it.
	@mkdir -p build/bin
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/bin/ ./apps/load
	@build/bin/load $(ARGS)

fuzz-api: setup-run ## Send requests made from the OpenAPI document for 20 minutes; fails at a 5xx or an answer outside its schema.
	@$(GO) build -ldflags '$(LDFLAGS)' -o build/bin/standalone ./apps/standalone
	@sh apps/setup/fuzz-api.sh build/bin/standalone $(ARGS)

accuracy: setup-run ## Measure accuracy on photographs: ARGS="-faces DIR [-plot FILE.svg]". Results are in docs/accuracy.md.
	$(GO) run ./apps/accuracy $(ARGS)

# What every image says of itself; see apps/Dockerfile.
IMAGE_ARGS = --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
	--build-arg SOURCE_DATE_EPOCH=$(shell git log -1 --format=%ct 2>/dev/null || echo 0) \
	--build-arg CREATED=$(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null || echo 1970-01-01T00:00:00Z)
DOCKER ?= docker
DOCKER_FLAGS ?= --network host
IMAGES := receiver processor frontend redeemer

images: ## Build all images, rollcall-<program>:$(TAG), and hold them to their sizes.
	@mkdir -p build; rm -f build/ca-certificates.crt; if [ -n "$$SSL_CERT_FILE" ]; then cp "$$SSL_CERT_FILE" build/ca-certificates.crt; fi
	@for app in $(IMAGES) $(IMAGES_EXTRA); do \
		echo "rollcall-$$app:$(TAG)"; \
		$(DOCKER) build -q $(DOCKER_FLAGS) $(IMAGE_ARGS) --build-arg APP=$$app -f apps/Dockerfile -t rollcall-$$app:$(TAG) . || exit 1; \
	done
	@echo "rollcall-recognizer:$(TAG) (the first time takes some minutes: dlib is C++)"
	@$(DOCKER) build -q $(DOCKER_FLAGS) $(IMAGE_ARGS) -f apps/recognizer/Dockerfile -t rollcall-recognizer:$(TAG) .
	@DOCKER="$(DOCKER)" sh apps/setup/imagesizes.sh $(TAG)

images-twice: ## Build images twice, in two folders, and compare them byte for byte: ARGS="redeemer recognizer". Needs root or BUILDKIT_HOST.
	@sh apps/setup/images-twice.sh $(ARGS)

e2e-cluster: ## Walk through a whole life on the cluster that KUBECONFIG names; apps/e2e/README.md says how.
	CGO_ENABLED=0 $(GO) run ./apps/e2e $(ARGS)

manifests: ## Render the overlays into the golden files of apps/internal/devtest/manifests.
	CGO_ENABLED=0 $(GO) test -count=1 -run '^TestGolden$$' ./apps/internal/devtest/manifests -update

proto: ## Generate the Go code of proto/.
	@command -v protoc >/dev/null || { echo "protoc is missing: apt-get install protobuf-compiler"; exit 1; }
	@mkdir -p build/tools
	GOBIN=$(CURDIR)/build/tools CGO_ENABLED=0 $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
	PATH=$(CURDIR)/build/tools:$$PATH protoc -I proto --go_out=. --go_opt=module=github.com/rollcall-faces/rollcall \
		--go-grpc_out=. --go-grpc_opt=module=github.com/rollcall-faces/rollcall $(PROTOS:%=proto/%)

notices: ## Write THIRD_PARTY_NOTICES anew.
	CGO_ENABLED=0 $(GO) test -count=1 -run '^TestLicences$$' ./apps/internal/devtest/licences -update

api: ## Generate openapi.json and the Go types and client from apps/api/openapi.yaml.
	mkdir -p build
	CGO_ENABLED=0 $(GO) run ./apps/api/internal/order apps/api/openapi.yaml apps/api/openapi.json build/openapi.json
	cd apps/api && CGO_ENABLED=0 $(GO) tool oapi-codegen -config types.cfg.yaml ../../build/openapi.json
	cd apps/api && CGO_ENABLED=0 $(GO) tool oapi-codegen -config internal/rawclient/client.cfg.yaml ../../build/openapi.json

samples: ## Draw the sample pictures anew.
	CGO_ENABLED=0 $(GO) run ./apps/portraits -out apps/standalone/samples

screenshots: setup-test ## Take the pictures of the dashboard in docs, with the sample people.
	@$(GO) build -ldflags '$(LDFLAGS)' -o build/bin/standalone ./apps/standalone
	@sh apps/setup/screenshots.sh build/bin/standalone docs

lint: setup-run $(GOLANGCI) ## golangci-lint, with .golangci.yaml.
	$(GOLANGCI) run ./...

$(GOLANGCI):
	@echo "Building golangci-lint $(GOLANGCI_VERSION) (about two minutes, once) ..."
	@mkdir -p $(@D)
	@GOBIN=$(CURDIR)/$(@D) CGO_ENABLED=0 GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(@D)/golangci-lint $@

fmt: ## Format the code.
	gofmt -w apps proto

check: lint test cover ## What CI runs: formatting, lint, tidy, generated code, tests, coverage.
	@test -z "$$(gofmt -l apps proto)" || { echo "not formatted:"; gofmt -l apps proto; exit 1; }
	$(GO) mod tidy -diff
	@$(MAKE) --no-print-directory proto api
	git diff --exit-code -- proto apps/api

vulnerabilities: ## Known holes in the code that our programs reach. Needs the network; docs/supply-chain.md has the rules.
	CGO_ENABLED=0 $(GO) run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) $(PURE:%=./apps/%)

print-%: # A variable, for workflows and tests.
	@echo '$($*)'

clean: ## Remove what was built.
	rm -rf build

setup-run:
	@sh apps/setup/debian.sh run build/lib

setup-test:
	@sh apps/setup/debian.sh test build/lib
