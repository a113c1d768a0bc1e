# Few targets; each is one command that can be typed as well.
.PHONY: help build demo docs test e2e lint slim deny crds bench install-manifest \
  release release-tag release-programs release-assets release-images release-images-join

help: ## say what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'
build: ## the release binaries: kubectl-axon, and operator and runner linked statically
	cargo build --release --locked -p kubectl-axon --bins
	cargo rustc --release --locked -p axon-operator --bin axon-operator -- -C target-feature=+crt-static
	cargo rustc --release --locked -p axon-runner --bin axon-runner -- -C target-feature=+crt-static
demo: ## the main job on this machine, without a cluster and without a key
	examples/01-first-task/run
docs: ## what is generated of the documentation: reference, pictures, what the examples are planned to
	docs/pictures/make
	AXON_DOCS=write cargo test --quiet --locked -p kubectl-axon --test docs
	AXON_DOCS=write cargo test --quiet --locked -p axon-operator --test reference
test: ## every test that needs no cluster
	e2e/test
e2e: ## the scenarios on a real Kubernetes, which it brings up unless KUBECONFIG names one
	e2e/run
slim: ## builds with one source and one agent type: lints, tests, and the same definitions
	e2e/slim
lint: ## formatting and clippy
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
deny: ## licences, advisories and sources (needs cargo-deny and the advisory database)
	cargo deny --locked check
crds: ## the CustomResourceDefinitions
	@cargo run --quiet --locked -p axon-operator --bin axon-operator -- crd
install-manifest: ## what the chart is made from and install.yaml, the chart with its defaults (needs Go for Helm)
	charts/axon/generate
bench: ## start-up and latency of the release build
	e2e/bench
release: release-programs ## all files of a release into target/dist/assets, for PLATFORMS (docs/releasing.md)
	$(MAKE) release-assets
PLATFORMS ?= linux-amd64 linux-arm64
release-tag: ## whether the git tag TAG is this version
	e2e/release/tag $(TAG)
release-programs: ## the programs of a release, for PLATFORMS
	e2e/release/programs $(PLATFORMS)
release-assets: ## archives, krew's manifest, chart, install manifests, SBOMs and checksums, from those programs
	e2e/release/archives
	e2e/release/krew
	e2e/release/manifests
	e2e/release/sbom
	e2e/release/checksums
release-images: ## the images of ARCHITECTURE (amd64, arm64), pushed to IMAGE_REGISTRY (needs Docker)
	e2e/release/images build $(ARCHITECTURE)
release-images-join: ## one image of those of both architectures
	e2e/release/images join amd64 arm64
