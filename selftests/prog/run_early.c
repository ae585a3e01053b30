// SPDX-License-Identifier: GPL-2.0
/*
 * An allocator that makes a system call while it holds its lock, before any constructor has run, as
 * jemalloc does when it is first asked. What stands between it and the kernel (rusttcp-run) may not
 * allocate then. Exit status 3: it did.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *old, size_t size);

static volatile bool locked;

void *malloc(size_t size)
{
	if (locked)
		_exit(3);
	return __libc_malloc(size);
}

void *realloc(void *old, size_t size)
{
	if (locked)
		_exit(3);
	return __libc_realloc(old, size);
}

static void early(void)
{
	locked = true;
	syscall(SYS_getpid);
	locked = false;
}

/* Comes before the constructors of all libraries. */
static void (*const first)(void) __attribute__((section(".preinit_array"), used)) = early;

int main(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0;
}
