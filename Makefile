# lts-consumer. `make` builds the programs into build/bin; `make help` lists the rest.
# MODE=asan builds the same under ASan and UBSan into build/asan/bin.
MODE    ?= release
PREFIX  ?= /usr/local
VERSION := 0.1.0

OUT_release = build
OUT_asan    = build/asan
OUT  := $(OUT_$(MODE))
OBJ  := $(OUT)/obj
BIN  := $(OUT)/bin

CC      ?= cc
CFLAGS_release = -O2 -g -D_FORTIFY_SOURCE=2
CFLAGS_asan    = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
# Beside a shared libasan, a shared libubsan would ignore log_path, which scripts/check reads.
LDFLAGS_asan   = -fsanitize=address,undefined -static-libubsan
WARN    = -Wall -Wextra -Wshadow -Wconversion -Wvla -Wno-unused-parameter $(if $(WERROR),-Werror)
CFLAGS += $(CFLAGS_$(MODE)) -std=gnu11 -fPIE -fstack-protector-strong $(WARN)
CPPFLAGS += -I. -D_GNU_SOURCE -DLTS_VERSION='"$(VERSION)"'
LDFLAGS += $(LDFLAGS_$(MODE)) -pie -Wl,-z,relro,-z,now -Wl,--as-needed
LIBS    := -lcurl -lcrypto -lcjson -llmdb -lev -linih -lseccomp -lpthread
LIBS_STATE := $(LIBS) -lncursesw -ltinfo
LIBS_SUPERVISOR := $(LIBS) -lmicrohttpd
LIBS_SIM := $(LIBS) -lmicrohttpd -lgnutls -lssl -lz
LIBS_TEST := $(LIBS) -lmicrohttpd -lcheck -lsubunit -lm -lrt -lz

objs = $(patsubst %.c,$(OBJ)/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))
COMMON  = $(call objs,common)
# The one file that needs ncurses.
SCREEN  = $(OBJ)/state/command_watch.o
STATE   = $(filter-out $(SCREEN),$(call objs,state))
SIM     = $(call objs,tests/sim)
# lts-sim without its network: what its unit tests need.
SIM_PURE = $(filter-out %/sim_server.o %/sim_reply.o,$(SIM))
TESTS   = $(OBJ)/tests/runner.o $(foreach d,support common state supervisor worker scenario,$(call objs,tests/$(d)))

PROGRAMS = $(addprefix $(BIN)/,lts-supervisor lts-worker lts-state)
MANUALS  = supervisor/lts-supervisor.8 worker/lts-worker.8 state/lts-state.1 common/lts-consumer.conf.5
DOCS     = $(addprefix build/doc/,$(notdir $(MANUALS)) example.conf)
SOURCES  = $(wildcard common/*.[ch] state/*.[ch] supervisor/*.[ch] worker/*.[ch] tests/*.c tests/*/*.[ch])

# As a user would: the header is all that they need. Scripts lie beside the plugins.
EXAMPLES = $(patsubst worker/examples/%.c,$(OUT)/examples/%.so,$(wildcard worker/examples/*.c)) \
	$(patsubst worker/examples/%,$(OUT)/examples/%,$(wildcard worker/examples/*.sh worker/examples/*.py))

all: programs $(BIN)/lts-sim

examples: $(EXAMPLES)

$(OUT)/examples/%.so: worker/examples/%.c worker/lts_processor.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fPIC -Iworker $(LDFLAGS_$(MODE)) -shared -o $@ $<

$(OUT)/examples/%: worker/examples/%
	@mkdir -p $(@D)
	install -m 0755 $< $@

programs: $(PROGRAMS)

$(BIN)/lts-supervisor: $(OBJ)/supervisor/main.o $(call objs,supervisor) $(STATE) $(COMMON)
$(BIN)/lts-worker: $(OBJ)/worker/main.o $(call objs,worker) $(STATE) $(COMMON)
$(BIN)/lts-state: $(OBJ)/state/main.o $(SCREEN) $(STATE) $(COMMON)
$(BIN)/lts-options: $(OBJ)/common/main.o $(COMMON)
$(BIN)/lts-sim: $(OBJ)/tests/sim/main.o $(SIM) $(COMMON)
$(BIN)/lts-tests: $(TESTS) $(SIM_PURE) $(call objs,supervisor) $(call objs,worker) $(STATE) $(COMMON)

include tests/tests.mk

$(BIN)/lts-supervisor: LIBS = $(LIBS_SUPERVISOR)
$(BIN)/lts-state: LIBS = $(LIBS_STATE)
$(BIN)/lts-sim: LIBS = $(LIBS_SIM)
$(BIN)/lts-tests: LIBS = $(LIBS_TEST)
$(BIN)/%:
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The pages' table of options, and the example, come from the table in common/options_table.c.
doc: $(DOCS)

build/doc/example.conf: $(BIN)/lts-options
	@mkdir -p $(@D)
	$< example >$@

build/doc/%: $(BIN)/lts-options $(MANUALS)
	@mkdir -p $(@D)
	$< man | sed -e '/^@OPTIONS@$$/{r /dev/stdin' -e 'd}' $(filter %/$*,$(MANUALS)) >$@

check:
	scripts/check

demo:
	scripts/demo

install: programs doc
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin share/man/man1 share/man/man5 share/man/man8 share/doc/lts-consumer \
		share/bash-completion/completions)
	install -m 0755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/doc/lts-consumer/examples
	install -m 0644 worker/examples/*.c $(DESTDIR)$(PREFIX)/share/doc/lts-consumer/examples
	install -m 0755 worker/examples/*.sh worker/examples/*.py $(DESTDIR)$(PREFIX)/share/doc/lts-consumer/examples
	install -m 0644 worker/lts_processor.h $(DESTDIR)$(PREFIX)/include
	install -m 0644 build/doc/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 build/doc/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 build/doc/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 0644 scripts/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lts-supervisor
	ln -sf lts-supervisor $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lts-state
	install -d $(DESTDIR)$(PREFIX)/share/doc/lts-consumer/metrics
	install -m 0644 scripts/metrics/lts-consumer.rules.yml scripts/metrics/lts-consumer.dashboard.json \
		$(DESTDIR)$(PREFIX)/share/doc/lts-consumer/metrics
	install -m 0644 README.md build/doc/example.conf $(DESTDIR)$(PREFIX)/share/doc/lts-consumer
	install -d $(DESTDIR)$(PREFIX)/share/doc/lts-consumer/systemd
	install -m 0644 scripts/systemd/*.conf $(DESTDIR)$(PREFIX)/share/doc/lts-consumer/systemd

install-sim: $(BIN)/lts-sim
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin share/man/man1)
	install -m 0755 $< $(DESTDIR)$(PREFIX)/bin
	install -m 0644 tests/sim/lts-sim.1 $(DESTDIR)$(PREFIX)/share/man/man1

# A package of what is committed, in build/deb.
deb:
	scripts/deb

format:
	@clang-format -i $(SOURCES)

lint:
	scripts/lint

clean:
	rm -rf build

help:
	@echo 'targets: all programs examples doc tests proof bench-programs fuzz check demo install install-sim deb format lint clean; MODE=release|asan WERROR=1 PREFIX= DESTDIR='

.PHONY: all programs examples doc deb tests proof fuzz bench-programs check demo install install-sim format lint clean help
.SECONDARY:
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
