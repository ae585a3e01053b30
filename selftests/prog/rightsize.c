// SPDX-License-Identifier: GPL-2.0
/*
 * rightsize FAMILY ADDR PORT: accepts one connection, reads all of it, and tells what the
 * receiver knows then: tcpi_rcv_rtt in microseconds, tcpi_rcv_space and SO_RCVBUF in bytes.
 */
#include "common.h"

int main(int argc, char **argv)
{
	static char data[1 << 16];
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int fd;
	struct endpoint sin;

	if (argc != 4)
		return 2;
	choose_family(argv[1]);
	sin = at(argv[2], atoi(argv[3]));
	fd = accept(listener_at(sin, 1), NULL, NULL);
	must(fd >= 0);
	while (recv(fd, data, sizeof(data), 0) > 0)
		;
	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	printf("%u %u %d\n", info.tcpi_rcv_rtt, info.tcpi_rcv_space,
	       get_int(fd, SOL_SOCKET, SO_RCVBUF));
	return 0;
}
