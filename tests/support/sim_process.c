/*
 * sim_process.c - lts-sim in a process of its own, and what a test wants from it over
 * HTTP.
 *
 * In the test process. Owns the process. Must never trust the far end's certificate less
 * than an agent would, but for the simulators whose certificate is meant to be refused.
 */
#include "tests/support/sim_process.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "tests/support/json_path.h"
#include "tests/support/tmpdir.h"

enum { ANSWER_MAX = 4 * 1024 * 1024, ASK_TIMEOUT_S = 30 };

/* A line of its output: the text behind `prefix`; false: not there yet. */
static bool
find_line(const char *output, const char *prefix, char *to, size_t room)
{
	const char *at = strstr(output, prefix);
	const char *end = at ? strchr(at, '\n') : NULL;
	if (!end)
		return false;
	at += strlen(prefix);
	snprintf(to, room, "%.*s", (int)(end - at), at);
	return true;
}

static bool
is_listening(struct sim_process *sim)
{
	char *output = scenario_read(sim->scenario, "sim.out");
	bool found = find_line(output, "listening on ", sim->url, sizeof(sim->url));
	if (found && strncmp(sim->url, "https", 5) == 0)
		found = find_line(output, "ca_file ", sim->ca_file, sizeof(sim->ca_file));
	free(output);
	ck_assert_msg(found || !process_has_ended(&sim->process), "lts-sim ended: see sim.log");
	return found;
}

void
sim_start(struct sim_process *sim, const struct scenario *scenario, const char *options)
{
	struct words words = { .n = 0 };
	char *out = tmpdir_path(scenario->dir, "sim.out"),
	     *err = tmpdir_path(scenario->dir, "sim.log");
	*sim = (struct sim_process){ .scenario = scenario };
	words_add(&words, "%s/lts-sim --tls_dir %s/tls %s", scenario->bin, scenario->dir,
		  options);
	process_start(&sim->process, &words,
		      &(struct process_files){
			      .dir = scenario->dir, .out = out, .err = err, .out_fd = -1 });
	words_fini(&words);
	until("lts-sim listens", is_listening(sim));
	free(out);
	free(err);
}

void
sim_stop(struct sim_process *sim)
{
	process_signal(&sim->process, SIGTERM);
	ck_assert_int_eq(process_wait(&sim->process, "lts-sim stops"), 0);
}

static size_t
on_data(char *data, size_t size, size_t n, void *arg)
{
	return buf_put(arg, data, size * n) ? 0 : size * n;
}

/* Two of the certificates are meant to be refused, and TLS 1.1 is meant to be too old:
 * not by us. */
static void
trust(CURL *curl)
{
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_0);
	curl_easy_setopt(curl, CURLOPT_SSL_CIPHER_LIST, "DEFAULT:@SECLEVEL=0");
}

/* body NULL: GET. */
static char *
ask(const struct sim_process *sim, const char *path, const char *body)
{
	struct buf answer;
	char *url = xasprintf("%s%s", sim->url, path);
	CURL *curl = curl_easy_init();
	ck_assert_ptr_nonnull(curl);
	buf_init(&answer, ANSWER_MAX);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ASK_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	trust(curl);
	CURLcode code = curl_easy_perform(curl);
	ck_assert_msg(code == CURLE_OK, "%s: %s", url, curl_easy_strerror(code));
	curl_easy_cleanup(curl);
	free(url);
	return answer.data ? answer.data : xstrdup("");
}

void
sim_faults(const struct sim_process *sim, const char *rules)
{
	free(ask(sim, "/sim/faults", rules));
}

void
sim_faults_changed(const struct sim_process *sim, const char *rules)
{
	free(ask(sim, "/sim/faults?keep", rules));
}

unsigned long long
sim_struck(const struct sim_process *sim, size_t n)
{
	char *text = ask(sim, "/sim/faults", NULL), *line = text;
	for (; line && n; n--)
		line = (line = strchr(line, '\n')) ? line + 1 : NULL;
	ck_assert_ptr_nonnull(line);
	unsigned long long struck = strtoull(line, NULL, 10);
	free(text);
	return struck;
}

