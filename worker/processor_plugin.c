/*
 * processor_plugin.c - a shared object of the user's: worker/lts_processor.h.
 *
 * In a worker's delivery thread. Owns the loaded object, and one of its processors for each
 * shard. Must never call into one that was made for another interface, nor believe what it
 * says of records that it was not given. Held by
 * tests/scenario/plugins.c.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "worker/lts_processor.h"
#include "worker/processor.h"

struct plugin {
	struct processor base;
	void *object; /* dlopen's */
	const struct lts_processor_ops *ops;
	char *path, *args;
	struct lts_record *records; /* working memory */
	size_t cap;
};

struct processor_shard {
	struct plugin *plugin;
	void *self;
	char shard[64];
	struct cursor saved; /* what get_checkpoint says */
};

/* What a tracker stands for during one call. */
struct call {
	struct lts_tracker tracker; /* the first */
	struct processor_shard *shard;
	const struct piece *piece; /* NULL: shutdown */
	struct verdict *verdict;
};

/* ---- what the tracker does ---- */

static void
track_save(struct lts_tracker *tracker, int persistent)
{
	struct verdict *verdict = ((struct call *)tracker)->verdict;
	verdict->saved = true;
	verdict->persistent |= persistent != 0;
}

static const char *
track_checkpoint(struct lts_tracker *tracker)
{
	return ((struct call *)tracker)->shard->saved.text;
}

static const char *
track_cursor(struct lts_tracker *tracker)
{
	const struct piece *piece = ((struct call *)tracker)->piece;
	return piece ? piece->cursor.text : "";
}

static void
track_rollback(struct lts_tracker *tracker, const char *cursor)
{
	struct verdict *verdict = ((struct call *)tracker)->verdict;
	verdict->kind = VERDICT_ROLLBACK;
	if (!cursor || !cursor_set(&verdict->rollback, cursor))
		verdict->rollback = (struct cursor){ 0 };
}

static void
put_error(struct verdict *verdict, const char *error)
{
	size_t i = 0;
	for (; error && error[i] && i < sizeof(verdict->error) - 1; i++)
		verdict->error[i] = error[i] >= 0x20 && error[i] < 0x7f ? error[i] : '?';
	verdict->error[i] = '\0';
}

static void
track_refuse(struct lts_tracker *tracker, size_t index, const char *error)
{
	struct call *call = (struct call *)tracker;
	call->verdict->has_bad = call->piece && index < call->piece->n;
	call->verdict->bad = index;
	put_error(call->verdict, error);
}

static struct call
call_of(struct processor_shard *shard, const struct piece *piece, struct verdict *verdict)
{
	return (struct call){ .tracker = { .save = track_save,
					   .get_checkpoint = track_checkpoint,
					   .get_current_cursor = track_cursor,
					   .rollback = track_rollback,
					   .refuse = track_refuse },
			      .shard = shard,
			      .piece = piece,
			      .verdict = verdict };
}

/* ---- the processor ---- */

static enum lts_err
explain(const char *path, const char *what, struct buf *why_out)
{
	enum lts_err ignored = buf_printf(why_out, "plugin '%s': %s", path, what);
	(void)ignored;
	return LTS_INVALID;
}

static void
plugin_close(struct processor_shard **shard, enum processor_reason reason, struct verdict *out)
{
	static const enum lts_processor_reason reasons[] = {
		[PROCESSOR_STOPPING] = LTS_PROCESSOR_STOPPING,
		[PROCESSOR_LEASE_LOST] = LTS_PROCESSOR_LEASE_LOST,
		[PROCESSOR_FINISHED] = LTS_PROCESSOR_FINISHED,
	};
	struct processor_shard *s = *shard;
	const struct lts_processor_ops *ops = s->plugin->ops;
	struct call call = call_of(s, NULL, out);
	if (ops->shutdown)
		ops->shutdown(s->self, reasons[reason], &call.tracker);
	if (ops->destroy)
		ops->destroy(s->self);
	free(s);
	*shard = NULL;
}

static enum lts_err
plugin_open(struct processor *processor, const struct shard_id *shard,
	    const struct cursor *checkpoint, struct processor_shard **out, struct buf *why_out)
{
	struct plugin *plugin = (struct plugin *)processor;
	const struct lts_processor_ops *ops = plugin->ops;
	void *self = ops->create(plugin->args);
	if (!self)
		return explain(plugin->path, "create gave none", why_out);
	if (ops->initialize && ops->initialize(self, shard->text)) {
		if (ops->destroy)
			ops->destroy(self);
		return explain(plugin->path, "initialize failed", why_out);
	}
	struct processor_shard *s = xcalloc(1, sizeof(*s));
	s->plugin = plugin;
	s->self = self;
	memcpy(s->shard, shard->text, sizeof(s->shard));
	s->saved = *checkpoint;
	*out = s;
	return LTS_OK;
}

