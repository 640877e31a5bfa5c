# What the proofs and the bench are built of; the programs and lts-tests are the Makefile's.
#   make tests           lts-tests, and what its scenarios run
#   make proof           lts-proof and lts-model, for scripts/chaos, powercut, failover and model
#   make bench-programs  lts-bench, for scripts/bench
#   make fuzz           a program for each target of libFuzzer, for scripts/fuzz

# What tests/proof needs of the tests' support.
SUPPORT = $(filter-out %/sys_spy.o $(OBJ)/tests/support/test_%,$(call objs,tests/support)) \
	$(addprefix $(OBJ)/tests/support/,test_command.o test_plugin.o)
# lts-model runs the programs in virtual time: what touches the system is left out, and tests/model is
# linked instead.
MODEL_OUT = $(addprefix $(OBJ)/,common/channel.o common/clock.o common/http.o common/http_head.o \
	common/http_setup.o common/log.o common/log_line.o common/lts_api.o common/lts_answer.o \
	common/xalloc.o state/ask_%.o state/command_%.o state/dump.o state/dump_json.o \
	state/events.o state/lease_remove.o state/look.o state/proc.o state/remake.o state/rescue.o state/snapshot.o \
	state/state_lock.o state/store.o state/store_%.o state/table.o state/verify.o state/watch_%.o supervisor/agency.o \
	supervisor/check_config.o supervisor/check_online.o supervisor/control.o \
	supervisor/keys.o supervisor/metrics.o supervisor/metrics_file.o \
	supervisor/metrics_health.o supervisor/metrics_http.o supervisor/metrics_render.o \
	supervisor/metrics_render_shards.o supervisor/spawn.o supervisor/state_dir.o supervisor/strays.o \
	worker/sandbox_calls.o worker/sandbox_files.o worker/sink.o worker/sink_file.o \
	worker/sink_null.o worker/sink_stdout.o worker/segment.o)
MODEL = $(OBJ)/tests/model/main.o $(call objs,tests/model) $(OBJ)/tests/sim/sim_group.o \
	$(filter-out $(MODEL_OUT),$(call objs,supervisor) $(call objs,worker) $(STATE) $(COMMON))
MODEL_WRAP = abort _exit kill waitpid close getpid getrandom prctl free board_create board_map \
	board_unmap pthread_create pthread_join pthread_mutex_lock pthread_mutex_unlock \
	pthread_cond_signal pthread_cond_wait pthread_cond_timedwait

$(BIN)/lts-proof: $(OBJ)/tests/proof/main.o $(call objs,tests/proof) $(SUPPORT) $(SIM_PURE) $(STATE) $(COMMON)

# The agent with a worker whose sink misbehaves as it is told: see tests/sink/sink.c.
TEST_SINK = $(addprefix $(BIN)/test-sink/,lts-supervisor lts-worker)
$(BIN)/test-sink/lts-supervisor: $(OBJ)/supervisor/main.o $(call objs,supervisor) $(STATE) $(COMMON)
$(BIN)/test-sink/lts-worker: $(OBJ)/worker/main.o $(filter-out %/sink.o,$(call objs,worker)) \
	$(call objs,tests/sink) $(STATE) $(COMMON)

# Plugins for scenarios.
TEST_PLUGINS = $(patsubst tests/plugin/%.c,$(BIN)/test-plugin/%.so,$(wildcard tests/plugin/*.c))
$(BIN)/test-plugin/%.so: tests/plugin/%.c worker/lts_processor.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC $(LDFLAGS_$(MODE)) -shared -o $@ $<

# Children of sink=exec: for scenarios.
TEST_CHILDREN = $(patsubst tests/exec/%,$(BIN)/test-exec/%,$(wildcard tests/exec/*))
$(BIN)/test-exec/%: tests/exec/%
	@mkdir -p $(@D)
	cp $< $@

$(BIN)/lts-model: $(MODEL)

$(BIN)/test-sink/lts-supervisor: LIBS = $(LIBS_SUPERVISOR)
$(BIN)/lts-proof: LIBS = $(LIBS_TEST)
$(BIN)/lts-model: LIBS = $(MODEL_WRAP:%=-Wl,--wrap=%) -lcrypto -lcjson -linih
$(BIN)/lts-bench: $(OBJ)/tests/bench/main.o $(call objs,tests/bench) $(OBJ)/tests/sim/sim_record.o $(call objs,worker) $(STATE) $(COMMON)

tests: $(BIN)/lts-tests $(BIN)/lts-model $(TEST_SINK) $(TEST_PLUGINS) $(TEST_CHILDREN) examples

proof: all $(BIN)/lts-proof $(BIN)/lts-model

# The user's code, doing nothing.
$(BIN)/bench/%.so: tests/bench/code/%.c worker/lts_processor.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC $(LDFLAGS_$(MODE)) -shared -o $@ $<

$(BIN)/bench/ack_child: $(OBJ)/tests/bench/code/ack_child.o

bench-programs: all $(BIN)/lts-bench $(BIN)/bench/null_plugin.so $(BIN)/bench/ack_child


# libFuzzer's targets, for scripts/fuzz: tests/fuzz/fuzz_NAME.c, seeds in tests/fuzz/NAME.
FUZZ = build/fuzz
FUZZERS = $(patsubst tests/fuzz/%.c,$(FUZZ)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZED = $(patsubst %.c,$(FUZZ)/obj/%.o,$(filter-out %/main.c,$(wildcard common/*.c)) state/schema.c supervisor/metrics_text.c \
	$(addprefix worker/,batch_scan.c batch_sift.c exec_frame.c json_avx2.c json_loose.c json_skip.c json_string.c json_text.c record_text.c record_time.c))
FUZZ_FLAGS = -std=gnu11 -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined

fuzz: $(FUZZERS)

$(FUZZ)/obj/%.o: %.c
	@mkdir -p $(@D)
	clang $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FUZZ)/fuzzed.a: $(FUZZED)
	@rm -f $@
	ar -rcs $@ $^

$(FUZZERS): $(FUZZ)/%: $(FUZZ)/obj/tests/fuzz/%.o $(FUZZ)/fuzzed.a
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ -Wl,--as-needed $(LIBS)

-include $(shell find $(FUZZ)/obj -name '*.d' 2>/dev/null)
