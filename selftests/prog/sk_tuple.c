// SPDX-License-Identifier: GPL-2.0
/*
 * The same two addresses and ports on this stack while the other still has them in
 * TIME-WAIT: the connection must open, carry data and close as if it were alone.
 */
#include "common.h"

#define SERVER_PORT 7301
#define CLIENT_PORT 7302

static int bound(int domain, int port)
{
	struct sockaddr_in sin = at("127.0.0.1", port);
	int one = 1;
	int fd = socket(domain, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, SA(sin), sizeof(sin))) {
		perror("bind");
		exit(1);
	}
	return fd;
}

/* A connection that its server closes first. */
static bool connection(int domain)
{
	struct sockaddr_in sin = at("127.0.0.1", SERVER_PORT);
	int l = bound(domain, SERVER_PORT);
	int c = bound(domain, CLIENT_PORT);
	bool good;
	char byte;
	int s;

	if (listen(l, 1) || connect(c, SA(sin), sizeof(sin)))
		return false;
	s = accept(l, NULL, NULL);
	good = s >= 0 && send(c, "a", 1, 0) == 1 && recv(s, &byte, 1, 0) == 1 &&
	       send(s, "b", 1, 0) == 1 && recv(c, &byte, 1, 0) == 1;
	close(s);
	good = good && recv(c, &byte, 1, 0) == 0;
	close(c);
	close(l);
	return good;
}

/* How many of the connection's ends are in a state other than TIME-WAIT (6). */
static int unfinished(int domain)
{
	FILE *f = fopen(domain == AF_INET ? "/proc/net/tcp" : "/proc/net/rusttcp", "r");
	unsigned int local, remote, state;
	char line[512];
	int n = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %*8x:%x %*8x:%x %x", &local, &remote, &state) != 3)
			continue;
		if (local == CLIENT_PORT || (local == SERVER_PORT && remote == CLIENT_PORT))
			n += state != 6;
	}
	fclose(f);
	return n;
}

static bool finishes(int domain)
{
	for (int i = 0; i < 500; i++) {
		if (!unfinished(domain))
			return true;
		usleep(10000);
	}
	return false;
}

int main(void)
{
	int ours = 0, other;

	ktap_begin();
	ours = family;
	choose_family(ours == AF_INET ? "rusttcp" : "inet");
	other = family;
	ktap(connection(other) && finishes(other), "a connection on the other stack, now in TIME-WAIT");
	ktap(connection(ours), "the same addresses and ports on this stack");
	ktap(finishes(ours), "and it closes on both sides");
	return ktap_end();
}
