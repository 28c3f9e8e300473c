# ragstore: build, test, install.
#
#   make            library and programs            (no network, ever)
#   make help       all targets
#
# User flags (CC CFLAGS CPPFLAGS LDFLAGS …) are added to the mandatory ones below. Each flag set
# has its own directory under build/, so that release, sanitizer and coverage builds never mix:
# `make VARIANT=asan check-unit`.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

CC ?= cc
ifeq ($(origin CC),default)
CC := cc
endif
AR ?= ar
LD ?= ld
OBJCOPY ?= objcopy
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/ragstore
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
SYSTEMDUNITDIR ?= $(PREFIX)/lib/systemd/system
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
V ?= 0
Q := $(if $(filter 0,$(V)),@,)
say = $(if $(filter 0,$(V)),@printf '  %-8s %s\n' '$(1)' '$(2)',@:)

# ---- version: only the header knows it ------------------------------------------------------

version_part = $(shell sed -n 's/^.define RAGSTORE_VERSION_$(1) //p' include/ragstore.h)
VERSION_MAJOR := $(call version_part,MAJOR)
VERSION := $(VERSION_MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
SONAME := libragstore.so.$(VERSION_MAJOR)

# ---- flag sets ------------------------------------------------------------------------------

VARIANT ?= release
variant_flags_release := -O3
variant_flags_debug := -O0 -DRSI_DEBUG
variant_flags_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
variant_flags_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer
variant_flags_fuzz := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer
variant_flags_coverage := -O0 --coverage
VARIANT_FLAGS := $(variant_flags_$(VARIANT))
$(if $(filter undefined,$(origin variant_flags_$(VARIANT))),$(error unknown VARIANT $(VARIANT)))

BUILD := build/$(VARIANT)
ifeq ($(VARIANT),release)
BIN := build/bin
LIB := build/lib
else
BIN := $(BUILD)/bin
LIB := $(BUILD)/lib
endif

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wvla
MANDATORY := -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -fno-math-errno \
             -ffile-prefix-map=$(CURDIR)=. $(WARNINGS)

# ---- dependencies ---------------------------------------------------------------------------

FAISS_PREFIX ?= $(shell tools/setup.sh print-faiss-prefix 2>/dev/null)
FAISS_ARCHIVES := $(firstword $(wildcard $(FAISS_PREFIX)/lib/libfaiss_c.a $(FAISS_PREFIX)/lib64/libfaiss_c.a)) \
                  $(firstword $(wildcard $(FAISS_PREFIX)/lib/libfaiss.a $(FAISS_PREFIX)/lib64/libfaiss.a))
LIB_MODULES := jansson openblas libutf8proc uchardet libpcre2-8
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIB_MODULES) 2>/dev/null) -isystem $(FAISS_PREFIX)/include
LIB_LIBS := $(shell $(PKG_CONFIG) --libs $(LIB_MODULES) 2>/dev/null) -lstemmer -lgomp -lstdc++ -lm -lpthread
SERVER_CFLAGS := $(shell $(PKG_CONFIG) --cflags libmicrohttpd jansson nettle 2>/dev/null)
SERVER_LIBS := $(shell $(PKG_CONFIG) --libs libmicrohttpd jansson nettle 2>/dev/null) -lpthread
# the extraction helper is left out, loudly, where one of these is missing
EXTRACT_MODULES := poppler-glib gmime-3.0 libzip libxml-2.0 libseccomp
HAVE_EXTRACT := $(shell $(PKG_CONFIG) --exists $(EXTRACT_MODULES) 2>/dev/null && echo yes)
EXTRACT_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(EXTRACT_MODULES) 2>/dev/null))
EXTRACT_LIBS := $(shell $(PKG_CONFIG) --libs $(EXTRACT_MODULES) 2>/dev/null) -lm

# and so is the server's client for language models
HAVE_LLM := $(shell $(PKG_CONFIG) --exists libcurl jansson 2>/dev/null && echo yes)
LLM_CFLAGS := $(if $(HAVE_LLM),-DSERVER_HAS_LLM -Iexamples/llm)
LLM_LIBS := $(if $(HAVE_LLM),$(shell $(PKG_CONFIG) --libs libcurl 2>/dev/null))
SERVER_CFLAGS += $(LLM_CFLAGS)
SERVER_LIBS += $(LLM_LIBS)

