/*
 * sim_segment.c - finds the file sink's segments.
 *
 * In `lts-sim verify`. Owns the list. Must never sort by what the records say: the order
 * checked is the one that the names promise. Held by tests/support/test_sim_verify.c.
 */
#include "tests/sim/sim_segment.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

enum { NUMBER_DIGITS = 8 };

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c ? strchr(digits, c >= 'a' && c <= 'f' ? c - 32 : c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* A shard's name as it is written in a file's name. NULL: not one. */
static char *
decode_shard(const char *text, size_t len)
{
	char *shard = xmalloc(len + 1), *out = shard;
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			*out++ = text[i];
			continue;
		}
		int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
		int low = high < 0 ? -1 : hex_digit(text[i + 2]);
		if (low < 0) {
			free(shard);
			return NULL;
		}
		*out++ = (char)(high * 16 + low);
		i += 2;
	}
	*out = '\0';
	return shard;
}

static bool
cut_suffix(const char *name, size_t *len, const char *suffix)
{
	size_t n = strlen(suffix);
	if (*len < n || memcmp(name + *len - n, suffix, n) != 0)
		return false;
	*len -= n;
	return true;
}

bool
sim_segment_parse(const char *name, struct sim_segment *segment_out)
{
	size_t len = strlen(name);
	bool is_part = cut_suffix(name, &len, ".part");
	if (!cut_suffix(name, &len, ".log") || len < NUMBER_DIGITS + 4)
		return false;
	const char *number = name + len - NUMBER_DIGITS;
	const char *dash = memchr(name, '-', len);
	if (strspn(number, "0123456789") != NUMBER_DIGITS || number[-1] != '-' || dash == name ||
	    dash + 1 >= number - 1)
		return false;
	char *shard = decode_shard(name, (size_t)(dash - name));
	if (!shard)
		return false;
	*segment_out = (struct sim_segment){
		.shard = shard,
		.instance = xstrndup(dash + 1, (size_t)(number - dash) - 2),
		.number = (unsigned)strtoul(number, NULL, 10),
		.is_part = is_part,
	};
	return true;
}

void
sim_segment_fini(struct sim_segment *segment)
{
	free(segment->path);
	free(segment->shard);
	free(segment->instance);
}

enum lts_err
sim_segments_add(struct sim_segments *segments, const char *path)
{
	DIR *dir = opendir(path);
	if (!dir)
		return LTS_SYS;
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct sim_segment segment;
		if (!sim_segment_parse(entry->d_name, &segment)) {
			segments->ignored +=
				strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
			continue;
		}
		segment.path = xasprintf("%s/%s", path, entry->d_name);
		segment.host = segments->hosts;
		if (segments->n == segments->cap) {
			segments->cap = segments->cap ? 2 * segments->cap : 64;
			segments->list =
				xreallocarray(segments->list, segments->cap, sizeof(segment));
		}
		segments->list[segments->n++] = segment;
	}
	closedir(dir);
	segments->hosts++;
	return LTS_OK;
}

static int
compare(const void *left, const void *right)
{
	const struct sim_segment *a = left, *b = right;
	int order = strcmp(a->shard, b->shard);
	if (order == 0)
		order = (a->host > b->host) - (a->host < b->host);
	if (order == 0)
		order = strcmp(a->instance, b->instance);
	if (order == 0)
		order = (a->number > b->number) - (a->number < b->number);
	return order ? order : strcmp(a->path, b->path);
}

void
sim_segments_sort(struct sim_segments *segments)
{
	if (segments->n)
		qsort(segments->list, segments->n, sizeof(segments->list[0]), compare);
}

void
sim_segments_fini(struct sim_segments *segments)
{
	for (size_t i = 0; i < segments->n; i++)
		sim_segment_fini(&segments->list[i]);
	free(segments->list);
	*segments = (struct sim_segments){ 0 };
}
