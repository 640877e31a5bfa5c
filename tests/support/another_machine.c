/*
 * another_machine.c - plays another machine by namespaces of the host's name and of mounts.
 *
 * In lts-tests, as root. Owns a file in the scenario's directory. Must never change the real one.
 */
#include "tests/support/another_machine.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/support/tmpdir.h"

bool
become_another_machine(const char *dir, enum machine_sign sign)
{
	static const char id[] = "00112233445566778899aabbccddeeff\n";
	if (sign == MACHINE_NAME)
		return unshare(CLONE_NEWUTS) == 0 && sethostname("another", 7) == 0;
	tmpdir_write(dir, "machine-id", id, sizeof(id) - 1);
	char *path = tmpdir_path(dir, "machine-id");
	bool done = unshare(CLONE_NEWNS) == 0 &&
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		    mount(path, "/etc/machine-id", NULL, MS_BIND, NULL) == 0;
	free(path);
	return done;
}
