/*
 * control_address.c - the control socket's address, however long the path of its directory.
 *
 * In the supervisor and lts-state. Owns nothing. Held by tests/supervisor/test_control.c.
 */
#include "common/control_address.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/handoff.h"

int
control_address(const char *state_dir, struct sockaddr_un *out)
{
	int dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/" CONTROL_SOCKET, dir);
	return dir;
}
