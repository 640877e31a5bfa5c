/*
 * fuzz_batch_scan.c - libFuzzer's way into batch_scan and record_text.
 *
 * The portable, the SSE2 and the best way must say the same. What is refused must be unchanged.
 * What passes must pass again as the same, must be a batch to cJSON as well, and its records must
 * be single lines that both formats can write. The sieve of what was refused is held to the same.
 */
#include "tests/fuzz/fuzz.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "worker/batch_sift.h"
#include "worker/json_skip.h"
#include "worker/record_text.h"

/* cJSON refuses lone surrogates and numbers above 63 characters; it is asked about the
 * rest. */
static bool
is_for_cjson(const char *body, size_t len)
{
	size_t run = 0;
	for (size_t i = 0; i < len; i++) {
		run = strchr("+-.0123456789eE", body[i]) && body[i] ? run + 1 : 0;
		if (run > 63 || (body[i] == '\\' && i + 1 < len && body[i + 1] == 'u'))
			return false;
	}
	return true;
}

static void
check_cjson(const char *body, size_t len, size_t n_records)
{
	if (!is_for_cjson(body, len))
		return;
	cJSON *tree = cJSON_ParseWithLength(body, len);
	require(tree != NULL);
	const cJSON *logs = cJSON_GetObjectItemCaseSensitive(tree, "logs");
	require((size_t)cJSON_GetArraySize(logs) == n_records);
	cJSON_Delete(tree);
}

static void
check_records(const struct batch_view *view)
{
	struct buf out;
	buf_init(&out, 0);
	for (size_t i = 0; i < view->n_records; i++) {
		const struct record *record = &view->records[i];
		require(memchr(record->text, '\n', record->len) == NULL);
		require(memchr(record->text, '\r', record->len) == NULL);
		buf_clear(&out);
		require(record_text_put(record, RECORD_LABELS, &out) == LTS_OK);
		require(out.len == record->len + 1);
		buf_clear(&out);
		require(record_text_put(record, RECORD_CONTENT_KEEP, &out) == LTS_OK);
		require(out.len <= record->len + 1 && out.data[out.len - 1] == '\n');
		buf_clear(&out);
		require(record_text_put(record, RECORD_CONTENT, &out) == LTS_OK);
		require(memchr(out.data, '\n', out.len) == out.data + out.len - 1);
		require(memchr(out.data, '\r', out.len) == NULL);
		buf_clear(&out);
		require(record_text_put(record, RECORD_CONTENT_NUL, &out) == LTS_OK);
		require(strlen(out.data) == out.len - 1);
	}
	buf_fini(&out);
}

/* The narrower ways: the same verdict, fault and cut. */
static void
check_way(enum json_skip_way way, const uint8_t *data, size_t size, enum lts_err err,
	  const struct batch_fault *fault, const struct batch_view *view)
{
	struct batch_scan scan;
	struct batch_view other_view = { 0 };
	struct batch_fault other_fault = { 0 };
	char *body = xmalloc(size ? size : 1);
	if (size)
		memcpy(body, data, size);
	batch_scan_init(&scan);
	scan.way = way;
	require(batch_scan_run(&scan, body, size, &other_fault, &other_view) == err);
	require(other_fault.offset == fault->offset && other_fault.expected == fault->expected);
	require(other_view.n_records == view->n_records &&
		cursor_equal(&other_view.next, &view->next));
	batch_scan_fini(&scan);
	free(body);
}

/* The sieve takes all that the scanner takes, as the same; what it calls good the scanner takes. */
static void
check_sieve(const uint8_t *data, size_t size, enum lts_err err, const struct batch_view *view)
{
	struct batch_sift sift;
	char *body = xmalloc(size ? size : 1);
	if (size)
		memcpy(body, data, size);
	enum lts_err sifted = batch_sift_run(body, size, &sift);
	require(err || !sifted);
	require(!sifted || size == 0 || memcmp(body, data, size) == 0);
	if (!err) {
		require(sift.n_records == view->n_records && !sift.n_bad);
		require(cursor_equal(&sift.next, &view->next));
	}
	for (size_t i = 0, bad = 0; !sifted && i < sift.n_records; i++) {
		struct json_skip skip;
		const struct record *record = &sift.records[i];
		json_skip_init(&skip, JSON_SKIP_BEST, record->text, record->len);
		bool is_bad = bad < sift.n_bad && sift.bad[bad].index == i;
		bad += is_bad;
		require(is_bad || (memchr(record->text, '\n', record->len) == NULL &&
				   json_skip_object(&skip, record->text, 3, NULL, NULL) ==
					   record->text + record->len));
	}
	if (!sifted)
		batch_sift_fini(&sift);
	free(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct batch_scan scan;
	struct batch_view view = { 0 }, again = { 0 };
	struct batch_fault fault = { 0 };
	char *body = xmalloc(size ? size : 1);
	if (size)
		memcpy(body, data, size);
	batch_scan_init(&scan);
	enum lts_err err = batch_scan_run(&scan, body, size, &fault, &view);
	check_way(JSON_SKIP_SSE2, data, size, err, &fault, &view);
	check_way(JSON_SKIP_PORTABLE, data, size, err, &fault, &view);
	check_sieve(data, size, err, &view);
	if (err) {
		require(size == 0 || memcmp(body, data, size) == 0);
		require(fault.expected && fault.offset <= size);
	} else {
		check_cjson(body, size, view.n_records);
		check_records(&view);
		require(batch_scan_run(&scan, body, size, &fault, &again) == LTS_OK);
		require(again.n_records == view.n_records &&
			cursor_equal(&again.next, &view.next));
	}
	batch_scan_fini(&scan);
	free(body);
	return 0;
}
