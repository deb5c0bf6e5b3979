# The short front of the build: everything here calls something else. Start with `make run`.
BUILD   ?= build
CHECK   ?= build-check
TSAN    ?= build-tsan
FUZZ    ?= build-fuzz
ARGS    ?=
T       ?= all
SCRIPTS ?= $(wildcard $(or $(TIDEMARK_SHARED),../shared)/promqltest/*.test)
S       ?= 20
RUNS    ?=

.PHONY: all setup release run test check tsan fuzz bench ui crash conformance differential hostile cuts points models mutations faults diskfull tidy clean

all: release

# Installs what is missing and prepares the release build; quick when all is there.
setup:
	@tools/setup.sh

$(BUILD)/build.ninja: | setup
	meson setup $(BUILD) --buildtype=release

release: setup $(BUILD)/build.ninja
	ninja -C $(BUILD)

run: release
	exec $(BUILD)/tidemark server $(ARGS)

# Units, golden files and integration in the release build; ends with "N passed, N failed".
test: release
	tools/test.py --build $(BUILD) --suite units,tools,ui,integration

# Style and sanitizers: tidy, clang-format, clang-tidy, units and short integration.
check: setup tidy $(BUILD)/build.ninja
	tools/lint.sh $(BUILD)
	[ -f $(CHECK)/build.ninja ] || meson setup $(CHECK) -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
	ninja -C $(CHECK)
	tools/test.py --build $(CHECK) --suite units,integration --short

tidy:
	tools/tidy.py

tsan: setup
	[ -f $(TSAN)/build.ninja ] || meson setup $(TSAN) -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false
	ninja -C $(TSAN)
	tools/test.py --build $(TSAN) --suite units,integration --short

# make fuzz T=expo_fuzz S=60: one target (or all) for S seconds each; RUNS=N ends after N inputs from a
# fixed seed.
fuzz: setup
	[ -f $(FUZZ)/build.ninja ] || CC=clang CXX=clang++ meson setup $(FUZZ) -Dfuzz=true -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dui=disabled
	ninja -C $(FUZZ) fuzzers
	tools/fuzz.sh $(FUZZ) $(T) $(S) $(RUNS)

crash: release
	tools/test.py --build $(BUILD) --suite crash

# PromQL test scripts in upstream's language: those of $$TIDEMARK_SHARED/promqltest, or SCRIPTS="a.test b.test".
conformance: release
	@[ -n "$(SCRIPTS)" ] || { echo 'conformance: no scripts: give SCRIPTS="a.test …" or TIDEMARK_SHARED' >&2; exit 2; }
	$(BUILD)/src/promql/promql_script $(SCRIPTS)

# The long forms of tests that `make test` runs for seconds; each prints its seed and totals. How long: N=100000,
# and another TIDEMARK_SEED. Random queries against Debian's Prometheus:
differential: release
	TIDEMARK_DIFFERENTIAL=$(or $(N),5000) tools/test.py --build $(BUILD) --suite integration --only test_differential.py

# A hundred clients with bad patterns, N seconds:
hostile: release
	TIDEMARK_HOSTILE_SECONDS=$(or $(N),180) tools/test.py --build $(BUILD) --suite integration --only test_hostile.py

# Storage alone: simulated power cuts at random calls (cuts: 50,000) and at every call of each kind of work
# (points: 8 seeds), random work against a slow store (models: 150 of three kinds), damaged copies of the golden
# data folder (mutations: 100,000):
cuts points models mutations: release
	tools/long.py --build $(BUILD) $@ $(N)

# Each call, each sync and each request for memory of storage's and the engine's courses fails once:
faults: release
	TIDEMARK_STRIDE=1 $(BUILD)/src/tsdb/tsdb_test survives_each
	TIDEMARK_STRIDE=1 $(BUILD)/src/tsdb/tsdb_test counts_on_no_file
	TIDEMARK_STRIDE=1 $(BUILD)/src/promql/promql_test survive_each
	TIDEMARK_STRIDE=1 $(BUILD)/src/promql/promql_test survives_each

# Cycles of a disk that is full and has space again, on a tmpfs if one may be mounted:
diskfull: release
	TIDEMARK_DISK_CYCLES=$(or $(N),100) tools/test.py --build $(BUILD) --suite integration --only test_disk_full.py

bench: release
	tools/bench.py --build $(BUILD) $(ARGS)

ui: setup
	cd ui && npm run build

clean:
	rm -rf $(BUILD) $(CHECK) $(TSAN) $(FUZZ) ui/dist
