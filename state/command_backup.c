/*
 * command_backup.c - a copy of the environment in one file, while the agent goes on.
 *
 * In lts-state. Owns the new file until it has its name. Must never leave a file under that name
 * that was not read back in full, nor hold a reader slot while it waits for a disk. Held by
 * tests/state/test_backup.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fallback.h"
#include "common/xalloc.h"
#include "state/commands.h"
#include "state/look.h"

static enum exit_code
fail(const char *file, const char *what)
{
	fprintf(stderr, "lts-state: %s: %s%s%s\n", file, what, errno ? ": " : "",
		errno ? strerror(errno) : "");
	return EXIT_FAILED;
}

/* Into memory first: the pages that a reader sees cannot be used again while it looks. */
static enum lts_err
copy_out(const char *state_dir, void *out)
{
	struct store *store = NULL;
	enum lts_err err = store_open(state_dir, STORE_READ, &store);
	if (!err)
		err = store_copy(store, *(int *)out);
	int saved = errno;
	store_close(&store);
	errno = saved;
	return err;
}

static bool
write_all(int from, int to)
{
	struct stat st;
	off_t at = 0;
	if (fstat(from, &st) < 0)
		return false;
	while (at < st.st_size)
		if (sendfile(to, from, &at, (size_t)(st.st_size - at)) <= 0)
			return false;
	return fsync(to) == 0;
}

/* A backup that could not be restored is none. */
static enum exit_code
check(const char *state_dir, const char *temp, struct snapshot *snapshot)
{
	enum exit_code code = look_read_file(temp, snapshot);
	if (code)
		return code;
	snapshot_verify(snapshot);
	for (size_t i = 0; i < snapshot->n_problems; i++)
		fprintf(stderr, "lts-state: %s\n", snapshot->problems[i]);
	if (!snapshot->n_problems)
		return EXIT_DONE;
	fprintf(stderr,
		"lts-state: %s is not sound, so no backup was made; an earlier one may be: "
		"lts-state restore FILE\n",
		state_dir);
	snapshot_fini(snapshot);
	return EXIT_FAILED;
}

/* The name and what stands under it survive a power cut. */
static bool
sync_directory(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *dir = slash ? xstrndup(file, (size_t)(slash - file) + 1) : xstrdup(".");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && fallback_sync_dir(fd) == 0;
	if (fd >= 0)
		close(fd);
	free(dir);
	return done;
}

static enum exit_code
give_name(const char *temp, const char *file, bool force)
{
	if ((force ? rename(temp, file)
		   : fallback_rename_new(AT_FDCWD, temp, AT_FDCWD, file)) == 0)
		return sync_directory(file) ? EXIT_DONE : fail(file, "its directory");
	if (errno != EEXIST)
		return fail(file, "cannot be made");
	errno = 0;
	return fail(file, "is there already: give another name, or --force");
}

static enum exit_code
make_file(const struct request *request, int memory, FILE *out)
{
	const char *file = request->operand;
	struct snapshot snapshot;
	char *temp = xasprintf("%s.XXXXXX", file);
	int fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
	enum exit_code code = EXIT_DONE;
	if (fd < 0) {
		code = fail(file, "cannot be made");
		goto out;
	}
	if (!write_all(memory, fd))
		code = fail(file, "cannot be written");
	if (!code)
		code = check(request->state_dir, temp, &snapshot);
	if (code)
		goto out;
	code = give_name(temp, file, request->force);
	if (!code)
		fprintf(out, "backup: %s, %zu records of %zu shards, verified\n", file,
			snapshot.n_records, snapshot.n_checkpoints);
	snapshot_fini(&snapshot);
out:
	if (code && fd >= 0)
		unlink(temp);
	if (fd >= 0)
		close(fd);
	free(temp);
	return code;
}

enum exit_code
command_backup(const struct request *request, FILE *out)
{
	/* Known before the work is done; that it stays so is seen to by the rename. */
	if (!request->force && access(request->operand, F_OK) == 0) {
		errno = 0;
		return fail(request->operand, "is there already: give another name, or --force");
	}
	int memory = memfd_create("backup", MFD_CLOEXEC);
	if (memory < 0)
		return fail(request->operand, "no memory for the copy");
	enum exit_code code = look_guarded(copy_out, request->state_dir, &memory);
	if (!code)
		code = make_file(request, memory, out);
	close(memory);
	return code;
}
