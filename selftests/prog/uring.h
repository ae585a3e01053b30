/* SPDX-License-Identifier: GPL-2.0 */
/* A ring of io_uring, without a library, and what the tests ask of it. */
#ifndef RUSTTCP_TEST_URING_H
#define RUSTTCP_TEST_URING_H

#include "common.h"
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define ENTRIES		64
#define PATIENCE	10000
#define NOTHING		(-9999)

static struct {
	int fd;
	bool sqpoll;
	unsigned int *sq_tail, *sq_mask, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned int waiting;
	void *maps[3];
	size_t sizes[3];
} ring;

struct outcome {
	uint64_t id;
	int res;
	unsigned int flags;
};

/* Results that nobody asked for yet. */
static struct outcome kept[256];
static int n_kept;

static void *map(int which, size_t size, off_t offset)
{
	ring.sizes[which] = size;
	ring.maps[which] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, offset);
	must(ring.maps[which] != MAP_FAILED);
	return ring.maps[which];
}

static void ring_open(unsigned int flags)
{
	struct io_uring_params p = { .flags = flags, .sq_thread_idle = 20 };
	char *sq, *cq;

	ring.fd = syscall(SYS_io_uring_setup, ENTRIES, &p);
	must(ring.fd >= 0);
	ring.sqpoll = flags & IORING_SETUP_SQPOLL;
	ring.waiting = 0;
	n_kept = 0;
	sq = map(0, p.sq_off.array + p.sq_entries * sizeof(int), IORING_OFF_SQ_RING);
	cq = map(1, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	ring.sqes = map(2, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.sq_tail = (void *)(sq + p.sq_off.tail);
	ring.sq_mask = (void *)(sq + p.sq_off.ring_mask);
	ring.cq_head = (void *)(cq + p.cq_off.head);
	ring.cq_tail = (void *)(cq + p.cq_off.tail);
	ring.cq_mask = (void *)(cq + p.cq_off.ring_mask);
	ring.cqes = (void *)(cq + p.cq_off.cqes);
	for (unsigned int i = 0; i < p.sq_entries; i++)
		((unsigned int *)(sq + p.sq_off.array))[i] = i;
}

static void ring_close(void)
{
	for (int i = 0; i < 3; i++)
		munmap(ring.maps[i], ring.sizes[i]);
	close(ring.fd);
}

/* Hands over what was written; waits up to `ms` for a result if `ms` is not 0. */
static void enter(int ms)
{
	struct __kernel_timespec ts = { ms / 1000, ms % 1000 * 1000000LL };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts };
	unsigned int flags = ring.sqpoll ? IORING_ENTER_SQ_WAKEUP : 0;
	int n = ring.waiting;

	if (ring.waiting || ring.sqpoll)
		n = syscall(SYS_io_uring_enter, ring.fd, ring.waiting, 0, flags, NULL, 0);
	must(n == (int)ring.waiting);
	ring.waiting = 0;
	/* Also without waiting: what is done is told only to a task that asks, on some rings. */
	n = syscall(SYS_io_uring_enter, ring.fd, 0, ms ? 1 : 0,
		    IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
	must(n >= 0 || errno == ETIME || errno == EINTR);
}

/* Calls are written with this; whoever needs more fields sets them before submit(). */
static struct io_uring_sqe *call(int op, int fd, const void *data, unsigned int len, uint64_t id)
{
	struct io_uring_sqe *sqe = &ring.sqes[(*ring.sq_tail + ring.waiting) & *ring.sq_mask];

	must(ring.waiting < ENTRIES);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)data;
	sqe->len = len;
	sqe->user_data = id;
	ring.waiting++;
	return sqe;
}

static void submit(void)
{
	__atomic_store_n(ring.sq_tail, *ring.sq_tail + ring.waiting, __ATOMIC_RELEASE);
	enter(0);
}

/* Takes what the kernel has written. */
static void collect(void)
{
	unsigned int head = *ring.cq_head;

	while (head != __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE)) {
		must(n_kept < (int)ARRAY_SIZE(kept));
		const struct io_uring_cqe *cqe = &ring.cqes[head++ & *ring.cq_mask];

		kept[n_kept++] = (struct outcome){ cqe->user_data, cqe->res, cqe->flags };
		__atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
	}
}

/* The next result of call `id` within `ms`; its result is NOTHING if none comes. */
static struct outcome done_within(uint64_t id, int ms)
{
	struct outcome none = { .id = id, .res = NOTHING };
	long long end = now_ms() + ms;

	for (;;) {
		collect();
		for (int i = 0; i < n_kept; i++) {
			struct outcome found = kept[i];

			if (found.id != id)
				continue;
			n_kept--;
			memmove(&kept[i], &kept[i + 1], (n_kept - i) * sizeof(kept[0]));
			return found;
		}
		int left = end - now_ms();

		if (left <= 0)
			return none;
		enter(left < 100 ? left : 100);
	}
}

static struct outcome done(uint64_t id)
{
	return done_within(id, PATIENCE);
}

#endif /* RUSTTCP_TEST_URING_H */
