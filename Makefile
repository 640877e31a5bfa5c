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
LIBS    := -lcurl -lcrypto -lcjson -llmdb -lev -linih -lpthread
LIBS_SIM := $(LIBS) -lmicrohttpd -lgnutls -lssl -lz
LIBS_TEST := $(LIBS) -lcheck -lsubunit -lm -lrt -lz

objs = $(patsubst %.c,$(OBJ)/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))
COMMON  = $(call objs,common)
STATE   = $(call objs,state)
SIM     = $(call objs,tests/sim)
# lts-sim without its network: what its unit tests need.
SIM_PURE = $(filter-out %/sim_server.o %/sim_reply.o,$(SIM))
TESTS   = $(OBJ)/tests/runner.o $(foreach d,support common state supervisor worker scenario,$(call objs,tests/$(d)))

PROGRAMS = $(addprefix $(BIN)/,lts-supervisor lts-worker lts-state lts-sim)
SOURCES  = $(wildcard common/*.[ch] state/*.[ch] supervisor/*.[ch] worker/*.[ch] tests/*.c tests/*/*.[ch])

all: $(PROGRAMS)

$(BIN)/lts-supervisor: $(OBJ)/supervisor/main.o $(call objs,supervisor) $(STATE) $(COMMON)
$(BIN)/lts-worker: $(OBJ)/worker/main.o $(call objs,worker) $(STATE) $(COMMON)
$(BIN)/lts-state: $(OBJ)/state/main.o $(STATE) $(COMMON)
$(BIN)/lts-sim: $(OBJ)/tests/sim/main.o $(SIM) $(COMMON)
$(BIN)/lts-tests: $(TESTS) $(SIM_PURE) $(call objs,supervisor) $(call objs,worker) $(STATE) $(COMMON)

include tests/tests.mk

$(BIN)/lts-sim: LIBS = $(LIBS_SIM)
$(BIN)/lts-tests: LIBS = $(LIBS_TEST)
$(BIN)/%:
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

check:
	scripts/check

demo:
	scripts/demo

install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(BIN)/lts-supervisor $(BIN)/lts-worker $(BIN)/lts-state $(DESTDIR)$(PREFIX)/bin

format:
	@clang-format -i $(SOURCES)

lint:
	scripts/lint

clean:
	rm -rf build

help:
	@echo 'targets: all tests proof bench-programs check demo install format lint clean; MODE=release|asan WERROR=1 PREFIX= DESTDIR='

.PHONY: all tests proof bench-programs check demo install format lint clean help
.SECONDARY:
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
