# Every target is one command or a short list of them; `make help` lists them.

MODULES := . bench lens examples/webstore
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -ldflags "-s -w -X main.version=$(VERSION)"
STATICCHECK := $(CURDIR)/bin/staticcheck

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: build ## the store with its telemetry on this machine, no Docker; ^C ends it (flags: make up ARGS="--help")
	@bin/webstore up $(ARGS)

.PHONY: build
build: ## bin/webstore and bin/lens
	@echo "building the store and lens (the first time takes some minutes: lens holds Prometheus)"
	@go build $(LDFLAGS) -o bin/ ./examples/webstore/cmd/webstore ./lens/cmd/lens

.PHONY: test
test: lint drift race specs ## everything: lint, generated files, all tests of all modules with the race detector

.PHONY: race
race: ## all tests of all modules, and the root module as its importers see it
	go test -race -timeout 20m work
	GOWORK=off go test -race ./...

.PHONY: specs
specs: ## whether OpenSLO's SDK and Sloth take what is generated for them (the first time takes some minutes)
	cd tools/slospecs && GOWORK=off go test ./...

.PHONY: lint
lint: $(STATICCHECK) ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l $(MODULES))" || { echo "not formatted, run gofmt -w on:"; gofmt -l $(MODULES); exit 1; }
	go vet work
	@for m in $(MODULES); do echo "staticcheck $$m"; (cd $$m && $(STATICCHECK) ./...) || exit 1; done

$(STATICCHECK): tools/staticcheck/go.mod
	cd tools/staticcheck && GOWORK=off go build -o $@ honnef.co/go/tools/cmd/staticcheck

.PHONY: generate
generate: ## dashboards, rules, their tests, runbooks and reference pages, from the definitions
	go run ./examples/webstore/cmd/generate
	go run ./otelkit/internal/environment > docs/reference/environment.md

.PHONY: drift
drift: ## fails when a committed file is not what its definitions generate
	go run ./examples/webstore/cmd/generate --check
	go run ./otelkit/internal/environment | diff -u docs/reference/environment.md -

.PHONY: bench
bench: ## the library beside what it replaces: a table of ratios, also into docs/PERFORMANCE.md (takes 20 minutes)
	cd bench && go run ./cmd/table -write ../docs/PERFORMANCE.md

.PHONY: load
load: build ## what the whole store stands on this machine, and what telemetry costs it, also into docs/PERFORMANCE.md (takes 8 minutes; Linux)
	go run ./examples/webstore/cmd/load -write docs/PERFORMANCE.md

.PHONY: crash
crash: ## main, payments and PostgreSQL are killed 200 times while shoppers buy, and all books have to agree (takes 15 minutes)
	go test -race -run TestNoKillLosesOrDoublesAnOrder -timeout 60m -v ./examples/webstore/e2e -kills 200

.PHONY: tail-sampling
tail-sampling: ## every exemplar's trace is kept by the Collector's own tail sampler (minutes to build)
	cd tools/tailsampling && GOWORK=off go test -v ./...

.PHONY: tidy
tidy: ## go.mod and go.sum of every module (the root module is not published: it stands in for the time)
	go mod tidy
	@for m in bench lens examples/webstore; do (cd $$m && root=$$(realpath --relative-to=. $(CURDIR)) \
		&& go mod edit -replace github.com/otelkit/kit=$$root && GOWORK=off go mod tidy \
		&& go mod edit -dropreplace github.com/otelkit/kit) || exit 1; done
	cd tools/slospecs && GOWORK=off go mod tidy
	cd tools/tailsampling && GOWORK=off go mod tidy

.PHONY: clean
clean: ## what was built; the store's data stay
	rm -rf bin
