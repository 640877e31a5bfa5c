/*
 * check_sink.c - whether the code that a sink names can be used: loads it, and no more.
 *
 * In a process of its own, started by lts-supervisor --check_config. Owns nothing. Must never
 * start a command, nor open a state. Held by tests/scenario/refusals.c.
 */
#include <stdio.h>

#include "common/log.h"
#include "worker/processor.h"
#include "worker/worker.h"

enum exit_code
worker_check_sink(const char *spec)
{
	struct processor *processor = NULL;
	struct log *log = log_create("check");
	struct processor_config config = { .spec = spec, .log = log, .format = RECORD_LABELS };
	struct buf why;
	buf_init(&why, 0);
	enum lts_err err = processor_create(&config, &processor, &why);
	if (err)
		fprintf(stderr, "lts-supervisor: option 'sink': %s\n",
			why.data ? why.data : lts_err_name(err));
	else
		processor->ops->destroy(&processor);
	buf_fini(&why);
	log_destroy(&log);
	return err ? EXIT_USAGE : EXIT_DONE;
}
