// SPDX-License-Identifier: GPL-2.0
/*
 * A program that knows nothing of AF_RUSTTCP, for selftests/net/rusttcp_run.sh: makes sockets in
 * each way there is and tells what it finds. "asker child" is what it runs as its child.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int ask(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -errno : value;
}

/* Whether /proc/net/FILE has a line for this local port. */
static int is_in(const char *file, int port)
{
	char path[64], line[512], want[16];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/net/%s", file);
	snprintf(want, sizeof(want), ":%04X ", port);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, want) && strstr(line, want) < line + (strchr(file, '6') ? 44 : 20);
	if (f)
		fclose(f);
	return found;
}

int main(int argc, char **argv)
{
	struct sockaddr_storage peer;
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd, raw, c, s, udp, type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

	fd = socket(AF_INET, SOCK_STREAM, 0);
	bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	listen(fd, 5);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	printf("ours %d\n", is_in("rusttcp", ntohs(sin.sin_port)));
	if (argc > 1)
		return 0;
	printf("domain %d protocol %d type %d\n", ask(fd, SO_DOMAIN), ask(fd, SO_PROTOCOL), ask(fd, SO_TYPE));
	raw = syscall(SYS_socket, AF_INET, type, IPPROTO_TCP);
	int value = -1;

	len = sizeof(value);
	syscall(SYS_getsockopt, raw, SOL_SOCKET, SO_DOMAIN, &value, &len);
	printf("raw domain %d nonblock %d cloexec %d\n", value, !!(fcntl(raw, F_GETFL) & O_NONBLOCK),
	       !!(fcntl(raw, F_GETFD) & FD_CLOEXEC));
	c = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	printf("connect %d\n", connect(c, (struct sockaddr *)&sin, sizeof(sin)));
	len = sizeof(peer);
	memset(&peer, 0, sizeof(peer));
	s = accept(fd, (struct sockaddr *)&peer, &len);
	printf("accept family %d length %d domain %d\n", peer.ss_family, (int)len, ask(s, SO_DOMAIN));
	len = sizeof(peer);
	getpeername(s, (struct sockaddr *)&peer, &len);
	printf("peer family %d length %d\n", peer.ss_family, (int)len);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	printf("udp domain %d protocol %d\n", ask(udp, SO_DOMAIN), ask(udp, SO_PROTOCOL));
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	printf("ipv6 domain %d protocol %d\n", ask(fd, SO_DOMAIN), ask(fd, SO_PROTOCOL));
	/* A listener of both families, and an IPv4 client. */
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	len = sizeof(sin6);
	bind(fd, (struct sockaddr *)&sin6, sizeof(sin6));
	listen(fd, 5);
	getsockname(fd, (struct sockaddr *)&sin6, &len);
	printf("ours6 %d\n", is_in("rusttcp6", ntohs(sin6.sin6_port)));
	c = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	sin.sin_port = sin6.sin6_port;
	printf("connect6 %d\n", connect(c, (struct sockaddr *)&sin, sizeof(sin)));
	len = sizeof(sin6);
	s = accept(fd, (struct sockaddr *)&sin6, &len);
	printf("accept6 family %d length %d mapped %d domain %d\n", sin6.sin6_family, (int)len,
	       !!IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr), ask(s, SO_DOMAIN));
	struct addrinfo *info = NULL, hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };

	printf("getaddrinfo %d\n", getaddrinfo("127.0.0.1", "80", &hints, &info));
	printf("its family %d\n", info ? info->ai_family : -1);
	fflush(stdout);
	if (!fork()) {
		execl("/proc/self/exe", argv[0], "child", NULL);
		_exit(127);
	}
	wait(NULL);
	return 0;
}
