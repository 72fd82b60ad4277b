# The habits of the house. `make` alone prints what can be done here.

# Pipes must fail when their first half fails: the OpenAPI check is one.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The version comes from git below. Go's own stamp is off because it stops the
# build where the checkout belongs to someone else, as it does on many CI hosts.
export GOFLAGS := $(filter-out -buildvcs%,$(GOFLAGS)) -buildvcs=false

VERSION ?= $(shell git describe --tags --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# The platforms on which everything must compile. Tasks run on the first.
PLATFORMS := linux darwin windows

# The agent is put into every pod, so its size is paid for at every task: 12 MiB.
AGENT_LIMIT := 12582912

# The linter is built once for each version of itself and of Go, outside of the
# tree: a clean checkout finds it again.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/remuda/tools
LINT_PACKAGE := github.com/golangci/golangci-lint/v2
LINT_VERSION := $(shell awk '$$1 == "$(LINT_PACKAGE)" { print $$2 }' tools/go.mod)
LINT = $(CACHE)/golangci-lint-$(LINT_VERSION)-$(shell go env GOVERSION)/golangci-lint

# What turns the templates of pages into Go, built likewise.
TEMPL_PACKAGE := github.com/a-h/templ
TEMPL_VERSION := $(shell awk '$$1 == "$(TEMPL_PACKAGE)" { print $$2 }' tools/go.mod)
TEMPL = $(CACHE)/templ-$(TEMPL_VERSION)/templ

# What tests speak S3 to. Its version stands in internal/s3test, too.
VERSITYGW_VERSION := v1.8.0
VERSITYGW = $(CACHE)/versitygw-$(VERSITYGW_VERSION)/versitygw

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- Build -------------------------------------------------------------------

.PHONY: build
build: ## build bin/remuda and bin/remuda-agent
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/remuda ./cmd/remuda-agent

.PHONY: pages
pages: $(TEMPL) ## write the Go of the pages from their templates
	$(TEMPL) generate -path internal/server/ui

.PHONY: openapi
openapi: build ## write docs/openapi.yaml from the code
	bin/remuda openapi > docs/openapi.yaml.new
	mv docs/openapi.yaml.new docs/openapi.yaml

.PHONY: format
format: ## format all Go code
	gofmt -s -w .

# --- Check -------------------------------------------------------------------

# Quick and cheap ones first: the sooner it fails, the better.
.PHONY: check
check: check-format check-changelog check-tidy check-imports check-pages check-openapi check-size check-vet lint ## format, go.mod, imports, OpenAPI, agent's size, vet for every platform, lint

.PHONY: check-format
check-format:
	@unformatted=$$(gofmt -s -l .); \
	if [ -n "$$unformatted" ]; then \
		echo "not formatted; run 'make format':"; echo "$$unformatted"; exit 1; \
	fi

.PHONY: check-changelog
check-changelog:
	@changelog.d/assemble --check

.PHONY: check-tidy
check-tidy:
	go mod tidy -diff
	for module in tools bench/river bench/plot $(PROVIDER_SOURCE); do (cd $$module && go mod tidy -diff) || exit 1; done
	for module in bench/river bench/plot $(PROVIDER_SOURCE); do (cd $$module && go vet ./...) || exit 1; done

.PHONY: check-imports
check-imports:
	go test ./internal/architecture

.PHONY: check-pages
check-pages: $(TEMPL)
	@before=$$(cat $$(find internal/server/ui -name '*_templ.go' | sort) | sha256sum); \
	$(TEMPL) generate -path internal/server/ui; \
	[ "$$before" = "$$(cat $$(find internal/server/ui -name '*_templ.go' | sort) | sha256sum)" ] || { \
		echo "the Go of some pages was not what their templates say; it is now: commit it"; exit 1; \
	}

.PHONY: check-openapi
check-openapi: build
	@bin/remuda openapi | diff -u --label docs/openapi.yaml --label 'remuda openapi' docs/openapi.yaml - || { \
		echo "docs/openapi.yaml is not what the code says; run 'make openapi'"; exit 1; \
	}

.PHONY: check-size
check-size: build
	@size=$$(wc -c < bin/remuda-agent); \
	if [ "$$size" -gt $(AGENT_LIMIT) ]; then \
		echo "bin/remuda-agent has $$size bytes; it may have $(AGENT_LIMIT)"; exit 1; \
	fi; \
	echo "bin/remuda-agent: $$((size)) of $(AGENT_LIMIT) bytes"

# Vet type-checks tests too, so a file for another platform cannot rot.
.PHONY: check-vet
check-vet:
	$(foreach os,$(PLATFORMS),GOOS=$(os) CGO_ENABLED=0 go vet ./... && ) true

.PHONY: lint
lint: $(LINT) ## run golangci-lint alone (builds it first, once for each Go version)
	$(LINT) run ./...

# Written under another name first: an interrupted build must not look finished.
$(LINT):
	@test -n '$(LINT_VERSION)' || { echo "tools/go.mod does not name $(LINT_PACKAGE)"; exit 1; }
	@mkdir -p $(@D)
	cd tools && CGO_ENABLED=0 nice go build -trimpath -o $@.$$$$ $(LINT_PACKAGE)/cmd/golangci-lint && mv $@.$$$$ $@

$(TEMPL):
	@test -n '$(TEMPL_VERSION)' || { echo "tools/go.mod does not name $(TEMPL_PACKAGE)"; exit 1; }
	@mkdir -p $(@D)
	cd tools && CGO_ENABLED=0 nice go build -trimpath -o $@.$$$$ $(TEMPL_PACKAGE)/cmd/templ && mv $@.$$$$ $@

# What runs of building blocks are tested with, and a provider of our own for them. The versions stand in
# internal/tofu/main_test.go, too; the provider is built again when its source changes.
TOFUS := $(CACHE)/opentofu-1.10.10/tofu $(CACHE)/opentofu-1.9.4/tofu $(CACHE)/terraform-1.5.7/terraform
PROVIDER_SOURCE := internal/tofu/testdata/provider
PROVIDER = $(CACHE)/providers/registry.example.test/remuda/proof/0.1.0/$(shell go env GOOS)_$(shell go env GOARCH)/terraform-provider-proof_v0.1.0

.PHONY: tools
tools: $(VERSITYGW) $(TOFUS) $(PROVIDER) ## build what tests need besides packages of the system, once for each version

# Outside of any module, so that its own go.mod counts and not ours.
$(VERSITYGW):
	@mkdir -p $(@D)
	cd / && CGO_ENABLED=0 GOBIN=$(@D)/new.$$$$ nice go install -trimpath github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION) && mv $(@D)/new.$$$$/versitygw $@ && rmdir $(@D)/new.$$$$

