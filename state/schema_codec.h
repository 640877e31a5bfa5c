/*
 * schema_codec.h - the records of state/schema.h to bytes and back.
 *
 * Encoding cannot fail. Decoding gives LTS_BADDATA for a wrong CRC, version or length,
 * and leaves the record untouched.
 */
#ifndef STATE_SCHEMA_CODEC_H
#define STATE_SCHEMA_CODEC_H

#include "state/schema.h"

/* A value being built, or borrowed from a transaction. */
struct schema_value {
	size_t len;
	uint8_t data[SCHEMA_VALUE_MAX];
};

const char *lease_state_name(enum lease_state state);
const char *event_kind_name(enum event_kind kind);

void identity_encode(const struct identity_record *record, struct schema_value *out);
void start_encode(const struct start_record *record, struct schema_value *out);
void lease_encode(const struct lease_record *record, struct schema_value *out);
void checkpoint_encode(const struct checkpoint_record *record, struct schema_value *out);
void worker_encode(const struct worker_record *record, struct schema_value *out);
void event_encode(const struct event_record *record, struct schema_value *out);

enum lts_err identity_decode(const void *data, size_t len,
			     struct identity_record *out) LTS_MUST_USE;
enum lts_err start_decode(const void *data, size_t len, struct start_record *out) LTS_MUST_USE;
enum lts_err lease_decode(const void *data, size_t len, struct lease_record *out) LTS_MUST_USE;
enum lts_err checkpoint_decode(const void *data, size_t len,
			       struct checkpoint_record *out) LTS_MUST_USE;
enum lts_err worker_decode(const void *data, size_t len, struct worker_record *out) LTS_MUST_USE;
enum lts_err event_decode(const void *data, size_t len, struct event_record *out) LTS_MUST_USE;

/* The version of a sound value that is newer than SCHEMA_VERSION; 0: it is none. */
uint8_t schema_newer(const void *data, size_t len);

#endif
