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

# What tests/proof needs of the tests' support.
SUPPORT = $(filter-out %/sys_spy.o $(OBJ)/tests/support/test_%,$(call objs,tests/support))
# lts-model runs the programs in virtual time: what touches the system is left out, and tests/model is
# linked instead.
MODEL_OUT = $(addprefix $(OBJ)/,common/channel.o common/clock.o common/http.o common/http_head.o \
	common/http_setup.o common/log.o common/log_line.o common/lts_api.o common/lts_answer.o \
	common/xalloc.o state/dump.o state/dump_json.o state/events.o state/human.o state/proc.o \
	state/snapshot.o state/store.o state/table.o state/verify.o supervisor/spawn.o \
	supervisor/state_dir.o worker/sink.o worker/sink_file.o worker/sink_null.o \
	worker/sink_stdout.o worker/segment.o)
MODEL = $(OBJ)/tests/model/main.o $(call objs,tests/model) $(OBJ)/tests/sim/sim_group.o \
	$(filter-out $(MODEL_OUT),$(call objs,supervisor) $(call objs,worker) $(STATE) $(COMMON))
MODEL_WRAP = abort _exit kill waitpid close getpid getrandom prctl free board_create board_map \
	board_unmap pthread_create pthread_join pthread_mutex_lock pthread_mutex_unlock \
	pthread_cond_signal pthread_cond_wait pthread_cond_timedwait

PROGRAMS = $(addprefix $(BIN)/,lts-supervisor lts-worker lts-state lts-sim)
SOURCES  = $(wildcard common/*.[ch] state/*.[ch] supervisor/*.[ch] worker/*.[ch] tests/*.c tests/*/*.[ch])

all: $(PROGRAMS)

$(BIN)/lts-supervisor: $(OBJ)/supervisor/main.o $(call objs,supervisor) $(STATE) $(COMMON)
$(BIN)/lts-worker: $(OBJ)/worker/main.o $(call objs,worker) $(STATE) $(COMMON)
$(BIN)/lts-state: $(OBJ)/state/main.o $(STATE) $(COMMON)
$(BIN)/lts-sim: $(OBJ)/tests/sim/main.o $(SIM) $(COMMON)
$(BIN)/lts-tests: $(TESTS) $(SIM_PURE) $(call objs,supervisor) $(call objs,worker) $(STATE) $(COMMON)

$(BIN)/lts-proof: $(OBJ)/tests/proof/main.o $(call objs,tests/proof) $(SUPPORT) $(SIM_PURE) $(STATE) $(COMMON)

# The agent with a worker whose sink misbehaves as it is told: see tests/sink/sink.c.
TEST_SINK = $(addprefix $(BIN)/test-sink/,lts-supervisor lts-worker)
$(BIN)/test-sink/lts-supervisor: $(OBJ)/supervisor/main.o $(call objs,supervisor) $(STATE) $(COMMON)
$(BIN)/test-sink/lts-worker: $(OBJ)/worker/main.o $(filter-out %/sink.o,$(call objs,worker)) \
	$(call objs,tests/sink) $(STATE) $(COMMON)

$(BIN)/lts-model: $(MODEL)

$(BIN)/lts-model: LIBS = $(MODEL_WRAP:%=-Wl,--wrap=%) -lcrypto -lcjson -linih
$(BIN)/lts-bench: $(OBJ)/tests/bench/main.o $(call objs,tests/bench) $(OBJ)/tests/sim/sim_record.o $(call objs,worker) $(STATE) $(COMMON)

$(BIN)/lts-sim: LIBS = $(LIBS_SIM)
$(BIN)/lts-tests $(BIN)/lts-proof: LIBS = $(LIBS_TEST)
$(BIN)/%:
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

tests: $(BIN)/lts-tests $(BIN)/lts-model $(TEST_SINK)

proof: all $(BIN)/lts-proof $(BIN)/lts-model

bench-programs: all $(BIN)/lts-bench

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
