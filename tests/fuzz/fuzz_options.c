/*
 * fuzz_options.c - libFuzzer's way into the configuration file.
 *
 * A file is refused with one line of words, or what it sets goes to a worker and comes out of it
 * as the same.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/options.h"

static int
file_of(const uint8_t *data, size_t size)
{
	static int fd = -1;
	if (fd < 0)
		fd = memfd_create("options", MFD_CLOEXEC);
	require(fd >= 0 && ftruncate(fd, 0) == 0);
	require(pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

static void
check_handoff(const struct options *options)
{
	struct options imported;
	struct buf text, again, why;
	buf_init(&text, 0);
	buf_init(&again, 0);
	buf_init(&why, 0);
	options_init(&imported);
	require(options_export(options, &text) == LTS_OK);
	require(options_import(&imported, text.data, &why) == LTS_OK);
	require(options_export(&imported, &again) == LTS_OK);
	require(strcmp(text.data, again.data) == 0);
	require(!imported.ak && !imported.sk && !imported.security_token);
	char *url = options_endpoint_url(options);
	require(strncmp(url, "http", 4) == 0);
	free(url);
	options_fini(&imported);
	buf_fini(&text);
	buf_fini(&again);
	buf_fini(&why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[40], name[] = "x", config[] = "--config";
	char *argv[] = { name, config, path, NULL }, *envp[] = { NULL };
	struct options options;
	struct buf why;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_of(data, size));
	buf_init(&why, 0);
	options_init(&options);
	if (options_load(&options, 3, argv, envp, &why)) {
		require(why.len > 0);
		for (size_t i = 0; i < why.len; i++)
			require((unsigned char)why.data[i] >= 0x20 && why.data[i] != 0x7f);
	} else {
		check_handoff(&options);
	}
	options_fini(&options);
	buf_fini(&why);
	return 0;
}
