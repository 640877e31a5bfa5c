/*
 * main.c - lts-bench: one measurement, chosen by its name; the results as JSON lines.
 *
 * Its only user is scripts/bench, which runs it in turn with the agent.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bench.h"

int64_t
bench_cpu_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* One request to lts-sim's controls; the answer's body goes to stdout. */
int
bench_ask(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	CURL *curl = curl_easy_init();
	curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	if (strcmp(argv[2], "-") != 0)
		curl_easy_setopt(curl, CURLOPT_CAINFO, argv[2]);
	if (argc > 3)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, argv[3]);
	CURLcode code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		fprintf(stderr, "lts-bench: %s: %s\n", argv[1], curl_easy_strerror(code));
	curl_easy_cleanup(curl);
	return code == CURLE_OK ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "scan") == 0)
		return bench_scan(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "scan_file") == 0)
		return bench_scan_file(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "receive") == 0)
		return bench_receive(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "ask") == 0)
		return bench_ask(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "delay") == 0)
		return bench_delay(argc - 1, argv + 1);
	fputs("usage: lts-bench scan [RUNS]\n"
	      "       lts-bench scan_file FILE...\n"
	      "       lts-bench receive drop|tree|write URL CA_FILE|- SHARDS BYTES [DIR]\n"
	      "       lts-bench delay\n"
	      "       lts-bench ask URL CA_FILE|- [BODY]\n",
	      stderr);
	return 2;
}
