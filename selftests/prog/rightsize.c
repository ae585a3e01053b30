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
	int listener, fd, one = 1;
	struct endpoint sin;

	if (argc != 4)
		return 2;
	choose_family(argv[1]);
	sin = at(argv[2], atoi(argv[3]));
	listener = new_socket();
	must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	must(bind(listener, SA(sin), sizeof(sin)) == 0 && listen(listener, 1) == 0);
	fd = accept(listener, NULL, NULL);
	must(fd >= 0);
	while (recv(fd, data, sizeof(data), 0) > 0)
		;
	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	printf("%u %u %d\n", info.tcpi_rcv_rtt, info.tcpi_rcv_space,
	       get_int(fd, SOL_SOCKET, SO_RCVBUF));
	return 0;
}
