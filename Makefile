# ultramcp-restate. `make run` and `make test` do all the set-up; `make help` lists the rest.
SHELL := /bin/bash
VERSION := 0.1.0
BUILD ?= build
PREFIX ?= /usr/local
CC := gcc
CXX := g++

# Debian 12 packages. What only tests and benchmarks need is listed apart.
DEPS := gcc g++ make pkg-config ca-certificates libuv1-dev libcurl4-openssl-dev libjansson-dev libsqlite3-dev \
	libmicrohttpd-dev libjq-dev libonig-dev libyaml-dev libtomlplusplus-dev libvalijson-dev rapidjson-dev \
	uthash-dev libssl-dev git
TEST_DEPS := libcmocka-dev curl jq sqlite3 strace faketime python3

PKGS := libuv libcurl jansson sqlite3 libmicrohttpd yaml-0.1 libcrypto
WARN := -Wall -Wextra -Wshadow -Wconversion -Werror
OPT ?= -O2
SAN ?=
CPPFLAGS += -Isrc -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CFLAGS += -std=gnu11 $(OPT) -g -fno-omit-frame-pointer -fstack-protector-strong $(WARN) $(SAN)
CXXFLAGS += -std=c++17 $(OPT) -g -fno-omit-frame-pointer -fstack-protector-strong -Wall -Wextra -Wno-maybe-uninitialized $(SAN)
LDLIBS += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -ljq -lonig -lm -lpthread
LDFLAGS += $(SAN)

SRC := $(shell find src -name '*.c' -o -name '*.cpp' | sort)
OBJ := $(patsubst %,$(BUILD)/%.o,$(SRC))
LIB_OBJ := $(filter-out $(BUILD)/src/main.c.o,$(OBJ))
AGENT_SRC := $(shell find agents -name '*.c' 2>/dev/null | sort)
AGENT_OBJ := $(patsubst %,$(BUILD)/%.o,$(AGENT_SRC))
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
SIM_SRC := $(wildcard tests/sim/*.c)
BENCH := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))

.PHONY: all help deps test-deps run test unit sim e2e asan tsan lint format bench install uninstall clean
.SECONDARY:

all: $(BUILD)/ultramcp-restate $(BUILD)/ultramcp-agents ## build the program and the reference agents

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

deps: ## install the Debian packages that the build needs
	@tools=$$(for p in $(DEPS); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	[ -z "$$tools" ] || { sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; $$sudo apt-get update -q && \
	DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -q --no-install-recommends $$tools; }

test-deps: deps ## install what the tests need besides
	@$(MAKE) --no-print-directory deps DEPS="$(TEST_DEPS)"

# The set-up may install pkg-config itself, so that what needs its flags runs in a second make.
run: deps ## set up, build, start agents and server, run two workflows and show their steps
	@$(MAKE) --no-print-directory all
	@tests/run-demo.sh

test: test-deps ## set up, build and pass all tests
	@$(MAKE) --no-print-directory all unit sim
	@$(MAKE) --no-print-directory unit sim BUILD=$(BUILD)/asan OPT=-O1 SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" SIM_SEEDS=300
	@$(MAKE) --no-print-directory e2e

unit: $(UNIT) ## unit tests (cmocka)
	@fail=0; for t in $(UNIT); do echo "== $$t"; $$t || fail=1; done; exit $$fail

SIM_SEEDS ?= 2000
sim: $(BUILD)/tests/sim/sim ## the core under the seeded simulator
# A simulated process dies with what it holds; leaks are looked for by the tests of real ones.
	ASAN_OPTIONS=detect_leaks=0 $(BUILD)/tests/sim/sim --seeds $(SIM_SEEDS)

e2e: all ## end to end: curl, git, kill -9
	@tests/e2e/run.sh $(BUILD)

tsan: ## the threads under ThreadSanitizer
	@$(MAKE) --no-print-directory unit BUILD=$(BUILD)/tsan OPT=-O1 SAN=-fsanitize=thread

asan: ## the program under AddressSanitizer and UBSan, into $(BUILD)/asan
	@$(MAKE) --no-print-directory all BUILD=$(BUILD)/asan OPT=-O1 SAN="-fsanitize=address,undefined -fno-sanitize-recover=all"

lint: ## clang-format, clang-tidy and the house rules
	@tests/lint.sh

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

bench: all $(BENCH) ## measure against restate-server (npm)
	@bench/run.sh $(BUILD)

install: all ## install into $(PREFIX)
	install -D $(BUILD)/ultramcp-restate $(DESTDIR)$(PREFIX)/bin/ultramcp-restate
	install -D $(BUILD)/ultramcp-agents $(DESTDIR)$(PREFIX)/bin/ultramcp-agents
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/ultramcp-restate/workflows workflows/*.yaml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/ultramcp-restate config.example.toml

uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/bin/ultramcp-restate $(DESTDIR)$(PREFIX)/bin/ultramcp-agents $(DESTDIR)$(PREFIX)/share/ultramcp-restate

clean:
	rm -rf $(BUILD)

$(BUILD)/ultramcp-restate: $(OBJ)
	$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Without libonig: it has a regcomp of its own, which is not the C library's.
$(BUILD)/ultramcp-agents: $(AGENT_OBJ) $(filter $(BUILD)/src/base/%,$(OBJ))
	$(CXX) $(LDFLAGS) -o $@ $^ $(filter-out -ljq -lonig,$(LDLIBS))

$(BUILD)/libultramcp.a: $(LIB_OBJ)
	@rm -f $@; ar rcs $@ $^

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.c.o $(BUILD)/libultramcp.a
	$(CXX) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# It brings its own turn_ functions, which stand before the archive so that the core is not pulled in.
$(BUILD)/tests/unit/test_flow: $(BUILD)/tests/unit/test_flow.c.o $(BUILD)/tests/unit/fake_turn.c.o $(BUILD)/libultramcp.a
	$(CXX) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

$(BUILD)/tests/sim/sim: $(patsubst %,$(BUILD)/%.o,$(SIM_SRC)) $(BUILD)/libultramcp.a
	$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/bench/%: $(BUILD)/bench/%.c.o $(BUILD)/libultramcp.a
	$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<


$(BUILD)/%.cpp.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
