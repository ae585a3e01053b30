// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring: calls are written into one ring that the kernel reads, their results come in another.
 * One multishot accept gives every connection; each of them has one call under way at a time.
 * The rings are used without a library.
 *
 *   uring_server [PORT]
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "sample.h"

#define ENTRIES 256
#define MOST 1024

static struct {
	int fd;
	unsigned int *sq_tail, *sq_mask, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned int waiting;
} ring;

static struct {
	char buf[4096];
	int from, to;
} state[MOST];

static void open_ring(void)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	ring.fd = syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (ring.fd < 0)
		die("io_uring_setup");
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(int), PROT_READ | PROT_WRITE,
		  MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
			 MAP_SHARED, ring.fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || ring.sqes == MAP_FAILED)
		die("mmap");
	ring.sq_tail = (void *)(sq + p.sq_off.tail);
	ring.sq_mask = (void *)(sq + p.sq_off.ring_mask);
	ring.cq_head = (void *)(cq + p.cq_off.head);
	ring.cq_tail = (void *)(cq + p.cq_off.tail);
	ring.cq_mask = (void *)(cq + p.cq_off.ring_mask);
	ring.cqes = (void *)(cq + p.cq_off.cqes);
	/* Entry N of the ring is always call N. */
	for (unsigned int i = 0; i < p.sq_entries; i++)
		((unsigned int *)(sq + p.sq_off.array))[i] = i;
}

/* Hands over what was written, and waits for at least WANTED results. */
static void enter(unsigned int wanted)
{
	int n = syscall(SYS_io_uring_enter, ring.fd, ring.waiting, wanted,
			wanted ? IORING_ENTER_GETEVENTS : 0, NULL, 0);

	if (n < 0 && errno != EINTR)
		die("io_uring_enter");
	if (n > 0)
		ring.waiting -= n;
}

static void call(int op, int fd, void *data, unsigned int len)
{
	struct io_uring_sqe *sqe;

	if (ring.waiting == ENTRIES)
		enter(0);
	sqe = &ring.sqes[*ring.sq_tail & *ring.sq_mask];
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)data;
	sqe->len = len;
	if (op == IORING_OP_ACCEPT)
		sqe->ioprio = IORING_ACCEPT_MULTISHOT;
	if (op == IORING_OP_SEND)
		sqe->msg_flags = MSG_NOSIGNAL;
	/* What comes back with the result. */
	sqe->user_data = (uint64_t)op << 32 | fd;
	__atomic_store_n(ring.sq_tail, *ring.sq_tail + 1, __ATOMIC_RELEASE);
	ring.waiting++;
}

/* Reads more, or writes what is left of what was read. */
static void go_on(int fd)
{
	int left = state[fd].to - state[fd].from;

	if (left)
		call(IORING_OP_SEND, fd, state[fd].buf + state[fd].from, left);
	else
		call(IORING_OP_RECV, fd, state[fd].buf, sizeof(state[fd].buf));
}

static void done(int op, int fd, int result, unsigned int flags)
{
	switch (op) {
	case IORING_OP_ACCEPT:
		if (result >= MOST) {
			close(result);
		} else if (result >= 0) {
			state[result].from = state[result].to = 0;
			go_on(result);
		}
		/* It ends when something goes wrong, for want of room for results for example. */
		if (!(flags & IORING_CQE_F_MORE))
			call(IORING_OP_ACCEPT, fd, NULL, 0);
		return;
	case IORING_OP_RECV:
		state[fd].from = 0;
		state[fd].to = result;
		break;
	case IORING_OP_SEND:
		state[fd].from += result;
		break;
	}
	if (result > 0)
		go_on(fd);
	else
		close(fd);
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 7016, 0, 0);

	open_ring();
	call(IORING_OP_ACCEPT, listener, NULL, 0);
	for (;;) {
		unsigned int head = *ring.cq_head;

		enter(1);
		while (head != __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE)) {
			struct io_uring_cqe cqe = ring.cqes[head++ & *ring.cq_mask];

			__atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
			done(cqe.user_data >> 32, (int)cqe.user_data, cqe.res, cqe.flags);
		}
	}
}