$(CACHE)/opentofu-%/tofu:
	tools/tofu opentofu $* $@

$(CACHE)/terraform-%/terraform:
	tools/tofu terraform $* $@

$(PROVIDER): $(wildcard $(PROVIDER_SOURCE)/*)
	@mkdir -p $(@D)
	cd $(PROVIDER_SOURCE) && CGO_ENABLED=0 nice go build -trimpath -ldflags '-s -w' -o $(CACHE)/provider.$$$$ . && mv $(CACHE)/provider.$$$$ $@

# --- Test --------------------------------------------------------------------

# What the race detector finds nothing in, but makes five to ten times as dear. SQLite keeps its data outside of Go's
# heap, where the detector does not look; its driver is watched, and so is all that uses it. What makes a key from a
# passphrase computes for a second in memory that it made itself, and what compresses has one user at a time: packing a
# provider of 20 MB took half a minute.
UNWATCHED := modernc.org/sqlite/lib modernc.org/libc modernc.org/memory golang.org/x/crypto/scrypt compress/flate

.PHONY: test
test: deps ## run all tests with the race detector
	CGO_ENABLED=1 go test -race $(UNWATCHED:%=-gcflags=%=-race=false) -timeout 30m ./...

# What takes long, or takes the machine apart. Each prints the seed that repeats it.
PROOF ?= 60s
.PHONY: prove
prove: deps ## kill everything that can be killed for a minute each, fill disks, take bucket and database away, hold the rules over PostgreSQL: PROOF=5m
	REMUDA_PROOF=$(PROOF) CGO_ENABLED=0 go test -count=1 -timeout 30m -v ./internal/proof
	REMUDA_TEST_DATABASE=postgres CGO_ENABLED=0 go test -count=1 -timeout 20m ./internal/control
	REMUDA_TEST_LONG=1 CGO_ENABLED=0 go test -count=1 -timeout 20m -run TestManyClaimers ./internal/store
	REMUDA_TEST_DATABASE=postgres REMUDA_SEEDS=50 CGO_ENABLED=0 go test -count=1 -timeout 20m -v -run TestNothingIsLost ./internal/simulation

# Pictures of every page, light and dark, wide and narrow, to look at.
SCREENSHOTS ?= bin/screenshots
.PHONY: screenshots
screenshots: deps ## take a picture of every web page: SCREENSHOTS=folder
	REMUDA_SCREENSHOTS=$(abspath $(SCREENSHOTS)) CGO_ENABLED=0 go test -tags screenshots -count=1 -timeout 20m -run TestScreenshots ./internal/server/ui

# Without the race detector many more seeds are tried in the same time.
SEEDS ?= 5000
.PHONY: simulate
simulate: ## try the simulation's seeds, its broken rules and what claims cost, without the race detector: SEEDS=50000 for more
	REMUDA_SEEDS=$(SEEDS) CGO_ENABLED=0 go test -count=1 -timeout 30m -v ./internal/simulation
	CGO_ENABLED=0 go test -count=1 -run 'TestAClaimCostsTheSame|TestAClaimInSQLiteWalks|TestManyClaimers' ./internal/store

SOAK ?= 1h
.PHONY: soak
soak: ## try new seeds of the simulation for as long as one likes: SOAK=8h
	REMUDA_SOAK=$(SOAK) CGO_ENABLED=0 go test -count=1 -timeout 0 -v -run 'TestNothingIsLostWhateverHappens' ./internal/simulation

# The time of minimizing is bounded, since by default it takes a minute for each input that is new.
FUZZ ?= 30s
.PHONY: fuzz
fuzz: ## fuzz each target for a while: FUZZ=5m
	@grep -rho --include='*_test.go' '^func Fuzz[A-Za-z]*' agent client runner internal cmd -H | sed 's,/[^/]*_test.go:func, ,' | sort | \
	while read -r package target; do \
		echo "$$package $$target"; \
		go test -run XXX -fuzz "^$$target\$$" -fuzztime $(FUZZ) -fuzzminimizetime 20x "./$$package" </dev/null; \
	done

# A kernel for the guest: taken out of Debian's package, not installed.
GUEST := $(CACHE)/guest
.PHONY: guest
guest: deps $(GUEST)/boot ## kill a whole machine that runs the control plane
	@command -v qemu-system-x86_64 >/dev/null && command -v busybox >/dev/null || { \
		$(SUDO) $(APT_UPDATE); \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qy -o Acquire::Retries=3 install --no-install-recommends qemu-system-x86 busybox-static e2fsprogs; \
	}
	REMUDA_PROOF_GUEST=$(GUEST) CGO_ENABLED=0 go test -count=1 -timeout 20m -v -run 'MachineIsKilled' ./internal/proof

$(GUEST)/boot:
	@rm -rf $(GUEST).new && mkdir -p $(GUEST).new
	$(SUDO) $(APT_UPDATE)
	cd $(GUEST).new && apt-get -q download "$$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $$2; exit }')"
	cd $(GUEST).new && dpkg-deb -x linux-image-*.deb . && rm linux-image-*.deb
	rm -rf $(GUEST) && mv $(GUEST).new $(GUEST)

.PHONY: bench
bench: ## measure what docs/performance.md speaks of
	CGO_ENABLED=0 go run ./bench -figures $(FIGURES)

# Where bench leaves what is drawn.
FIGURES ?= bin/figures
.PHONY: plot
plot: ## draw how long tasks wait under load, from what bench measured: docs/latency.svg
	cd bench/plot && go run . -figures $(abspath $(FIGURES)) -o $(abspath docs/latency.svg)

# What tests need besides Go, on Debian:
#   git              checkout steps are tested with real repositories
#   bash             the default shell of steps
#   ca-certificates  go fetches modules over HTTPS
#   gcc, libc6-dev   the race detector links with C
#   procps           ps tells what a step inherited
#   postgresql       the other database; its server need not run
#   chromium         pages are tested in a real browser
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo -n)
APT_UPDATE ?= apt-get -q update

.PHONY: deps
deps: ## install on Debian what the tests need, or name what is missing
	@missing=''; \
	command -v git >/dev/null || missing="$$missing git"; \
	command -v bash >/dev/null || missing="$$missing bash"; \
	command -v ps >/dev/null || missing="$$missing procps"; \
	command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	if [ -e /etc/debian_version ]; then \
		[ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$$missing ca-certificates"; \
	fi; \
	if ! command -v "$$(go env CC)" >/dev/null; then missing="$$missing gcc libc6-dev"; \
	elif ! echo '#include <stdlib.h>' | $$(go env CC) -E - >/dev/null 2>&1; then missing="$$missing libc6-dev"; fi; \
	if ! [ -x /usr/bin/chromium ]; then missing="$$missing chromium"; fi; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	sudo=''; \
	if [ "$$(id -u)" != 0 ]; then sudo='sudo -n'; fi; \
	if ! command -v apt-get >/dev/null || ! $$sudo true 2>/dev/null; then \
		echo "the tests need what is missing here (Debian's names):$$missing"; exit 1; \
	fi; \
	$$sudo $(APT_UPDATE); \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qy -o Acquire::Retries=3 install --no-install-recommends $$missing

# --- Release -----------------------------------------------------------------

.PHONY: changelog
changelog: ## move the fragments of changelog.d into CHANGELOG.md: make changelog VERSION=v0.1.0
	@test '$(origin VERSION)' = 'command line' || { echo 'say which: make changelog VERSION=v0.1.0'; exit 2; }
	changelog.d/assemble '$(VERSION)'

.PHONY: clean
clean: ## delete what make built in this folder
	rm -rf bin
