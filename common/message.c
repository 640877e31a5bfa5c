/*
 * message.c - the channel's messages, field by field.
 *
 * In the supervisor and in workers. Owns nothing. Must never accept a message with a
 * field missing or a byte left over: an unknown one means that the peer is broken. Held
 * by tests/common/test_message.c.
 */
#include "common/message.h"

#include "common/pack.h"

const char *
message_name(enum message_type type)
{
	static const char *const names[] = {
		[MSG_CONFIG] = "CONFIG",       [MSG_ASSIGN] = "ASSIGN",
		[MSG_REVOKE] = "REVOKE",       [MSG_RENEW] = "RENEW",
		[MSG_PUBLISHED] = "PUBLISHED", [MSG_FLUSH] = "FLUSH",
		[MSG_DRAIN] = "DRAIN",         [MSG_READY] = "READY",
		[MSG_HELD] = "HELD",           [MSG_RELEASED] = "RELEASED",
		[MSG_FINISHED] = "FINISHED",   [MSG_STUCK] = "STUCK",
		[MSG_FLUSHED] = "FLUSHED",     [MSG_REPLAY] = "REPLAY",
	};
	if ((unsigned)type >= sizeof(names) / sizeof(names[0]) || !names[type])
		return "?";
	return names[type];
}

static void
encode_config(struct packer *p, const struct message_config *m)
{
	pack_u32(p, m->slot);
	pack_u8(p, m->thrift);
	pack_text(p, m->instance);
	pack_text(p, m->name.text);
	pack_text(p, m->options);
	/* The secrets end with a NUL of their own, so that the receiver may borrow them.
	 */
	const char *const secrets[] = { m->ak, m->sk, m->token };
	for (size_t i = 0; i < 3; i++) {
		pack_text(p, secrets[i]);
		pack_u8(p, 0);
	}
	pack_u8(p, m->log_fd > 0);
	pack_u8(p, m->trust_fd > 0);
}

static void
decode_config(struct unpacker *u, struct message_config *m)
{
	size_t len;
	m->slot = unpack_u32(u);
	m->thrift = unpack_u8(u);
	unpack_text(u, m->instance, sizeof(m->instance));
	unpack_text(u, m->name.text, sizeof(m->name.text));
	m->options = unpack_view(u, &m->options_len);
	const char **const secrets[] = { &m->ak, &m->sk, &m->token };
	for (size_t i = 0; i < 3; i++) {
		*secrets[i] = unpack_view(u, &len);
		if (unpack_u8(u) != 0)
			u->bad = true;
	}
	m->log_fd = unpack_u8(u); /* which of them come: the numbers are the channel's to say */
	m->trust_fd = unpack_u8(u);
	if (m->log_fd > 1 || m->trust_fd > 1)
		u->bad = true;
}

static void
encode_assign(struct packer *p, const struct message_assign *m)
{
	pack_text(p, m->shard.text);
	pack_u64(p, m->epoch.value);
	pack_i64(p, m->deadline_ms);
	pack_u32(p, m->home);
	pack_text(p, m->service.text);
	pack_u8(p, m->service_is_ours);
	pack_u8(p, m->unbroken);
	pack_u8(p, m->seal_only);
	pack_text(p, m->reset.text);
	pack_u64(p, m->reset_first.value);
	pack_text(p, m->start);
	pack_i64(p, m->start_ns);
	pack_i64(p, m->end_ns);
	pack_i64(p, m->certain_ahead_ns);
	pack_text(p, m->suspect.cursor.text);
	pack_u32(p, m->suspect.first);
	pack_u32(p, m->suspect.count);
	pack_u32(p, m->suspect.attempts);
	pack_u8(p, (uint8_t)m->fate);
	pack_u32(p, m->fate_slot);
}

static void
decode_assign(struct unpacker *u, struct message_assign *m)
{
	unpack_text(u, m->shard.text, sizeof(m->shard.text));
	m->epoch.value = unpack_u64(u);
	m->deadline_ms = unpack_i64(u);
	m->home = unpack_u32(u);
	unpack_text(u, m->service.text, sizeof(m->service.text));
	m->service_is_ours = unpack_u8(u) != 0;
	m->unbroken = unpack_u8(u) != 0;
	m->seal_only = unpack_u8(u) != 0;
	unpack_text(u, m->reset.text, sizeof(m->reset.text));
	m->reset_first.value = unpack_u64(u);
	unpack_text(u, m->start, sizeof(m->start));
	m->start_ns = unpack_i64(u);
	m->end_ns = unpack_i64(u);
	m->certain_ahead_ns = unpack_i64(u);
	unpack_text(u, m->suspect.cursor.text, sizeof(m->suspect.cursor.text));
	m->suspect.first = unpack_u32(u);
	m->suspect.count = unpack_u32(u);
	m->suspect.attempts = unpack_u32(u);
	m->fate = (enum fate)unpack_u8(u);
	m->fate_slot = unpack_u32(u);
	if (m->fate > FATE_DIED)
		u->bad = true;
}

