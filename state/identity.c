/*
 * identity.c - an environment knows what it belongs to.
 *
 * The claim runs in the supervisor before the first worker exists; reads run anywhere.
 * Owns nothing. Must never let an environment serve a second stream, nor a copy of it go on as
 * the same consumer: that would be there twice. Held by tests/state/test_identity.c.
 */
#include "state/identity.h"

#include <stdio.h>

#include "state/events.h"
#include "state/renew.h"

static const struct store_key identity_key = { "identity", 8 };
static const struct store_key start_key = { "start", 5 };

enum lts_err
identity_read(struct store_txn *txn, struct identity_record *out)
{
	const void *data;
	size_t len;
	enum lts_err err = store_get(txn, STORE_META, identity_key, &data, &len);
	return err ? err : identity_decode(data, len, out);
}

uint8_t
identity_newer(struct store_txn *txn)
{
	const void *data;
	size_t len;
	if (store_get(txn, STORE_META, identity_key, &data, &len))
		return 0;
	return schema_newer(data, len);
}

enum lts_err
identity_read_start(struct store_txn *txn, int64_t *start_ns_out)
{
	const void *data;
	size_t len;
	struct start_record start;
	enum lts_err err = store_get(txn, STORE_META, start_key, &data, &len);
	if (!err)
		err = start_decode(data, len, &start);
	if (!err)
		*start_ns_out = start.start_ns;
	return err;
}

enum lts_err
identity_put(struct store_txn *txn, const struct identity_record *record)
{
	struct schema_value value;
	identity_encode(record, &value);
	return store_put(txn, STORE_META, identity_key, &value);
}

enum lts_err
identity_put_start(struct store_txn *txn, int64_t start_ns)
{
	struct schema_value value;
	const void *data;
	size_t len;
	enum lts_err err = store_get(txn, STORE_META, start_key, &data, &len);
	if (err != LTS_NOTFOUND)
		return err;
	start_encode(&(struct start_record){ start_ns }, &value);
	return store_put(txn, STORE_META, start_key, &value);
}

bool
identity_same_group(const struct identity_record *a, const struct identity_record *b)
{
	return strcmp(a->project_id, b->project_id) == 0 &&
	       strcmp(a->group_id, b->group_id) == 0 && strcmp(a->stream_id, b->stream_id) == 0 &&
	       strcmp(a->consumer_group, b->consumer_group) == 0;
}

static bool
differs(const char *what, const char *has, const char *wanted, struct buf *why)
{
	if (strcmp(has, wanted) == 0)
		return false;
	enum lts_err ignored =
		buf_printf(why, "%s%s '%s' (not '%s')", why->len ? ", " : "", what, has, wanted);
	(void)ignored;
	return true;
}

static bool
other_stream(const struct identity_record *has, const struct identity_record *mine,
	     struct buf *why)
{
	bool other = differs("project_id", has->project_id, mine->project_id, why);
	other |= differs("group_id", has->group_id, mine->group_id, why);
	other |= differs("stream_id", has->stream_id, mine->stream_id, why);
	return other | differs("consumer_group_name", has->consumer_group, mine->consumer_group,
			       why);
}

/* Without a name of its own a host is told by its machine, too: two clones are not one member. */
static bool
other_owner(const struct identity_record *has, const struct identity_record *mine, bool named,
	    struct buf *why)
{
	if (!has->host[0]) /* adopted, restored or rebuilt, as a new instance: it has none */
		return false;
	bool other = differs("identity", has->host, mine->host, why);
	return other | (!named && differs("machine-id", has->machine_id, mine->machine_id, why));
}

static enum lts_err
compare(const struct identity_record *has, const struct identity_record *mine, bool named,
	struct buf *why)
{
	enum lts_err ignored;
	bool stream = other_stream(has, mine, why), owner = other_owner(has, mine, named, why);
	if (!stream && !owner)
		return LTS_OK;
	if (stream)
		ignored = buf_put_text(why, ": give this stream a state_dir of its own");
	else
		ignored = buf_printf(
			why,
			": a copied state_dir would be the same consumer twice. Is that owner "
			"gone, or was it this one? The option identity=%s goes on with the state, "
			"and `lts-state adopt` lets this one take it, as a new consumer. Else use "
			"an empty state_dir here, which goes on from the service's checkpoints",
			has->host);
	(void)ignored;
	return LTS_INVALID;
}

/* Of the owner that it names, but on another machine and in another file: both may be in use. What
 * is not known on both sides is not the same, unless an earlier version kept neither. */
static bool
is_copy(const struct identity_record *has, const struct identity_record *mine)
{
	bool same_machine = has->machine_id[0] && strcmp(has->machine_id, mine->machine_id) == 0;
	bool same_file = has->data_inode && has->data_inode == mine->data_inode;
	bool never_known = !has->data_inode && !has->machine_id[0] && !mine->machine_id[0];
	return !same_machine && !same_file && !never_known;
}

static enum lts_err
take_over_copy(struct store_txn *txn, struct identity_record *identity, int64_t now_ns)
{
	struct event_record event = { .time_ns = now_ns, .kind = EVENT_ADOPTED };
	event.epoch.value = (uint64_t)identity->boot_count << 32;
	snprintf(event.text, sizeof(event.text), "a copy of the state of instance %s",
		 identity->instance);
	renew_identity(identity);
	enum lts_err err = renew_stored(txn, now_ns);
	return err ? err : events_append(txn, &event);
}

/* What is there, or what will be. */
static enum lts_err
settle(struct store_txn *txn, struct identity_record *identity,
       const struct identity_record *mine, bool named, struct buf *why)
{
	enum lts_err err = identity_read(txn, identity);
	if (err == LTS_NOTFOUND) {
		*identity = *mine;
		identity->plain_names = false;
		return LTS_OK;
	}
	if (!err)
		err = compare(identity, mine, named, why);
	if (err)
		return err;
	if (!identity->host[0])
		memcpy(identity->host, mine->host, sizeof(identity->host));
	else if (is_copy(identity, mine))
		err = take_over_copy(txn, identity, mine->created_ns);
	memcpy(identity->machine_id, mine->machine_id, sizeof(identity->machine_id));
	identity->data_inode = mine->data_inode;
	memcpy(identity->boot_id, mine->boot_id, sizeof(identity->boot_id));
	identity->pid_namespace = mine->pid_namespace;
	identity->plain_names &= mine->plain_names;
	return err;
}

static enum lts_err
refuse_newer(struct store_txn *txn, struct buf *why)
{
	uint8_t version = identity_newer(txn);
	if (!version)
		return LTS_OK;
	enum lts_err ignored =
		buf_printf(why,
			   "a newer version of lts-consumer: its schema is version "
			   "%u, this one knows up to %d; use the lts-supervisor and "
			   "the lts-state of the newer version",
			   version, (int)SCHEMA_VERSION);
	(void)ignored;
	return LTS_INVALID;
}

enum lts_err
identity_claim(struct store *store, const struct identity_record *mine, bool named,
	       struct identity_record *out, struct buf *why_out)
{
	struct store_txn txn = { 0 };
	struct identity_record identity;
	enum lts_err err = store_write_begin(store, &txn);
	if (err)
		return err;
	if ((err = refuse_newer(&txn, why_out)))
		goto out;
	if ((err = settle(&txn, &identity, mine, named, why_out)))
		goto out;
	identity.boot_count++;
	identity.schema = SCHEMA_VERSION;
	err = identity_put(&txn, &identity);
	if (!err)
		err = store_commit(&txn);
	if (!err)
		*out = identity;
out:
	store_abort(&txn);
	return err;
}
