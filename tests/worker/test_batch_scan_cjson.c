/*
 * test_batch_scan_cjson.c - batch_scan and cJSON agree on generated and mutated bodies.
 *
 * The seeds are fixed. cJSON judges the structure and the values; this file's own rules
 * say where it is laxer (is_strict: control characters as space and in strings, UTF-8,
 * numbers, \u without hex digits, a byte order mark, trailing text, nesting) and where it
 * is stricter (lone surrogates, and numbers above 63 characters, about which it is not
 * asked). Both ways: what one accepts the other does.
 */
#include <check.h>
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "tests/worker/random_batch.h"
#include "worker/batch_scan.h"
#include "worker/record_text.h"

enum { SEEDS = 8, BODIES = 2000, CJSON_NUMBER_MAX = 63, NESTING_MAX = 128 };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_strict_number(const char *p, size_t len)
{
	const char *end = p + len;
	p += *p == '-';
	if (p == end || !is_digit(*p) || (*p == '0' && p + 1 < end && is_digit(p[1])))
		return false;
	while (p < end && is_digit(*p))
		p++;
	if (p < end && *p == '.' && (++p == end || !is_digit(*p)))
		return false;
	while (p < end && is_digit(*p))
		p++;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		if (p == end)
			return false;
		while (p < end && is_digit(*p))
			p++;
	}
	return p == end;
}

/* The bytes of one UTF-8 sequence, decoded and judged by value; 0 if it is none. */
static size_t
strict_utf8(const char *p, size_t room)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)*p;
	size_t len = c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
	if (len == 0 || len > room)
		return 0;
	uint32_t point = c & (0xff >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | ((unsigned char)p[i] & 0x3f);
	}
	return point < least[len] || point > 0x10ffff || point >> 11 == 27 ? 0 : len;
}

/* Behind the string at p (its quote), or NULL where cJSON is laxer than the RFC. */
static const char *
strict_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++) {
		unsigned char c = (unsigned char)*p;
		if (c < 0x20)
			return NULL;
		if (c == '\\' && p + 1 < end && *++p == 'u') {
			if (end - p < 5 || strspn(p + 1, "0123456789abcdefABCDEF") < 4)
				return NULL;
		} else if (c > 0x7f) {
			size_t len = strict_utf8(p, (size_t)(end - p));
			if (len == 0)
				return NULL;
			p += len - 1;
		}
	}
	return p < end ? p + 1 : NULL;
}

/* Whether the tokens are JSON's, in a text that cJSON has accepted. */
static bool
is_strict(const char *p, size_t len)
{
	const char *end = p + len;
	int depth = 0;
	while (p < end) {
		size_t number = strspn(p, "+-.0123456789eE"); /* the text has a NUL at its end */
		if (*p == '"') {
			p = strict_string(p, end);
			if (!p)
				return false;
		} else if (number && *p != 'e') {
			if (!is_strict_number(p, number))
				return false;
			p += number;
		} else {
			if (*p == '\0' || !strchr(" \t\r\n[]{},:truefalsn", *p))
				return false;
			depth += (*p == '[' || *p == '{') - (*p == ']' || *p == '}');
			if (depth > NESTING_MAX)
				return false;
			p++;
		}
	}
	return true;
}

/* Makes \u0000 and surrogates, of which cJSON has its own opinion, another character that
 * no name and no cursor may have. False: there is a number too long for cJSON. */
static bool
suit_cjson(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t number = strspn(text + i, "+-.0123456789eE");
		if (number > CJSON_NUMBER_MAX)
			return false;
		if (text[i] != '\\')
			continue;
		char *u = text + i++ + 1;
		bool surrogate = (u[0] == 'u' && (u[1] | 0x20) == 'd' && u[2] &&
				  strchr("89abcdefABCDEF", u[2]) &&
				  strspn(u + 3, "0123456789abcdefABCDEF") >= 2);
		if (surrogate || strncmp(u, "u0000", 5) == 0)
			memcpy(u, "u0001", 5);
	}
	return true;
}