static void
encode_lease(struct packer *p, const struct message_lease *m)
{
	pack_text(p, m->shard.text);
	pack_u64(p, m->epoch.value);
	pack_u8(p, (uint8_t)m->err);
	pack_text(p, m->cursor.text);
	pack_text(p, m->text);
}

static void
decode_lease(struct unpacker *u, struct message_lease *m)
{
	unpack_text(u, m->shard.text, sizeof(m->shard.text));
	m->epoch.value = unpack_u64(u);
	m->err = (enum lts_err)unpack_u8(u);
	unpack_text(u, m->cursor.text, sizeof(m->cursor.text));
	unpack_text(u, m->text, sizeof(m->text));
}

static void
encode_renew(struct packer *p, const struct message_renew *m)
{
	if (m->count > MESSAGE_MAX_RENEW) {
		p->overflow = true;
		return;
	}
	pack_i64(p, m->deadline_ms);
	pack_i64(p, m->certain_ahead_ns);
	pack_u32(p, m->count);
	for (uint32_t i = 0; i < m->count; i++)
		pack_u64(p, m->epochs[i].value);
}

static void
decode_renew(struct unpacker *u, struct message_renew *m)
{
	m->deadline_ms = unpack_i64(u);
	m->certain_ahead_ns = unpack_i64(u);
	m->count = unpack_u32(u);
	m->epochs = NULL;
	m->packed = u->data + u->at;
	if (m->count > MESSAGE_MAX_RENEW || u->len - u->at != m->count * 8u)
		u->bad = true;
	else
		u->at = u->len;
}

static void
encode_replay(struct packer *p, const struct message_replay *m)
{
	pack_u32(p, m->count);
	pack_u32(p, m->attempts);
	pack_text(p, m->path);
	pack_u8(p, 0); /* so that the receiver may borrow it */
}

static void
decode_replay(struct unpacker *u, struct message_replay *m)
{
	size_t len;
	m->count = unpack_u32(u);
	m->attempts = unpack_u32(u);
	m->path = unpack_view(u, &len);
	if (unpack_u8(u) != 0)
		u->bad = true;
}

struct epoch
message_renew_epoch(const struct message_renew *renew, uint32_t index)
{
	struct unpacker u = { .data = renew->packed + index * 8u, .len = 8 };
	return (struct epoch){ unpack_u64(&u) };
}

enum lts_err
message_encode(const struct message *message, uint8_t *data, size_t *len_out)
{
	struct packer p = { .data = data, .cap = HANDOFF_MESSAGE_MAX };
	pack_u8(&p, HANDOFF_VERSION);
	pack_u8(&p, (uint8_t)message->type);
	switch (message->type) {
	case MSG_CONFIG:
		encode_config(&p, &message->config);
		break;
	case MSG_ASSIGN:
		encode_assign(&p, &message->assign);
		break;
	case MSG_RENEW:
		encode_renew(&p, &message->renew);
		break;
	case MSG_REPLAY:
		encode_replay(&p, &message->replay);
		break;
	case MSG_REVOKE:
	case MSG_PUBLISHED:
	case MSG_HELD:
	case MSG_RELEASED:
	case MSG_FINISHED:
	case MSG_STUCK:
		encode_lease(&p, &message->lease);
		break;
	case MSG_FLUSH:
	case MSG_DRAIN:
	case MSG_READY:
	case MSG_FLUSHED:
		break;
	}
	if (p.overflow)
		return LTS_TOOBIG;
	*len_out = p.len;
	return LTS_OK;
}

enum lts_err
message_decode(const uint8_t *data, size_t len, struct message *out)
{
	struct unpacker u = { .data = data, .len = len };
	struct message m = { 0 };
	if (unpack_u8(&u) != HANDOFF_VERSION)
		return LTS_BADDATA;
	m.type = (enum message_type)unpack_u8(&u);
	switch (m.type) {
	case MSG_CONFIG:
		decode_config(&u, &m.config);
		break;
	case MSG_ASSIGN:
		decode_assign(&u, &m.assign);
		break;
	case MSG_RENEW:
		decode_renew(&u, &m.renew);
		break;
	case MSG_REPLAY:
		decode_replay(&u, &m.replay);
		break;
	case MSG_REVOKE:
	case MSG_PUBLISHED:
	case MSG_HELD:
	case MSG_RELEASED:
	case MSG_FINISHED:
	case MSG_STUCK:
		decode_lease(&u, &m.lease);
		break;
	case MSG_FLUSH:
	case MSG_DRAIN:
	case MSG_READY:
	case MSG_FLUSHED:
		break;
	default:
		return LTS_BADDATA;
	}
	if (!unpack_done(&u))
		return LTS_BADDATA;
	*out = m;
	return LTS_OK;
}
