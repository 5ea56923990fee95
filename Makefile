# `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BIN     := bin/lyandev
GO      ?= go
export CGO_ENABLED := 0

LINT    := bin/golangci-lint
LINTVER := v2.15.0

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: engine base build ## set everything up and run the lyanna stack
	./$(BIN) up $(ARGS)

.PHONY: down
down: build ## stop the stack; volumes are kept
	./$(BIN) down $(ARGS)

.PHONY: build
build: ## build bin/lyandev
	$(GO) build -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN) ./cmd/lyandev

.PHONY: engine
engine: ## install and start a Docker engine if none answers (Debian, root)
	@scripts/setup-engine

.PHONY: base
base: engine ## pull or build the base image if it is missing
	@scripts/base-image

.PHONY: images
images: engine base build ## build the stack's images
	./$(BIN) build --profile ha

.PHONY: test
test: images ## run all tests, including those on a real engine
	$(GO) build ./...
	@# One package at a time: tests on the real engine start whole stacks and would affect each other's timing.
	LYANDEV_BINARY=$(CURDIR)/$(BIN) $(GO) test -p 1 -timeout 30m $(TESTARGS) ./...

.PHONY: race
race: ## run the tests that need no engine under the race detector (needs a C compiler)
	@# -short skips the tests that need an engine. DOCKER_HOST leads nowhere, so that one that is not skipped fails.
	CGO_ENABLED=1 DOCKER_HOST=unix:///nonexistent/docker.sock $(GO) test -race -short -p 2 -timeout 10m $(TESTARGS) ./...

SEEDS ?= 300

.PHONY: simulate
simulate: ## run whole supervisors on a fake engine, SEEDS=n of them (300)
	$(GO) test ./supervisor/simulation -run 'TestSeeds$$' -timeout 60m -seeds=$(SEEDS)

.PHONY: compat
compat: engine base build ## compare with Docker Compose, on this engine and on Docker 28.5 (ENGINES="here 28.5")
	LYANDEV_BINARY=$(CURDIR)/$(BIN) TESTARGS="$(TESTARGS)" scripts/compat $(ENGINES)

.PHONY: lyanna
lyanna: images ## run a checkout of lyanna end to end: both profiles, switch, failovers, test run (some minutes)
	LYANDEV_BINARY=$(CURDIR)/$(BIN) $(GO) test -tags lyanna -timeout 30m $(TESTARGS) ./supervisor/e2e -run TestLyannaCheckout

.PHONY: debuggers
debuggers: images ## debug services with debugpy, delve and Node's inspector, on a real engine (some minutes)
	GO=$(GO) scripts/debuggers $(CURDIR)/bin/debuggers
	LYANDEV_DEBUGGERS=$(CURDIR)/bin/debuggers LYANDEV_BINARY=$(CURDIR)/$(BIN) $(GO) test -tags debuggers -timeout 20m $(TESTARGS) ./supervisor/e2e -run 'TestDebugpy|TestDelve|TestNodeInspector'

.PHONY: cross
cross: ## build for macOS and Windows, to detect Linux-only code
	@for os in darwin/arm64 darwin/amd64 windows/amd64; do \
		echo "GOOS=$${os%/*} GOARCH=$${os#*/} go build ./..."; \
		GOOS=$${os%/*} GOARCH=$${os#*/} $(GO) build ./... || exit 1; done

.PHONY: release
release: ## make the release archives and SHA256SUMS in dist/ (PLATFORMS="linux/amd64" for some)
	scripts/release $(VERSION) dist

.PHONY: lint
lint: ## check style and import rules
	@test -x $(LINT) || GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTVER)
	$(LINT) run --allow-parallel-runners ./...

# --force measures on a busy machine too; scripts/bench compare A.json B.json compares two results.
.PHONY: bench
bench: engine base build ## measure lyandev and a peer, and print ratios (BENCHARGS="--force --runs 1 network")
	scripts/bench $(BENCHARGS)

.PHONY: bench-scale
bench-scale: engine base build ## measure stacks of 30, 100 and 300 pods, and print the curve
	scripts/bench $(BENCHARGS) scale

.PHONY: bench-readme
bench-readme: ## write README's table from the newest whole result of make bench
	scripts/bench readme

.PHONY: clean
clean: ## remove build output
	rm -rf bin dist
