/*
 * names.h - how the consumers of a host are called.
 *
 * For people, and in the state: <identity>-<instance>-<n>. At the service: the UUID, version 5, of
 * that text, so the same after a restart; before version 4 of the schema it was the text itself.
 */
#ifndef STATE_NAMES_H
#define STATE_NAMES_H

#include "state/schema.h"

enum { NAMES_MAX = 256 }; /* consumers of a host */

struct consumer_name names_plain(const struct identity_record *identity, uint32_t index);
struct consumer_name names_uuid(const struct identity_record *identity, uint32_t index);
/* The one that the state says is used at the service. */
struct consumer_name names_at_service(const struct identity_record *identity, uint32_t index);

struct own_names;
struct own_names *own_names_create(const struct identity_record *identity);
void own_names_destroy(struct own_names **own);
/* Whether a consumer's name is one of this instance's, in either form. */
bool own_names_has(const struct own_names *own, const struct consumer_name *name);

#endif