# ---- sources, by room -----------------------------------------------------------------------

include lib/sources.mk
lib_sources := $(foreach room,$(ROOMS),$(addprefix lib/$(room)/,$(ROOM_$(room))))
lib_objects := $(lib_sources:%.c=$(BUILD)/%.o)

# the helper, and the one file that starts it
helper_sources := $(filter-out examples/extract/extract_runner.c,$(wildcard examples/extract/*.c))
helper_objects := $(helper_sources:%.c=$(BUILD)/%.o)
runner_objects := $(BUILD)/examples/extract/extract_runner.o

llm_sources := $(if $(HAVE_LLM),$(wildcard examples/llm/*.c))
llm_objects := $(llm_sources:%.c=$(BUILD)/%.o)
server_sources := $(wildcard examples/server/*.c) examples/extract/extract_runner.c $(llm_sources)
cli_sources := $(wildcard examples/cli/*.c)
cli_objects := $(cli_sources:%.c=$(BUILD)/%.o) $(runner_objects) $(llm_objects)
CLI_LIBS := $(shell $(PKG_CONFIG) --libs jansson 2>/dev/null) $(LLM_LIBS) -lpthread
web_sources := $(wildcard examples/server/web/*)
web_bytes := $(BUILD)/examples/server/web_bytes
server_objects := $(server_sources:%.c=$(BUILD)/%.o) $(web_bytes).o

unit_tests := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/test_*.c))
fuzz_tests := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/test_*.c))
crash_tests := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/crash/test_*.c))
api_tests := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/api/test_*.c))
harness_objects := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/harness/*.c))
# what a test of the public calls may use: the rest of the harness reaches inside
harness_public := $(patsubst %,$(BUILD)/tests/harness/%.o,cranfield locales temporary)
llm_driver := $(if $(HAVE_LLM),$(BUILD)/tests/llm/embed_driver)
extract_tests := $(if $(HAVE_EXTRACT),$(BUILD)/tests/extract/test_runner)
server_tests := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/server/test_*.c))
bypass_test := $(BUILD)/tests/layers/test_bypass
campaign_programs := $(patsubst %,$(BUILD)/tests/campaigns/%,store_worker damage)
inner_campaigns := $(patsubst %,$(BUILD)/tests/campaigns/%,faiss_files faiss_saved large_text)
query_programs := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/query/*.c))
bench_programs := $(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c))
examples := $(patsubst %.c,$(BUILD)/%,$(wildcard examples/c/*.c))

shared := $(LIB)/libragstore.so.$(VERSION)
static := $(LIB)/libragstore.a

.DEFAULT_GOAL := all

all: ## build the library and the programs
all: $(shared) $(static) $(BIN)/ragstore-server $(BIN)/ragstore $(if $(HAVE_EXTRACT),$(BIN)/ragstore-extract,no-extract) $(if $(HAVE_LLM),,no-llm)

.PHONY: no-extract no-llm
no-llm:
	@printf '%s\n' 'LEFT OUT: the client for language models (--llm-url of ragstore-server and ragstore); libcurl is missing.' \
	    'Run "make setup" to get it; everything else works without it.' >&2
no-extract:
	@printf '%s\n' 'NOT BUILT: ragstore-extract, which reads PDF, Office files, e-books and e-mails.' \
	    "$$($(PKG_CONFIG) --print-errors --exists $(EXTRACT_MODULES) 2>&1 | head -n 3)" \
	    'Run "make setup" to get what it needs; everything else works without it.' >&2

# ---- compiling ------------------------------------------------------------------------------

compile = $(CC) $(MANDATORY) $(CPPFLAGS) $(CFLAGS) $(VARIANT_FLAGS) $(2) -MMD -MP -c -o $@ $<

$(BUILD)/lib/%.o: lib/%.c | need-dependencies
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude -Ilib $(LIB_CFLAGS))

$(BUILD)/examples/server/%.o: examples/server/%.c | need-dependencies
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude -Iexamples/server -Iexamples/extract $(SERVER_CFLAGS))

$(BUILD)/examples/cli/%.o: examples/cli/%.c | need-dependencies
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude -Iexamples/extract $(LLM_CFLAGS) $(shell $(PKG_CONFIG) --cflags jansson))

$(helper_objects): $(BUILD)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iexamples/extract $(EXTRACT_CFLAGS))

$(llm_objects): $(BUILD)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude $(LLM_CFLAGS) $(SERVER_CFLAGS))

$(runner_objects): $(BUILD)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude -Iexamples/extract)

# the page, its style and its scripts become part of the server's binary
$(web_bytes).c: tools/embed-files.sh include/ragstore.h $(web_sources)
	$(call say,EMBED,$@)
	@mkdir -p $(@D)
	$(Q)tools/embed-files.sh '$(VERSION)' $(web_sources) > $@

$(web_bytes).o: $(web_bytes).c | need-dependencies
	$(Q)$(call compile,,-Iexamples/server)

$(BUILD)/tests/%.o: tests/%.c | need-dependencies
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude -Ilib -Itests $(LIB_CFLAGS))

$(BUILD)/bench/%.o: bench/%.c | need-dependencies
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude -Ilib -Itests $(LIB_CFLAGS))

# ---- linking --------------------------------------------------------------------------------

$(shared): $(lib_objects) lib/ragstore.map
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -o $@ $(VARIANT_FLAGS) $(LDFLAGS) -Wl,-soname,$(SONAME) \
	    -Wl,--version-script=lib/ragstore.map -Wl,--no-undefined-version \
	    $(if $(findstring sanitize,$(VARIANT_FLAGS)),,-Wl,-z,defs) -Wl,--gc-sections \
	    $(lib_objects) $(FAISS_ARCHIVES) -Wl,--exclude-libs,ALL $(LIB_LIBS)
	@ln -sf $(@F) $(LIB)/$(SONAME) && ln -sf $(SONAME) $(LIB)/libragstore.so

# one relocatable object whose only global symbols are the public ones
$(static): $(lib_objects) lib/ragstore.map
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)sed -n 's/^ *\(ragstore_[a-z0-9_]*\);/\1/p' lib/ragstore.map > $(BUILD)/public-symbols
	$(Q)$(LD) -r -o $(BUILD)/ragstore-all.o $(lib_objects) $(FAISS_ARCHIVES)
	$(Q)$(OBJCOPY) --keep-global-symbols=$(BUILD)/public-symbols $(BUILD)/ragstore-all.o $(BUILD)/ragstore.o
	$(Q)rm -f $@ $(BUILD)/ragstore-all.o && $(AR) rcsD $@ $(BUILD)/ragstore.o

$(BIN)/ragstore-server: $(server_objects) $(shared)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $(server_objects) -L$(LIB) -lragstore $(SERVER_LIBS) \
	    -Wl,-rpath,'$$ORIGIN/../lib'

$(BIN)/ragstore: $(cli_objects) $(shared)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $(cli_objects) -L$(LIB) -lragstore $(CLI_LIBS) \
	    -Wl,-rpath,'$$ORIGIN/../lib'

$(BIN)/ragstore-extract: $(helper_objects)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $(helper_objects) $(EXTRACT_LIBS)

# unit tests see the inside: they link the objects themselves
internal := $(BUILD)/internal.a
$(internal): $(lib_objects) $(harness_objects)
	@rm -f $@ && $(AR) rcsD $@ $^

$(unit_tests) $(crash_tests) $(bench_programs) $(query_programs) $(inner_campaigns): $(BUILD)/%: $(BUILD)/%.o $(internal)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $< $(internal) $(FAISS_ARCHIVES) $(LIB_LIBS) -lcmocka \
	    $(if $(filter %/bench_query %/bench_append %/bench_open %/bench_index,$@),-lsqlite3)

# test_<target>.c feeds <target>.c
$(fuzz_tests): $(BUILD)/tests/fuzz/test_%: $(BUILD)/tests/fuzz/test_%.o $(BUILD)/tests/fuzz/%.o $(internal)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $^ $(FAISS_ARCHIVES) $(LIB_LIBS) -lcmocka

$(BUILD)/tests/fuzz/libfuzzer_%: $(BUILD)/tests/fuzz/%.o $(internal)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) -fsanitize=fuzzer $(LDFLAGS) $^ $(FAISS_ARCHIVES) $(LIB_LIBS) -lcmocka

# a program finds the library of its own tree, wherever that tree was moved or copied to
find_library = -Wl,-rpath,'$$ORIGIN/$(shell realpath -m --relative-to='$(dir $1)' '$(LIB)')'

$(api_tests): $(BUILD)/%: $(BUILD)/%.o $(harness_public) $(shared)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $< $(harness_public) -L$(LIB) -lragstore -lcmocka \
	    $(shell $(PKG_CONFIG) --libs jansson) -lpthread -lm $(call find_library,$@)

# the files of the library that may call the system for files call functions of another name in the
# test that watches all the others
table_calls := open openat fstatat realpath mkdir mkdirat unlinkat renameat pread pwrite ftruncate \
               fallocate fsync fdatasync mmap syscall
table_objects := $(patsubst %,$(BUILD)/tests/layers/table/%.o,files/files_posix files/files_posix_open embed/model_file)

$(table_objects): $(BUILD)/tests/layers/table/%.o: $(BUILD)/lib/%.o
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) $(foreach call,$(table_calls),--redefine-sym $(call)=table_$(call)) $< $@

$(bypass_test): %: %.o $(BUILD)/tests/layers/watched_calls.o $(table_objects) $(internal)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) -rdynamic $^ $(FAISS_ARCHIVES) $(LIB_LIBS) -lcmocka -ldl

$(BUILD)/tests/llm/%.o: tests/llm/%.c | need-dependencies
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude $(LLM_CFLAGS))

$(BUILD)/tests/llm/embed_driver: %: %.o $(llm_objects) $(shared)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $(filter %.o,$^) -L$(LIB) -lragstore \
	    $(shell $(PKG_CONFIG) --libs jansson) $(LLM_LIBS) $(call find_library,$@)

$(BUILD)/tests/extract/%.o: tests/extract/%.c | need-dependencies
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude -Itests -Iexamples/extract $(LIB_CFLAGS) $(EXTRACT_CFLAGS))

$(BUILD)/tests/extract/attacked: %: %.o $(BUILD)/examples/extract/extract_emit.o $(BUILD)/examples/extract/extract_jail.o
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $^ $(shell $(PKG_CONFIG) --libs libseccomp)

$(BUILD)/tests/extract/test_runner: %: %.o $(runner_objects) $(harness_public) $(shared) | $(BUILD)/tests/extract/attacked
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $(filter %.o,$^) -L$(LIB) -lragstore -lcmocka \
	    $(shell $(PKG_CONFIG) --libs jansson) -lpthread -lm $(call find_library,$@)

$(BUILD)/tests/server/%.o: tests/server/%.c | need-dependencies
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(call compile,,-Iinclude -Iexamples/server $(shell $(PKG_CONFIG) --cflags jansson))

$(server_tests): $(BUILD)/tests/server/test_%: $(BUILD)/tests/server/test_%.o $(BUILD)/examples/server/%.o $(shared)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $(filter %.o,$^) -L$(LIB) -lragstore -lcmocka \
	    $(shell $(PKG_CONFIG) --libs jansson) -lm $(call find_library,$@)

$(campaign_programs): %: %.o $(BUILD)/tests/campaigns/workload.o $(harness_public) $(shared)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(VARIANT_FLAGS) $(LDFLAGS) $(filter %.o,$^) -L$(LIB) -lragstore -lcmocka -lm \
	    $(shell $(PKG_CONFIG) --libs jansson) -lpthread $(call find_library,$@)

.PHONY: need-dependencies
need-dependencies:
	@$(if $(and $(FAISS_ARCHIVES),$(shell $(PKG_CONFIG) --exists $(LIB_MODULES) libmicrohttpd nettle && echo yes)),:,\
	    printf '%s\n' 'A library that ragstore needs is missing:' \
	    "$$($(PKG_CONFIG) --print-errors --exists $(LIB_MODULES) libmicrohttpd nettle 2>&1)" \
	    '$(if $(FAISS_ARCHIVES),,FAISS with its C API)' \
	    'Run "make setup" to get them, or set PKG_CONFIG_PATH and FAISS_PREFIX.' >&2; exit 1)

# ---- tests ----------------------------------------------------------------------------------

SHARED_DATA ?= $(abspath ../shared/data)
TEST_ENVIRONMENT = RAGSTORE_SHARED_DATA='$(SHARED_DATA)' RAGSTORE_MODEL="$$(tools/setup.sh print-model)"
PYTHON = $$(tools/setup.sh print-python)

.PHONY: all check check-unit check-fuzz fuzz check-crash check-faults check-campaigns check-api check-query check-extract check-server check-cli check-llm check-http check-page check-openapi check-python check-docs \
        check-layers check-install check-asan check-tsan check-long setup setup-check quickstart install uninstall clean help \
        bench bench-quality format

tsan_tests := unit/embed/test_embedder unit/embed/test_team unit/vectors/test_quantised unit/vectors/test_faiss_threads \
              $(filter-out unit/storage/test_storage_damage,$(patsubst tests/%.c,%,$(wildcard tests/unit/storage/test_*.c))) \
              api/test_lifetime api/test_session api/test_collection_store api/test_index_rebuild \
              api/test_job api/test_job_chunks api/test_job_waiting api/test_job_work api/test_reembed

check: ## set up what is missing, build, run all tests
	@tools/setup.sh status check >/dev/null 2>&1 || tools/setup.sh check
	@$(MAKE) --no-print-directory -j2 all tests
	@tests/run.sh

tests: $(unit_tests) $(fuzz_tests) $(crash_tests) $(api_tests) $(extract_tests) $(server_tests) $(llm_driver) $(bypass_test) $(campaign_programs) $(inner_campaigns) $(query_programs) $(bench_programs)
.PHONY: tests

check-unit: $(unit_tests) ## run the unit tests
	@tests/run.sh unit

check-fuzz: $(fuzz_tests) ## hostile files: the corpus, and mutations of what works
	@tests/run.sh fuzz

fuzz: ## libFuzzer with the same targets, under the sanitizers; needs clang; FUZZ_SECONDS=600
	$(MAKE) CC=clang VARIANT=fuzz build/fuzz/tests/fuzz/libfuzzer_fuzz_model
	@mkdir -p build/fuzz/corpus/model
	build/fuzz/tests/fuzz/libfuzzer_fuzz_model -max_total_time=$(or $(FUZZ_SECONDS),600) \
	    -timeout=20 build/fuzz/corpus/model tests/fuzz/corpus/model

check-crash: $(crash_tests) ## cut the power at every step of many workloads, open what is left
	@tests/run.sh crash

check-faults: tests ## break the library in many places, one at a time: a test must notice each
	@tests/run.sh faults

check-campaigns: $(campaign_programs) $(inner_campaigns) ## kill writers, damage files, fill disks, restore backups: a slice of each
	@tests/run.sh campaigns

check-api: $(api_tests) ## run the tests of the public calls
	@tests/run.sh api

check-query: $(query_programs) ## compare the query language with two other implementations
	@tests/run.sh query

check-extract: $(extract_tests) ## a helper whose parser has been taken over: stopped and reported
	@tests/run.sh extract

check-server: $(server_tests) ## run the tests of the server's parts
	@tests/run.sh server

check-cli: all ## run the tests of the command-line tool
	@tests/run.sh cli

check-llm: all ## chat with a small real language model (280 MB, once)
	@tools/setup.sh llm
	@tests/run.sh llm

check-http: all $(llm_driver) ## run the HTTP tests against the server
	@tests/run.sh http

check-page: all ## drive the web page in a real browser
	@tests/run.sh page

check-openapi: all ## compare the server with its own description (RAGSTORE_OPENAPI_CASES)
	@tests/run.sh openapi

check-python: all ## run the tests of the Python module
	@tests/run.sh python

check-docs: all ## compare header, map, manual pages and bindings
	@tests/run.sh docs

check-layers: $(bypass_test) ## check which room uses which, and who touches files
	@tests/run.sh layers

check-install: all ## install, build the examples against the copy, uninstall
	@tests/run.sh install

check-long: tests ## the campaigns for hours, in slices that go on where the last one ended (LONG, MINUTES, SEED)
	@tests/campaigns/long.sh

check-tsan: ## storage, embedding and the threads of the public calls under the thread sanitizer
	@$(MAKE) --no-print-directory -j2 VARIANT=tsan $(tsan_tests:%=build/tsan/tests/%)
	@for test in $(tsan_tests); do echo "  $$test"; \
	    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TSAN_OPTIONS="halt_on_error=1 $$TSAN_OPTIONS" \
	    timeout 900 build/tsan/tests/$$test >build/tsan/log 2>&1 || { tail -n 60 build/tsan/log; exit 1; }; done

check-asan: ## unit, fuzz and API tests under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory -j2 VARIANT=asan tests
	@VARIANT=asan tests/run.sh unit fuzz api

bench-quality: $(BUILD)/bench/bench_quality ## nDCG@10 and recall on the test collections
	@$(TEST_ENVIRONMENT) $(BUILD)/bench/bench_quality

BENCH ?=
bench: all $(bench_programs) ## speed beside other libraries, as a table (tools/setup.sh bench installs them)
	@$(TEST_ENVIRONMENT) bench/compare.py $(BENCH)

# ---- set-up and the first minutes -----------------------------------------------------------

setup: ## fetch and build what is missing: packages, FAISS, the embedding model
	@tools/setup.sh all

quickstart: ## from a fresh machine to cited answers over real documents (DOCS=path for your own)
	@tools/setup.sh status >/dev/null 2>&1 || tools/setup.sh all
	@$(MAKE) --no-print-directory -j2 all
	@DOCS='$(DOCS)' python3 tools/quickstart.py

# ---- install --------------------------------------------------------------------------------

MAN_PAGES := $(wildcard man/*.[1-8])

from_pc = $(shell realpath -m --relative-to='$(PKGCONFIGDIR)' '$(1)')

# made each time: it depends on where the command line says that things go
.PHONY: $(BUILD)/ragstore.pc
$(BUILD)/ragstore.pc: pkgconfig/ragstore.pc.in
	@mkdir -p $(@D)
	$(Q)sed -e 's|@VERSION@|$(VERSION)|' -e 's|@PREFIX@|$(call from_pc,$(PREFIX))|' \
	    -e 's|@LIBDIR@|$(call from_pc,$(LIBDIR))|' -e 's|@INCLUDEDIR@|$(call from_pc,$(INCLUDEDIR))|' \
	    -e 's|@LIBS_PRIVATE@|$(strip $(LIB_LIBS))|' $< > $@

deploy := examples/server/deploy
deploy_samples := server.conf nginx.conf Caddyfile ragstore-backup

.PHONY: $(BUILD)/ragstore-server.service
$(BUILD)/ragstore-server.service: $(deploy)/ragstore-server.service.in
	@mkdir -p $(@D)
	$(Q)sed -e 's|@BINDIR@|$(BINDIR)|' -e 's|@DOCDIR@|$(DOCDIR)|' $< > $@

install: all $(BUILD)/ragstore.pc $(BUILD)/ragstore-server.service ## install below DESTDIR and PREFIX
	install -d '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(PKGCONFIGDIR)' '$(DESTDIR)$(DOCDIR)'
	install -m 644 include/ragstore.h '$(DESTDIR)$(INCLUDEDIR)'
	install -m 755 $(shared) '$(DESTDIR)$(LIBDIR)'
	ln -sf $(notdir $(shared)) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libragstore.so'
	install -m 644 $(static) '$(DESTDIR)$(LIBDIR)'
	install -m 644 $(BUILD)/ragstore.pc '$(DESTDIR)$(PKGCONFIGDIR)'
	$(CC) -o $(BUILD)/ragstore-server.installed $(VARIANT_FLAGS) $(LDFLAGS) $(server_objects) \
	    -L$(LIB) -lragstore $(SERVER_LIBS) -Wl,-rpath,'$$ORIGIN/$(shell realpath -m --relative-to='$(BINDIR)' '$(LIBDIR)')'
	install -m 755 $(BUILD)/ragstore-server.installed '$(DESTDIR)$(BINDIR)/ragstore-server'
	$(CC) -o $(BUILD)/ragstore.installed $(VARIANT_FLAGS) $(LDFLAGS) $(cli_objects) \
	    -L$(LIB) -lragstore $(CLI_LIBS) -Wl,-rpath,'$$ORIGIN/$(shell realpath -m --relative-to='$(BINDIR)' '$(LIBDIR)')'
	install -m 755 $(BUILD)/ragstore.installed '$(DESTDIR)$(BINDIR)/ragstore'
	install -d '$(DESTDIR)$(COMPLETIONDIR)'
	install -m 644 examples/cli/ragstore-completion.bash '$(DESTDIR)$(COMPLETIONDIR)/ragstore'
	$(if $(HAVE_EXTRACT),install -m 755 $(BIN)/ragstore-extract '$(DESTDIR)$(BINDIR)/ragstore-extract')
	install -m 644 README.md LICENSE CHANGELOG.md '$(DESTDIR)$(DOCDIR)'
	install -d '$(DESTDIR)$(DOCDIR)/deploy' '$(DESTDIR)$(SYSTEMDUNITDIR)'
	install -m 644 $(deploy_samples:%=$(deploy)/%) '$(DESTDIR)$(DOCDIR)/deploy'
	chmod 755 '$(DESTDIR)$(DOCDIR)/deploy/ragstore-backup'
	install -m 644 $(BUILD)/ragstore-server.service $(deploy)/ragstore-server.socket '$(DESTDIR)$(SYSTEMDUNITDIR)'
	set -e; for page in $(MAN_PAGES); do \
	    directory='$(DESTDIR)$(MANDIR)'/man$${page##*.}; \
	    install -d "$$directory"; install -m 644 "$$page" "$$directory"; done

uninstall: ## remove what install put there
	rm -f '$(DESTDIR)$(INCLUDEDIR)/ragstore.h' '$(DESTDIR)$(LIBDIR)/$(notdir $(shared))' \
	    '$(DESTDIR)$(LIBDIR)/$(SONAME)' '$(DESTDIR)$(LIBDIR)/libragstore.so' \
	    '$(DESTDIR)$(LIBDIR)/libragstore.a' '$(DESTDIR)$(PKGCONFIGDIR)/ragstore.pc' \
	    '$(DESTDIR)$(BINDIR)/ragstore-server' '$(DESTDIR)$(BINDIR)/ragstore-extract' \
	    '$(DESTDIR)$(BINDIR)/ragstore' '$(DESTDIR)$(COMPLETIONDIR)/ragstore'
	rm -f '$(DESTDIR)$(DOCDIR)/README.md' '$(DESTDIR)$(DOCDIR)/LICENSE' '$(DESTDIR)$(DOCDIR)/CHANGELOG.md'
	rm -f $(deploy_samples:%='$(DESTDIR)$(DOCDIR)/deploy/%') \
	    '$(DESTDIR)$(SYSTEMDUNITDIR)/ragstore-server.service' '$(DESTDIR)$(SYSTEMDUNITDIR)/ragstore-server.socket'
	-rmdir '$(DESTDIR)$(DOCDIR)/deploy' '$(DESTDIR)$(DOCDIR)' 2>/dev/null
	for page in $(notdir $(MAN_PAGES)); do rm -f '$(DESTDIR)$(MANDIR)'/man$${page##*.}/"$$page"; done

format: ## format new C sources, and the changed lines of others, as .clang-format says
	new=$$(git ls-files --others --exclude-standard '*.c' '*.h'); test -z "$$new" || clang-format -i $$new
	git diff -U0 --no-color HEAD -- '*.c' '*.h' ':!include' | clang-format-diff -i -p1

clean: ## remove build/
	rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

# what tests/mutants/run.py compiles a changed file with, and links a test with
.PHONY: print-mutant-commands
print-mutant-commands:
	@printf '%s\n' '$(CC) $(MANDATORY) $(CPPFLAGS) -O1 -w -Iinclude -Ilib $(LIB_CFLAGS)' \
	    '$(LDFLAGS) $(internal) $(FAISS_ARCHIVES) $(LIB_LIBS) -lcmocka $(shell $(PKG_CONFIG) --libs jansson)'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
