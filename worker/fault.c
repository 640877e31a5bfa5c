/*
 * fault.c - SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, and exit() in the middle of it.
 *
 * In a worker, on whichever thread it happens to. Owns the handlers and one stack for
 * them; its state is global, as a signal handler knows no other. Must never do more in a
 * handler than a store and a last line, nor keep a process alive: inside the state it ends with
 * EXIT_DAMAGED, else what stood there before, by default the core dump, follows. A forked child's
 * fault is its own. Held by tests/worker/test_fault.c.
 */
#include "worker/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/handoff.h"

enum { FAULT_SIGNALS = 5, FAULT_STACK = 64 * 1024 };

static const int signals[FAULT_SIGNALS] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

static struct {
	struct board *board; /* NULL: nobody watches */
	pid_t pid;
	struct sigaction before[FAULT_SIGNALS];
} fault;

static char delivery_stack[FAULT_STACK];
static _Thread_local enum board_thread this_thread;

static void
name_this_thread(void)
{
	if (fault.board && getpid() == fault.pid)
		atomic_store(&fault.board->fault_thread, this_thread);
}

/* Inside the state there is LMDB's code, which neither notices nor survives all damage. */
static void
end_if_state_is_damaged(void)
{
	static const char text[] =
		"lts-worker: reading or writing the state failed by a fault: it is "
		"damaged; lts-state verify says more\n";
	if (!fault.board || this_thread != BOARD_DELIVERY || getpid() != fault.pid)
		return;
	uint32_t stage = atomic_load(&fault.board->stage);
	if (stage != BOARD_WAIT_LOCK && stage != BOARD_IN_TXN)
		return;
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)ignored;
	_exit(EXIT_DAMAGED);
}

static void
on_fault(int sig, siginfo_t *info, void *context)
{
	name_this_thread();
	end_if_state_is_damaged();
	for (int i = 0; i < FAULT_SIGNALS; i++)
		if (signals[i] == sig)
			sigaction(sig, &fault.before[i], NULL);
	/* A true fault comes again by itself, where it was; what somebody sent does not. */
	if (info->si_code <= 0)
		raise(sig);
}

static void
unwatch(void)
{
	for (int i = 0; i < FAULT_SIGNALS; i++)
		sigaction(signals[i], &fault.before[i], NULL);
	fault.board = NULL;
}

void
fault_watch(struct board *board)
{
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };
	if (!board) {
		unwatch();
		return;
	}
	fault.board = board;
	fault.pid = getpid();
	this_thread = BOARD_LOOP;
	sigemptyset(&action.sa_mask);
	for (int i = 0; i < FAULT_SIGNALS; i++)
		sigaction(signals[i], &action, &fault.before[i]);
	atexit(name_this_thread);
}

void
fault_watch_delivery(void)
{
	stack_t stack = { .ss_sp = delivery_stack, .ss_size = sizeof(delivery_stack) }, have;
	sigset_t set;
	this_thread = BOARD_DELIVERY;
	sigemptyset(&set);
	for (int i = 0; i < FAULT_SIGNALS; i++)
		sigaddset(&set, signals[i]);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	/* Too deep a recursion leaves no stack to stand on. */
	if (sigaltstack(NULL, &have) == 0 && have.ss_flags & SS_DISABLE)
		sigaltstack(&stack, NULL);
}
