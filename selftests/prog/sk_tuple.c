// SPDX-License-Identifier: GPL-2.0
/*
 * The same two addresses and ports on this stack while the other still has them in
 * TIME-WAIT: the connection must open, carry data and close as if it were alone.
 */
#include "common.h"

static const char *ours, *other;

/* Two others for every row: what waits of one must not disturb the next. */
static int server_port = 7301, client_port = 7302;

static int bound(const char *stack, int port)
{
	struct endpoint sin = at("127.0.0.1", port);
	int one = 1, fd;

	choose_family(stack);
	fd = socket(family, SOCK_STREAM, protocol);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, SA(sin), sizeof(sin))) {
		perror("bind");
		exit(1);
	}
	return fd;
}

/* Who listens, who connects, and which of them closes first. */
static bool connection(const char *server, const char *client, bool client_first)
{
	struct endpoint sin = at("127.0.0.1", server_port);
	int l = bound(server, server_port);
	int c = bound(client, client_port);
	bool good;
	char byte;
	int s;

	if (listen(l, 1) || connect(c, SA(sin), sizeof(sin)))
		return false;
	s = accept(l, NULL, NULL);
	good = s >= 0 && send(c, "a", 1, 0) == 1 && recv(s, &byte, 1, 0) == 1 &&
	       send(s, "b", 1, 0) == 1 && recv(c, &byte, 1, 0) == 1;
	if (client_first) {
		close(c);
		good = good && recv(s, &byte, 1, 0) == 0;
		close(s);
	} else {
		close(s);
		good = good && recv(c, &byte, 1, 0) == 0;
		close(c);
	}
	close(l);
	return good;
}

/* How many of the connection's ends are in a state other than TIME-WAIT (6). */
static int unfinished(const char *stack)
{
	unsigned int local, remote, state;
	char line[512];
	int n = 0;
	FILE *f;

	choose_family(stack);
	f = fopen(proc_file(), "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %*[^:]:%x %*[^:]:%x %x", &local, &remote, &state) != 3)
			continue;
		if ((int)local == client_port ||
		    ((int)local == server_port && (int)remote == client_port))
			n += state != 6;
	}
	fclose(f);
	return n;
}

static bool finishes(void)
{
	for (int i = 0; i < 500; i++) {
		if (!unfinished(ours) && !unfinished(other))
			return true;
		usleep(10000);
	}
	return false;
}

/* The stack that is tested has one of the ends, or both. */
int main(void)
{
	static const struct {
		bool server, client;
		const char *name;
	} who[] = {
		{ true, true, "both ends" },
		{ true, false, "the server" },
		{ false, true, "the client" },
	};
	char name[100];

	ktap_begin();
	if (v6) {
		ours = is_kernels() ? "inet6" : "rusttcp6";
		other = is_kernels() ? "rusttcp6" : "inet6";
	} else {
		ours = is_kernels() ? "inet" : "rusttcp";
		other = is_kernels() ? "rusttcp" : "inet";
	}
	for (int first = 0; first < 2; first++) {
		for (size_t i = 0; i < ARRAY_SIZE(who); i++) {
			const char *by = first ? "client" : "server";

			/* A client's own TIME-WAIT: whether tcp_tw_reuse lets it go is not asked here. */
			if (first && !who[i].client)
				continue;
			ktap(connection(other, other, first) && finishes(),
			     "a connection on the other stack, now in TIME-WAIT");
			snprintf(name, sizeof(name),
				 "its addresses on this stack, %s, and the %s closes first",
				 who[i].name, by);
			ktap(connection(who[i].server ? ours : other, who[i].client ? ours : other,
					first), name);
			ktap(finishes(), "and it closes on both sides");
			server_port += 2;
			client_port += 2;
		}
	}
	return ktap_end();
}
