/*
 * names.c - how the consumers of a host are called.
 *
 * In the supervisor and in lts-state. Pure. Must never call two consumers alike, nor one anew at
 * each start: a restart is the same member of the group. Held by tests/state/test_consumer_names.c.
 */
#include "state/names.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/xalloc.h"

enum { UUID_BYTES = 16, SHA1_BYTES = 20 };

/* Ours alone; made at random. The same by hand:
 * uuidgen --sha1 -n 6f3c1d52-8a0e-4c57-9b41-2de07a55c8f6 -N NAME */
static const uint8_t name_space[UUID_BYTES] = { 0x6f, 0x3c, 0x1d, 0x52, 0x8a, 0x0e, 0x4c, 0x57,
						0x9b, 0x41, 0x2d, 0xe0, 0x7a, 0x55, 0xc8, 0xf6 };

/* Version 5 of RFC 9562. */
static struct consumer_name
uuid_of(const char *text)
{
	uint8_t input[UUID_BYTES + sizeof(struct consumer_name)], id[SHA1_BYTES];
	struct consumer_name name = { 0 };
	size_t len = strlen(text);
	memcpy(input, name_space, UUID_BYTES);
	memcpy(input + UUID_BYTES, text, len);
	if (!EVP_Digest(input, UUID_BYTES + len, id, NULL, EVP_sha1(), NULL))
		abort();
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x50);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	for (size_t i = 0, at = 0; i < UUID_BYTES; i++) {
		bool dash = i == 4 || i == 6 || i == 8 || i == 10;
		at += (size_t)snprintf(name.text + at, sizeof(name.text) - at, "%s%02x",
				       dash ? "-" : "", id[i]);
	}
	return name;
}

struct consumer_name
names_plain(const struct identity_record *identity, uint32_t index)
{
	struct consumer_name name = { 0 };
	snprintf(name.text, sizeof(name.text), "%s-%s-%u", identity->host, identity->instance,
		 index);
	return name;
}

struct consumer_name
names_uuid(const struct identity_record *identity, uint32_t index)
{
	struct consumer_name plain = names_plain(identity, index);
	return uuid_of(plain.text);
}

struct consumer_name
names_at_service(const struct identity_record *identity, uint32_t index)
{
	return identity->plain_names ? names_plain(identity, index) : names_uuid(identity, index);
}

struct own_names {
	char prefix[128]; /* of the plain ones */
	struct consumer_name uuids[NAMES_MAX];
};

struct own_names *
own_names_create(const struct identity_record *identity)
{
	struct own_names *own = xcalloc(1, sizeof(*own));
	snprintf(own->prefix, sizeof(own->prefix), "%s-%s-", identity->host, identity->instance);
	for (uint32_t index = 0; index < NAMES_MAX; index++)
		own->uuids[index] = names_uuid(identity, index);
	return own;
}

void
own_names_destroy(struct own_names **own)
{
	free(*own);
	*own = NULL;
}

static bool
is_plain_name(const struct own_names *own, const char *name)
{
	size_t len = strlen(own->prefix);
	if (strncmp(name, own->prefix, len) != 0)
		return false;
	/* Nothing but the index may follow: another host's name may begin like ours. */
	const char *index = name + len;
	return *index && strspn(index, "0123456789") == strlen(index);
}

bool
own_names_has(const struct own_names *own, const struct consumer_name *name)
{
	if (is_plain_name(own, name->text))
		return true;
	for (uint32_t index = 0; index < NAMES_MAX; index++)
		if (strcasecmp(own->uuids[index].text, name->text) == 0)
			return true;
	return false;
}
