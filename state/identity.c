/*
 * identity.c - an environment knows what it belongs to.
 *
 * The claim runs in the supervisor before the first worker exists; reads run anywhere.
 * Owns nothing. Must never let an environment serve a second stream or a second machine:
 * the copy would be the same consumer twice. Held by tests/state/test_identity.c.
 */
#include "state/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

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

void
identity_new_instance(struct identity_record *out)
{
	uint32_t random = 0;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		abort();
	snprintf(out->instance, sizeof(out->instance), "%08x", random);
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

static enum lts_err
compare(const struct identity_record *has, const struct identity_record *mine, struct buf *why)
{
	bool stream = differs("project_id", has->project_id, mine->project_id, why);
	stream |= differs("group_id", has->group_id, mine->group_id, why);
	stream |= differs("stream_id", has->stream_id, mine->stream_id, why);
	stream |= differs("consumer_group_name", has->consumer_group, mine->consumer_group, why);
	bool machine = differs("host", has->host, mine->host, why);
	machine |= differs("machine-id", has->machine_id, mine->machine_id, why);
	if (!stream && !machine)
		return LTS_OK;
	enum lts_err ignored = buf_put_text(
		why, stream ? ": give this stream a state_dir of its own"
			    : ": a copied state_dir would be the same consumer twice; "
			      "use an empty "
			      "state_dir here (it goes on from the service's "
			      "checkpoints), or, if the "
			      "machine was only renamed, give it its old name back");
	(void)ignored;
	return LTS_INVALID;
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
identity_claim(struct store *store, const struct identity_record *mine,
	       struct identity_record *out, struct buf *why_out)
{
	struct store_txn txn = { 0 };
	struct identity_record identity;
	enum lts_err err = store_write_begin(store, &txn);
	if (err)
		return err;
	if ((err = refuse_newer(&txn, why_out)))
		goto out;
	err = identity_read(&txn, &identity);
	if (err == LTS_NOTFOUND)
		identity = *mine;
	else if (err)
		goto out;
	else if ((err = compare(&identity, mine, why_out)))
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

struct consumer_name
identity_consumer_name(const struct identity_record *identity, uint32_t index)
{
	struct consumer_name name = { 0 };
	snprintf(name.text, sizeof(name.text), "%s-%s-%u", identity->host, identity->instance,
		 index);
	return name;
}

bool
identity_owns_name(const struct identity_record *identity, const struct consumer_name *name)
{
	char prefix[128];
	int len = snprintf(prefix, sizeof(prefix), "%s-%s-", identity->host, identity->instance);
	if (len < 0 || strncmp(name->text, prefix, (size_t)len) != 0)
		return false;
	/* Nothing but the index may follow: another host's name may begin like ours. */
	const char *index = name->text + len;
	return *index && strspn(index, "0123456789") == strlen(index);
}