static char *
copy_of(const char *text, size_t len)
{
	char *copy = xmalloc(len + 1); /* there may be NULs inside */
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

static cJSON *
parse_suited(const char *text, size_t len)
{
	const char *end = NULL;
	char *copy = copy_of(text, len);
	suit_cjson(copy, len);
	cJSON *tree = cJSON_ParseWithLengthOpts(copy, len, &end, false);
	if (tree && end + strspn(end, " \t\r\n") != copy + len) {
		cJSON_Delete(tree);
		tree = NULL;
	}
	free(copy);
	return tree;
}

/* The only child of that name; *n_out says how many there are. */
static const cJSON *
child(const cJSON *object, const char *name, size_t *n_out)
{
	const cJSON *item, *found = NULL;
	*n_out = 0;
	cJSON_ArrayForEach(item, object)
	{
		if (strcmp(item->string, name) == 0) {
			found = item;
			++*n_out;
		}
	}
	return found;
}

static bool
has_shape(const cJSON *tree)
{
	size_t n_next, n_count, n_logs, n_labels;
	if (!cJSON_IsObject(tree))
		return false;
	const cJSON *next = child(tree, "next", &n_next), *count = child(tree, "count", &n_count);
	const cJSON *logs = child(tree, "logs", &n_logs), *log;
	if (n_next > 1 || n_count > 1 || n_logs > 1)
		return false;
	if (cJSON_IsString(next) ? next->valuestring[0] &&
					   !cursor_set(&(struct cursor){ "" }, next->valuestring)
				 : next && !cJSON_IsNumber(next) && !cJSON_IsNull(next))
		return false;
	if (count && (!cJSON_IsNumber(count) || count->valuedouble != cJSON_GetArraySize(logs)))
		return false;
	if (!logs || cJSON_IsNull(logs))
		return count != NULL;
	cJSON_ArrayForEach(log, logs)
	{
		const cJSON *labels =
			cJSON_IsObject(log) ? child(log, "labels", &n_labels) : NULL;
		if (!cJSON_IsObject(labels) || n_labels != 1)
			return false;
	}
	return cJSON_IsArray(logs);
}

/* The text of a number is lost in cJSON's tree: a sign, fraction or exponent is looked
 * for in the body. */
static bool
is_refused_number(const char *body, const struct batch_fault *fault)
{
	size_t len = strspn(body + fault->offset, "+-.0123456789eE");
	return (strstr(fault->expected, "cursor") || strstr(fault->expected, "integer")) &&
	       memchr(body + fault->offset, '"', 1) == NULL &&
	       strcspn(body + fault->offset, "-.eE") < len;
}

static void
expect_same_value(const struct record *record, const cJSON *labels)
{
	cJSON *tree = parse_suited(record->text, record->len);
	char *ours = cJSON_PrintUnformatted(tree), *theirs = cJSON_PrintUnformatted(labels);
	ck_assert_str_eq(ours, theirs);
	ck_assert_ptr_null(memchr(record->text, '\n', record->len));
	ck_assert_ptr_null(memchr(record->text, '\r', record->len));
	size_t n;
	const cJSON *content = child(labels, "log_content", &n);
	struct buf line;
	buf_init(&line, 0);
	ck_assert(!record_text_put(record, RECORD_CONTENT_KEEP, &line));
	if (cJSON_IsString(content) && !strchr(content->valuestring, 1)) {
		ck_assert_uint_eq(line.len, strlen(content->valuestring) + 1);
		ck_assert_mem_eq(line.data, content->valuestring, line.len - 1);
	}
	buf_fini(&line);
	cJSON_free(ours);
	cJSON_free(theirs);
	cJSON_Delete(tree);
}

static void
expect_same_batch(const struct batch_view *view, const cJSON *tree)
{
	const cJSON *next = cJSON_GetObjectItemCaseSensitive(tree, "next");
	const cJSON *logs = cJSON_GetObjectItemCaseSensitive(tree, "logs");
	ck_assert_int_eq((int)view->n_records, cJSON_GetArraySize(logs));
	if (cJSON_IsNumber(next))
		ck_assert(strtod(view->next.text, NULL) == next->valuedouble);
	else if (cJSON_IsString(next) && strcmp(next->valuestring, "0") != 0)
		ck_assert_str_eq(view->next.text, next->valuestring);
	else
		ck_assert(cursor_is_none(&view->next));
	for (size_t i = 0; i < view->n_records; i++) {
		const cJSON *log = cJSON_GetArrayItem(logs, (int)i);
		expect_same_value(&view->records[i],
				  cJSON_GetObjectItemCaseSensitive(log, "labels"));
	}
}

/* The narrower ways say the same as the best, to the byte. */
static void
expect_ways_agree(const struct buf *text, enum lts_err err, const struct batch_fault *fault,
		  const struct batch_view *view)
{
	for (int way = JSON_SKIP_SSE2; way <= JSON_SKIP_PORTABLE; way++) {
		struct batch_scan scan;
		struct batch_view other_view;
		struct batch_fault other_fault;
		char *body = copy_of(text->data, text->len);
		batch_scan_init(&scan);
		scan.way = (enum json_skip_way)way;
		ck_assert_int_eq(
			batch_scan_run(&scan, body, text->len, &other_fault, &other_view), err);
		if (err) {
			ck_assert_uint_eq(other_fault.offset, fault->offset);
			ck_assert_ptr_eq(other_fault.expected, fault->expected);
		} else {
			ck_assert_uint_eq(other_view.n_records, view->n_records);
			ck_assert(cursor_equal(&other_view.next, &view->next));
		}
		batch_scan_fini(&scan);
		free(body);
	}
}

/* True if both accept. */
static bool
compare(struct batch_scan *scan, const struct buf *text)
{
	struct batch_view view;
	struct batch_fault fault;
	char *body = copy_of(text->data, text->len);
	cJSON *tree = parse_suited(text->data, text->len);
	bool theirs = tree && has_shape(tree) && is_strict(text->data, text->len);
	enum lts_err err = batch_scan_run(scan, body, text->len, &fault, &view);
	bool ours = err == LTS_OK;
	expect_ways_agree(text, err, &fault, &view);
	if (ours && theirs)
		expect_same_batch(&view, tree);
	else
		ck_assert_msg(!ours && (!theirs || is_refused_number(body, &fault)),
			      "%s: %s, cJSON %d", text->data, ours ? "accepted" : fault.expected,
			      theirs);
	cJSON_Delete(tree);
	free(body);
	return ours;
}

START_TEST(batch_scan_and_cjson_agree)
{
	uint64_t state = (uint64_t)_i;
	unsigned accepted = 0, refused = 0;
	struct batch_scan scan;
	struct buf text;
	batch_scan_init(&scan);
	for (int i = 0; i < BODIES; i++) {
		buf_init(&text, 0);
		random_batch_put(&text, &state);
		for (size_t n = random_below(&state, 4); n; n--)
			random_batch_mutate(&text, &state);
		char *copy = copy_of(text.data, text.len);
		if (suit_cjson(copy, text.len))
			*(compare(&scan, &text) ? &accepted : &refused) += 1;
		free(copy);
		buf_fini(&text);
	}
	ck_assert_uint_gt(accepted, BODIES / 5);
	ck_assert_uint_gt(refused, BODIES / 5);
	batch_scan_fini(&scan);
}
END_TEST

Suite *suite_batch_scan_cjson(void);

Suite *
suite_batch_scan_cjson(void)
{
	Suite *suite = suite_create("batch_scan_cjson");
	TCase *tc = tcase_create("differential");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, batch_scan_and_cjson_agree, 1, SEEDS + 1);
	suite_add_tcase(suite, tc);
	return suite;
}
