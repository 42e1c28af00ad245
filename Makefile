# The tasks of this repository. Each makes what it needs; `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := mosquitto mosquitto-clients iproute2 opencv-doc libmodbus5 libmodbus-dev mbpoll socat strace e2fsprogs gcc nats-server systemd systemd-container zsh fish openssh-client chromium faketime openssl man-db mmdebstrap minisign iptables
# what the long tests need besides: an emulator of arm64, and what builds and runs container images
LONG_PEERS := qemu-user-static buildah podman runc
NPM_PEERS := modbus-serial@8.0.25 jsmodbus@5.0.0 serialport@13.0.0 node-bacnet@0.2.4 aedes@1.2.0 ws@8.18.3 sparkplug-payload@1.0.3 @asyncapi/parser@3.6.3 mqtt@5.16.0
# where no systemd runs, nobody else tells the kernel who reads the programs of another processor
EMULATE := at=/proc/sys/fs/binfmt_misc; mountpoint -q $$at || mount -t binfmt_misc binfmt_misc $$at; \
	cd /usr/lib/binfmt.d && for one in qemu-aarch64.conf qemu-x86_64.conf; do \
	test ! -e $$one || /usr/lib/systemd/systemd-binfmt $$one; done
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

.DEFAULT_GOAL := help
.PHONY: demo test check fmt bench bench-peers peers long simulate fuzz coverage faults soak wheel deb lock clean help $(VENV)

demo: $(STAMP)  ## run a whole small site on this computer (SECONDS=45: end by itself and judge)
	@$(BIN)/citygate demo --cache build/demo $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

test: $(STAMP)  ## run the everyday tests; what needs a missing program is skipped by name
	$(BIN)/python -m pytest -q -rs -m "not long" $(ARGS)

check: $(STAMP)  ## lint, format, types, import rules and contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_contracts.py tests/test_hygiene.py

fmt: $(STAMP)  ## put the code into its one format
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

bench: $(STAMP)  ## measure everything in bench/; make bench-NAME measures one
	$(BIN)/python bench/run.py

bench-%: $(STAMP)
	$(BIN)/python bench/run.py $*

bench-peers: $(STAMP)  ## put others beside our gateway, through faults, into docs/comparison.md (ARGS=--install: only have them)
	$(BIN)/python -m bench.peers $(ARGS)

long: $(STAMP)  ## run the tests that take longer: kills, power cuts, days of outage
	$(BIN)/python -m pytest -q -rs -m long $(ARGS)

simulate: $(STAMP)  ## let everything happen to a whole gateway on virtual time (SEEDS=500, FIRST=0)
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),500) --first $(or $(FIRST),0)

fuzz: $(STAMP)  ## feed every reader of foreign bytes with mutants (MINUTES=60, ARGS="modbus-rtu p1")
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
		$(BIN)/python -m pip install -q --disable-pip-version-check --only-binary :all: 'atheris>=3' || true
	$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),60) $(ARGS)

coverage: $(STAMP)  ## measure what the everyday tests reach (ARGS="--only agent/outbox tests/agent")
	$(BIN)/python -m tests.coverage $(ARGS)

faults: $(STAMP)  ## let everything of the fault matrix happen, and write what was seen into docs/reliability.md
	rm -rf build/faults
	CITYGATE_FAULTS=build/faults $(BIN)/python -m pytest -q -rs tests/faults $(ARGS); \
		$(BIN)/python -m tests.faults.matrix build/faults

soak: $(STAMP)  ## let a small real site break at random for hours, and see whether anything grows (HOURS=1, SEED=1)
	$(BIN)/python -m tests.soak --hours $(or $(HOURS),1) --seed $(or $(SEED),1)

peers:  ## install the real servers and clients that tests talk to (Debian, root); LONG=1: for make long too
	$(SUDO) apt-get update -q
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(PEERS) $(if $(LONG),$(LONG_PEERS)) \
		$(if $(shell command -v npm),,nodejs npm)
	npm install --prefix build/peers/npm --omit=optional --ignore-scripts --no-save --no-package-lock \
		--loglevel=error $(NPM_PEERS)
	$(if $(LONG),$(SUDO) sh -c '$(EMULATE)')

wheel: $(STAMP)  ## build the wheel into dist/
	$(BIN)/python -m pip wheel -q --no-deps --wheel-dir dist .

deb: $(STAMP)  ## build Debian packages into dist/; make deb TARGETS=debian12-arm64 builds one
	$(BIN)/python -m release deb $(TARGETS)

lock: $(STAMP)  ## look for the newest wheels for the packages, and write their hashes to release/lock/
	$(BIN)/python -m release lock

clean:  ## remove what was made here, the virtual environment too
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## list the tasks
	@sed -n 's/^\([a-z-]*\):.*  ## /\1|/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r task text; do printf '  make %-11s %s\n' "$$task" "$$text"; done

$(VENV): $(STAMP)

# made once; installed again only when pyproject.toml has changed
$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "citygate needs Python 3.11 or newer; '$(PYTHON)' is not." \
			"Install one and say: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed. On Debian: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "installing into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
