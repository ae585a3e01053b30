// SPDX-License-Identifier: GPL-2.0
/* RUSTTCP_LOG, as an option: who may have what, and what it gives. The kernel's TCP has no such. */
#include "common.h"
#include <linux/rusttcp.h>
#include <sys/mman.h>

static int order(int fd, unsigned int kinds, unsigned int records)
{
	struct rusttcp_log log = { .kinds = kinds, .records = records };

	return setsockopt(fd, IPPROTO_TCP, RUSTTCP_LOG, &log, sizeof(log));
}

/* How many records came; the first is in @first. */
static int take(int fd, int most, struct rusttcp_record *first)
{
	static struct rusttcp_record records[1024];
	socklen_t len = most * sizeof(records[0]);

	if (getsockopt(fd, IPPROTO_TCP, RUSTTCP_LOG, records, &len))
		return -1;
	*first = records[0];
	return len / sizeof(records[0]);
}

static void test_limits(void)
{
	int fd = new_socket(), len = sizeof(struct rusttcp_log);

	expect(order(fd, 4, 16), -1, EINVAL, "kinds that there are not");
	expect(setsockopt(fd, IPPROTO_TCP, RUSTTCP_LOG, &len, 4), -1, EINVAL, "half of an order");
	expect(setsockopt(fd, IPPROTO_TCP, RUSTTCP_LOG, NULL, len), -1, EFAULT, "none");
	expect(order(fd, RUSTTCP_LOG_EVENTS, 1 << 18), 0, 0, "262,144 records for root");
	expect(order(fd, RUSTTCP_LOG_EVENTS, (1 << 18) + 1), -1, EPERM, "not more");
	expect(order(fd, 0, 0), 0, 0, "none any more");
	close(fd);
	fflush(stdout);
	pid_t child = fork();

	must(child >= 0);
	if (!child) {
		must(setuid(65534) == 0);
		fd = new_socket();
		bool some = order(fd, RUSTTCP_LOG_EVENTS, 4096) == 0;
		bool more = order(fd, RUSTTCP_LOG_EVENTS, 4097) == 0;

		_exit(some && !more && errno == EPERM ? 0 : 1);
	}
	int status;

	must(waitpid(child, &status, 0) == child);
	ktap(status == 0, "4,096 for others");
}

static void test_records(void)
{
	struct rusttcp_record record;
	struct endpoint sin;
	int l = new_listener(4, &sin), fd = new_socket(), child;

	must(order(l, RUSTTCP_LOG_INPUTS, 64) == 0);
	must(order(fd, RUSTTCP_LOG_INPUTS, 64) == 0);
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	child = accept(l, NULL, NULL);
	must(child >= 0);
	expect(order(fd, RUSTTCP_LOG_INPUTS, 64), -1, EISCONN, "inputs of a connection: from the start only");
	expect(take(child, 1, &record), 1, 0, "a listener's child has a log");
	expect(record.kind, 0, 0, "it begins with its version");
	expect(take(fd, 1, &record), 1, 0, "so does one that connects");
	/* A page that can't be written to takes no records, and they are not silently gone. */
	void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	socklen_t len = 2 * sizeof(record);

	must(nowhere != MAP_FAILED);
	expect(getsockopt(fd, IPPROTO_TCP, RUSTTCP_LOG, nowhere, &len), -1, EFAULT, "nowhere to put them");
	expect(take(fd, 1, &record), 1, 0, "after that one says");
	ktap(record.kind == 1 && record.words[0] == 2, "that two are lost");
	expect(take(fd, 1024, &record) > 5, 1, 0, "the others are there");
	expect(take(fd, 0, &record), 0, 0, "no room, no records");
	close(child);
	close(fd);
	close(l);
}

int main(void)
{
	ktap_begin();
	if (is_kernels()) {
		int fd = new_socket();

		expect(order(fd, RUSTTCP_LOG_EVENTS, 16), -1, ENOPROTOOPT, "not the kernel's");
		return ktap_end();
	}
	test_limits();
	test_records();
	return ktap_end();
}
