# Targets for daily work. What CI runs is .ci/run; each of its steps is a target here, too.

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## compile both modules
	.ci/run build

.PHONY: logpipe
logpipe: ## build the production binary into bin/
	GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/logpipe ./cmd/logpipe

.PHONY: run
run: ## run the whole pipeline on this machine until Ctrl-C
	go run ./dev

.PHONY: test
test: ## run all tests
	.ci/run test

.PHONY: race
race: ## run the tests under the race detector, but for those of the Temporal server
	.ci/run race

.PHONY: lint
lint: ## golangci-lint on both modules
	.ci/run lint

.PHONY: templates
templates: ## lint the CloudFormation templates
	.ci/run templates

.PHONY: workflowcheck
workflowcheck: ## look for non-deterministic workflow code
	.ci/run workflowcheck

.PHONY: vet
vet: ## go vet on both modules
	.ci/run vet

.PHONY: format
format: ## gofmt all files
	gofmt -w .

.PHONY: tidy
tidy: ## go mod tidy in both modules
	GOWORK=off go mod tidy
	cd dev && GOWORK=off go mod tidy

.PHONY: binary
binary: ## check that the production binary is static, small and free of development modules
	.ci/run binary

.PHONY: allocations
allocations: ## hold what benchmarks allocate against .ci/allocations.txt
	.ci/run allocations

.PHONY: e2e
e2e: ## end to end for 20 seconds, without and with faults
	.ci/run e2e faults

.PHONY: chaos
chaos: ## a minute of killed, stopped and suspended processes
	.ci/run chaos

# With Compose v2, or with Debian's docker-compose.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: image
image: ## build the images logpipe:local and logpipe-dev:local
	docker build -t logpipe:local --build-arg VERSION=$${VERSION:-$$(git describe --tags --always --dirty)} \
		--build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(date -u +%Y-%m-%dT%H:%M:%SZ) $(if $(GO_IMAGE),--build-arg GO_IMAGE=$(GO_IMAGE)) .
	docker build -t logpipe-dev:local --target dev $(if $(GO_IMAGE),--build-arg GO_IMAGE=$(GO_IMAGE)) .

.PHONY: compose-up
compose-up: image ## run docker-compose.yml with traffic, in the background
	$(COMPOSE) --profile demo up -d --no-build

.PHONY: compose-down
compose-down: ## end it, and delete its volumes
	$(COMPOSE) --profile demo --profile observability down -v

.PHONY: compose-test
compose-test: ## prove images and docker-compose.yml on a Docker engine
	.ci/run compose

.PHONY: ci
ci: ## everything that CI runs
	.ci/run
