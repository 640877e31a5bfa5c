/*
 * fuzz_message.c - libFuzzer's way into the channel's messages.
 *
 * A message is refused and nothing is touched, or what it says can be sent, and arrives as the
 * same.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "common/message.h"
#include "common/xalloc.h"

/* What borrows of the bytes, as message_encode wants it; the caller frees both. */
static struct message
for_encoding(const struct message *decoded, char **text_out, struct epoch **epochs_out)
{
	struct message message = *decoded;
	*text_out = NULL;
	*epochs_out = NULL;
	if (message.type == MSG_CONFIG) {
		*text_out = xstrndup(decoded->config.options, decoded->config.options_len);
		message.config.options = *text_out;
	} else if (message.type == MSG_RENEW) {
		*epochs_out = xcalloc(message.renew.count + 1, sizeof(**epochs_out));
		for (uint32_t i = 0; i < message.renew.count; i++)
			(*epochs_out)[i] = message_renew_epoch(&decoded->renew, i);
		message.renew.epochs = *epochs_out;
	}
	return message;
}

static size_t
encode(const struct message *decoded, uint8_t data[HANDOFF_MESSAGE_MAX])
{
	struct epoch *epochs;
	char *text;
	size_t len = 0;
	struct message message = for_encoding(decoded, &text, &epochs);
	require(message_encode(&message, data, &len) == LTS_OK);
	free(text);
	free(epochs);
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t first[HANDOFF_MESSAGE_MAX], second[HANDOFF_MESSAGE_MAX];
	struct message one = { .type = MSG_FLUSHED }, two;
	if (message_decode(data, size, &one)) {
		require(one.type == MSG_FLUSHED);
		return 0;
	}
	require(strcmp(message_name(one.type), "?") != 0);
	size_t len = encode(&one, first);
	require(message_decode(first, len, &two) == LTS_OK && two.type == one.type);
	require(encode(&two, second) == len && memcmp(first, second, len) == 0);
	return 0;
}