static struct lts_batch
batch_of(struct processor_shard *s, const struct piece *piece)
{
	struct plugin *plugin = s->plugin;
	if (plugin->cap < piece->n) {
		plugin->cap = piece->n;
		plugin->records =
			xreallocarray(plugin->records, plugin->cap, sizeof(*plugin->records));
	}
	for (size_t i = 0; i < piece->n; i++)
		plugin->records[i] =
			(struct lts_record){ piece->records[i].text, piece->records[i].len };
	return (struct lts_batch){ .shard = s->shard,
				   .cursor = piece->cursor.text,
				   .next_cursor = piece->next.text,
				   .records = plugin->records,
				   .n_records = piece->n,
				   .attempts = piece->attempts };
}

static void
plugin_process(struct processor_shard *s, const struct piece *piece, struct verdict *out)
{
	struct lts_batch batch = batch_of(s, piece);
	*out = (struct verdict){ .kind = VERDICT_ACK };
	struct call call = call_of(s, piece, out);
	int result = s->plugin->ops->process(s->self, &batch, &call.tracker);
	if (result == LTS_PROCESSOR_LATER) {
		*out = (struct verdict){ .kind = VERDICT_LATER };
	} else if (result != LTS_PROCESSOR_OK) {
		out->kind = VERDICT_REFUSED;
		out->saved = false;
	} else if (out->saved && out->kind == VERDICT_ACK) {
		s->saved = piece->last ? piece->next : piece->cursor;
	}
}

static void
plugin_committed(struct processor_shard *s, const struct cursor *checkpoint)
{
	s->saved = *checkpoint;
}

static void
plugin_destroy(struct processor **processor)
{
	struct plugin *plugin = (struct plugin *)*processor;
	/* It stays loaded: threads of its own may still run. */
	free(plugin->records);
	free(plugin->path);
	free(plugin->args);
	free(plugin);
	*processor = NULL;
}

/* ---- loading ---- */

typedef const struct lts_processor_ops *entry_fn(void);

static const char *
check(const struct lts_processor_ops *ops)
{
	if (!ops)
		return "lts_processor gave nothing";
	if (ops->version != LTS_PROCESSOR_VERSION)
		return "made for another version of lts_processor.h";
	if (ops->size != sizeof(*ops))
		return "its struct lts_processor_ops has another size: made with another "
		       "lts_processor.h";
	if (!ops->create || !ops->process)
		return "it has no create or no process";
	return NULL;
}

static enum lts_err
load(struct plugin *plugin, struct buf *why_out)
{
	/* Without a slash the loader would look in the system's directories. */
	char *path = xasprintf("%s%s", strchr(plugin->path, '/') ? "" : "./", plugin->path);
	plugin->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	free(path);
	if (!plugin->object)
		return explain(plugin->path, dlerror(), why_out);
	union {
		void *data;
		entry_fn *function;
	} symbol = { dlsym(plugin->object, "lts_processor") };
	if (!symbol.data)
		return explain(plugin->path, "it does not export lts_processor", why_out);
	plugin->ops = symbol.function();
	const char *why = check(plugin->ops);
	return why ? explain(plugin->path, why, why_out) : LTS_OK;
}

enum lts_err
processor_plugin_create(const char *what, const struct processor_config *config,
			struct processor **out, struct buf *why_out)
{
	static const struct processor_ops ops = {
		.open = plugin_open,
		.process = plugin_process,
		.committed = plugin_committed,
		.close = plugin_close,
		.destroy = plugin_destroy,
	};
	const char *mark = strchr(what, '?');
	struct plugin *plugin = xcalloc(1, sizeof(*plugin));
	plugin->base.ops = &ops;
	plugin->path = xstrndup(what, mark ? (size_t)(mark - what) : strlen(what));
	plugin->args = xstrdup(mark ? mark + 1 : "");
	enum lts_err err = load(plugin, why_out);
	if (err)
		plugin_destroy(&(struct processor *){ &plugin->base });
	else
		*out = &plugin->base;
	return err;
}
