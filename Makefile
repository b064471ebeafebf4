# SPDX-License-Identifier: Apache-2.0
# The front door. Every target forwards to CMake, ctest or a script of tools/; no rule of the build
# lives here. Packages that are missing are installed first (tools/setup says which).

PREFIX ?= /usr/local
TIME   ?= 60
ROUNDS ?= 2000
SEEDS  ?= 5000
DATA   ?= varve-data

CONFIGURE := cmake --preset release --log-level=WARNING
BUILD     := cmake --build build
CAMPAIGNS := crash crash-long sched kill kill-long fuzz flips model mutants coverage

.PHONY: default run test python bench bench-peers roundtrip $(CAMPAIGNS) check install format clean
.NOTPARALLEL:

# build/varve, build/libvarve.so, build/libvarve.a, build/varve-bench
default:
	@tools/setup build
	@$(CONFIGURE) -DVARVE_TESTS=OFF
	@$(BUILD)

# The server on an embedded directory, with the metrics of this host in it.
run: default
	@exec build/varve serve --collect-host --data $(DATA)

# Everything that is checked before a change lands; ends with a summary.
test:
	@start=$$(date +%s); tools/setup build test && exec tools/test --since $$start

# .venv with the package varve (bindings/python) in it.
python:
	@tools/setup build python
	@python3 -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check ./bindings/python
	@echo "python: .venv/bin/python -c 'import varve'"

# A smoke run; build/varve-bench --help lists the rest.
bench: default
	@exec build/varve-bench run --preset smoke

# Other engines for `varve-bench compare`, into build/peers (minutes, once; Go and Rust).
bench-peers:
	@exec bench/peers/build build/peers

# 10 million rows out and in again through every format, in bounded memory (minutes).
roundtrip: default
	@VARVE_TEST_PERCENT=100 VARVE_PROGRAM=build/varve exec python3 tests/server/test_roundtrip.py -v

# Programmes beside `make test`, docs/internals/testing.md: crash (prints `crash states: N`),
# crash-long TIME=3600, sched TIME=3600, kill ROUNDS=2000, kill-long, fuzz TIME=600 (for each target), flips, model
# SEEDS=5000, mutants, coverage.
$(CAMPAIGNS):
	@tools/setup build test
	@exec tools/test --campaign $@ --seconds $(TIME) --rounds $(ROUNDS) --seeds $(SEEDS)

# Formatting, rooms, names, exports, links, static analysis: what is judged without running tests.
check:
	@tools/setup build test
	@exec tools/test --only format,rules,header,build-release,exports,build-clang,analyse

install: default
	@cmake --install build --prefix $(PREFIX)

format:
	@git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

clean:
	@rm -rf build build-*