void
sim_post(const struct sim_process *sim, const char *path)
{
	free(ask(sim, path, ""));
}

void
sim_keep_status(const struct sim_process *sim, const char *name)
{
	char *text = ask(sim, "/sim/status", NULL);
	tmpdir_write(sim->scenario->dir, name, text, strlen(text));
	free(text);
}

void
sim_expect_exact(const struct sim_process *sim, const char *dirs)
{
	char *options = xasprintf("--status status.json %s", dirs);
	sim_keep_status(sim, "status.json");
	struct verdict v = scenario_verify(sim->scenario, options);
	free(options);
	ck_assert_uint_eq(v.lost + v.duplicated + v.repeated + v.reordered + v.torn + v.unsealed,
			  0);
	ck_assert_double_eq((double)v.records, sim_number(sim, "produced"));
	ck_assert_int_eq(v.exit, 0);
}

cJSON *
sim_status(const struct sim_process *sim)
{
	char *text = ask(sim, "/sim/status", NULL);
	cJSON *status = cJSON_Parse(text);
	ck_assert_msg(status != NULL, "not JSON: %s", text);
	free(text);
	return status;
}

double
sim_number(const struct sim_process *sim, const char *path)
{
	cJSON *status = sim_status(sim);
	double number = json_path_number(status, path);
	cJSON_Delete(status);
	return number;
}

char *
sim_text(const struct sim_process *sim, const char *path)
{
	cJSON *status = sim_status(sim);
	char *text = xstrdup(json_path_text(status, path));
	cJSON_Delete(status);
	return text;
}

/* How many shards the member owns; -1: one of them is not as it should be. */
static int
count_owned(const cJSON *shards, const char *member)
{
	const cJSON *shard;
	int n = 0;
	cJSON_ArrayForEach(shard, shards)
	{
		if (strcmp(json_path_text(shard, "owner"), member) != 0)
			continue;
		if (strcmp(json_path_text(shard, "listed_by"), member) != 0 ||
		    cJSON_IsTrue(json_path_at(shard, "leaving")))
			return -1;
		n++;
	}
	return n;
}

static int
count_on_offer(const cJSON *shards)
{
	const cJSON *shard;
	int n = 0;
	cJSON_ArrayForEach(shard, shards) n += cJSON_IsTrue(json_path_at(shard, "on_offer"));
	return n;
}

bool
sim_is_settled(const struct sim_process *sim, unsigned members)
{
	cJSON *status = sim_status(sim);
	const cJSON *list = json_path_at(status, "members"), *member;
	const cJSON *shards = json_path_at(status, "shards");
	int n_shards = count_on_offer(shards), base = n_shards / (int)members, sum = 0;
	bool settled = cJSON_GetArraySize(list) == (int)members;
	cJSON_ArrayForEach(member, list)
	{
		int owned = count_owned(shards, json_path_text(member, "name"));
		settled = settled && (owned == base || owned == base + 1);
		sum += owned;
	}
	cJSON_Delete(status);
	return settled && sum == n_shards;
}

char *
sim_describe_group(const struct sim_process *sim)
{
	cJSON *status = sim_status(sim), *each;
	char *text = xstrdup(""), *longer;
	cJSON_ArrayForEach(each, json_path_at(status, "shards"))
	{
		longer = xasprintf("%s%s=%s ", text, json_path_text(each, "shard"),
				   json_path_text(each, "owner"));
		free(text);
		text = longer;
	}
	cJSON_ArrayForEach(each, json_path_at(status, "members"))
	{
		longer = xasprintf("%s%s ", text, json_path_text(each, "name"));
		free(text);
		text = longer;
	}
	cJSON_Delete(status);
	return text;
}

double
sim_published(const struct sim_process *sim)
{
	cJSON *status = sim_status(sim);
	double sum = json_path_sum(status, "shards", "checkpoint");
	cJSON_Delete(status);
	return sum;
}
