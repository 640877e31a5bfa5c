/*
 * main.c - lts-sim: options, world, signals; or the verifier.
 *
 * The process lts-sim. Owns the world for its lifetime. Its first line on stdout says
 * where it listens and comes once it does; the second, with TLS, which CA to trust. Must
 * never outlive the parent when told so. Held by tests/scenario.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/handoff.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/sim_tls.h"
#include "tests/sim/sim_verify.h"

static int
complain(enum exit_code code, const char *text)
{
	fprintf(stderr, "lts-sim: %s\n", text);
	return code;
}

/* TERM, INT and HUP arrive by the descriptor returned; a closed peer is no reason to die.
 */
static int
catch_signals(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE,
			  &limit); /* best effort: without it there is room for less */
	}
}

/* Bodies come and go by the thousand: their memory stays, for new pages cost as much as what is
 * written to them. */
static void
keep_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

static enum lts_err
create_world(struct sim *sim, const struct sim_options *options, struct buf *error)
{
	const struct sim_stream_config stream = {
		.shards = (unsigned)options->shards,
		.records = (uint64_t)options->records,
		.record_bytes = (size_t)options->record_bytes,
		.rate = (uint64_t)options->rate,
		.seed = (uint64_t)options->seed,
		.start_ns = clock_wall_ns(),
		.cache_bytes = (size_t)options->cache_bytes,
	};
	sim->options = options;
	sim->stream = sim_stream_create(&stream);
	sim->group = sim_group_create(stream.shards, options->consumer_timeout_ms);
	sim_group_on_lost(sim->group, sim_on_lost, sim);
	sim->faults = sim_faults_create(stream.seed, SIM_SHARDS_MAX);
	enum lts_err err = lts_sign_create(options->ak, options->sk, options->region,
					   options->sign_date != 0, &sim->sign);
	if (err) {
		if (buf_put_text(error, "--ak, --sk or --region cannot be signed with"))
			abort();
		return err;
	}
	return sim_faults_set(sim->faults, options->faults.data ? options->faults.data : "", false,
			      error);
}

static void
destroy_world(struct sim *sim)
{
	lts_sign_destroy(&sim->sign);
	sim_faults_destroy(&sim->faults);
	sim_group_destroy(&sim->group);
	sim_stream_destroy(&sim->stream);
	sim_moves_fini(&sim->moves);
}

static int
listen_and_serve(struct sim *sim, const struct sim_tls *tls, int stop_fd)
{
	struct sim_server *server;
	if (sim_server_create(sim, tls, (uint16_t)sim->options->port, &server)) {
		fprintf(stderr, "lts-sim: cannot listen on 127.0.0.1:%d: %s\n",
			(int)sim->options->port, strerror(errno));
		return EXIT_FAILED;
	}
	printf("lts-sim: listening on %s://127.0.0.1:%u\n", tls ? "https" : "http",
	       sim_server_port(server));
	if (tls)
		printf("lts-sim: ca_file %s\n", tls->ca_file);
	fflush(stdout);
	sim_server_run(server, stop_fd);
	sim_server_destroy(&server);
	return EXIT_DONE;
}

static int
run(const struct sim_options *options, int stop_fd)
{
	static struct sim sim; /* 33 KB of counters: not for the stack */
	struct sim_tls tls = { 0 };
	struct buf error;
	buf_init(&error, 0);
	int code = EXIT_USAGE;
	bool use_tls = options->tls != SIM_TLS_OFF;
	if (!create_world(&sim, options, &error)) {
		code = EXIT_FAILED;
		if (!use_tls || !sim_tls_make(&tls, options->tls_dir,
					      (enum sim_tls_mode)options->tls, &error))
			code = listen_and_serve(&sim, use_tls ? &tls : NULL, stop_fd);
	}
	if (error.len)
		complain((enum exit_code)code, error.data);
	sim_tls_fini(&tls);
	destroy_world(&sim);
	buf_fini(&error);
	return code;
}

static int
serve(const struct sim_options *options)
{
	pid_t parent = getppid();
	int stop_fd = catch_signals();
	if (stop_fd < 0)
		return complain(EXIT_FAILED, strerror(errno));
	if (options->exit_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			return EXIT_DONE; /* it ended before we asked */
	}
	raise_descriptor_limit();
	int code = run(options, stop_fd);
	close(stop_fd);
	return code;
}

int
main(int argc, char **argv)
{
	struct sim_options options;
	struct buf error;
	int code;
	if (argc > 1 && strcmp(argv[1], "verify") == 0)
		return sim_verify_main(argc - 1, argv + 1);
	keep_heap();
	buf_init(&error, 0);
	if (sim_options_load(&options, argc, argv, &error)) {
		code = complain(EXIT_USAGE, error.data);
	} else if (options.help) {
		sim_options_print_help(stdout);
		fputs(sim_fault_help(), stdout);
		fputs("Unsigned: GET /sim/status, GET or POST /sim/faults[?keep],\n"
		      "  POST /sim/expire?[shard=S&]before=INDEX, POST "
		      "/sim/produce?[shard=S&]records=N,\n"
		      "  POST /sim/rate?records=N, POST /sim/split?shard=S, POST "
		      "/sim/merge?shard=S&with=T,\n"
		      "  POST /sim/forget (the group's members and checkpoints),\n"
		      "  POST /sim/keys?ak=A&sk=S (are accepted from then on, and no others)\n",
		      stdout);
		code = EXIT_DONE;
	} else {
		code = serve(&options);
	}
	sim_options_fini(&options);
	buf_fini(&error);
	return code;
}
