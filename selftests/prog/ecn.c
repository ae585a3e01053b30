// SPDX-License-Identifier: GPL-2.0
/*
 * ecn server|client FAMILY ADDR PORT BYTES: moves BYTES from the client to the server, and says on
 * either side what TCP_INFO accounts of Accurate ECN (RFC 9768): NAME=VALUE, in a line.
 */
#include "common.h"

/* Where struct tcp_info of linux/tcp.h has them; older headers end before. */
static const struct {
	const char *name;
	int offset;
} fields[] = {
	{ "delivered_ce", 196 }, { "received_ce", 248 },
	{ "delivered_e1", 252 }, { "delivered_e0", 256 }, { "delivered_ce_bytes", 260 },
	{ "received_e1", 264 }, { "received_e0", 268 }, { "received_ce_bytes", 272 },
};

static void account(int fd)
{
	unsigned char info[280] = { 0 };
	socklen_t len = sizeof(info);
	uint32_t value;

	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 && len == sizeof(info));
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
		memcpy(&value, info + fields[i].offset, sizeof(value));
		printf("%s=%u ", fields[i].name, value);
	}
	memcpy(&value, info + 276, sizeof(value));
	printf("mode=%u seen=%u failed=%u\n", value & 3, value >> 2 & 3, value >> 4 & 15);
}

int main(int argc, char **argv)
{
	static char data[1 << 16];
	struct endpoint sin;
	int fd;
	long left;

	if (argc != 6) {
		fprintf(stderr, "usage: ecn server|client FAMILY ADDR PORT BYTES\n");
		return 2;
	}
	choose_family(argv[2]);
	sin = at(argv[3], atoi(argv[4]));
	left = atol(argv[5]);
	if (!strcmp(argv[1], "server")) {
		fd = accept(listener_at(sin, 1), NULL, NULL);
		must(fd >= 0);
		while (left > 0) {
			ssize_t n = recv(fd, data, sizeof(data), 0);

			must(n > 0);
			left -= n;
		}
		account(fd);
		must(send(fd, "done", 4, MSG_NOSIGNAL) == 4);
		recv(fd, data, 1, 0);
	} else {
		fd = new_socket();
		must(connect(fd, SA(sin), sizeof(sin)) == 0);
		while (left > 0) {
			ssize_t n = send(fd, data, left < (long)sizeof(data) ? left : (long)sizeof(data), MSG_NOSIGNAL);

			must(n > 0);
			left -= n;
		}
		must(recv(fd, data, 4, MSG_WAITALL) == 4);
		account(fd);
	}
	return 0;
}
