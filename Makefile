# What one does with conversion-relay from a fresh clone. Needs a Rust toolchain; the rest is installed, and said, when missing.
.DEFAULT_GOAL := help
.PHONY: help build demo run down test test-unit oracle lint bench schemas clean-services

# rustup's folder is not on the path of every shell.
export PATH := $(PATH):$(HOME)/.cargo/bin

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## Build the release binaries
	@scripts/build-tools
	cargo build --release

demo: ## Start everything with simulated platforms and show a day of conversions
	@scripts/build-tools
	@scripts/demo

run: ## Run all worker roles against a RabbitMQ and a Postgres, started if need be (scripts/run --gateway: HTTP, too)
	@scripts/run

down: ## Stop and remove what demo and run started, with its data
	@scripts/down

test: ## Run all tests against a real RabbitMQ and a real Postgres
	@scripts/test

test-unit: ## Run the tests that need no services
	@scripts/build-tools
	cargo test --features crash-points --lib --bins

oracle: ## Compare what would be sent with the platforms' own packages (needs Python)
	@scripts/build-tools
	@scripts/oracle/run

lint: ## Check the formatting and run clippy
	@scripts/build-tools rustfmt clippy
	cargo fmt --all --check
	cargo clippy --all-targets --features crash-points -- -D warnings

bench: ## Measure the speed, against services of its own
	@scripts/build-tools
	scripts/with-services bench -- cargo bench --bench whole_path --bench click_ledger

schemas: ## Write schemas/messages again from the types
	@scripts/build-tools
	cargo run -- schemas

clean-services: down ## Also remove the folder of the services
	rm -rf .relay
