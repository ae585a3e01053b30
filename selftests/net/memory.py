#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a memory cgroup is charged for sockets. Run by memory.sh, on either stack.

memory.py CGROUP HOST: prints lines "0 what" (as it should be) or "1 what".
"""
import hashlib
import os
import select
import socket
import struct
import sys
import time

GROUP, HOST = sys.argv[1:]
FAMILY = socket.AF_INET6 if ":" in HOST else socket.AF_INET
MIB = 1 << 20
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33


def charged():
    """Bytes that the cgroup is charged for sockets."""
    with open(f"{GROUP}/memory.stat", encoding="ascii") as stat:
        return next(int(line.split()[1]) for line in stat if line.startswith("sock "))


def becomes(condition):
    """The kernel adds up its CPUs' counts every two seconds."""
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def say(good, what):
    print(0 if good else 1, what, flush=True)


def move_to(group):
    with open(f"{group}/cgroup.procs", "w", encoding="ascii") as procs:
        procs.write(str(os.getpid()))


def new_listener():
    return socket.create_server((HOST, 0), family=FAMILY)


def pair():
    listener = new_listener()
    client = socket.socket(FAMILY)
    client.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 * MIB)
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 * MIB)
    return client, server


def held(sock):
    """Bytes of memory of what was received."""
    SO_MEMINFO = 55
    return struct.unpack("9I", sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[0]


def fill(sock):
    sock.setblocking(False)
    chunk, total = bytes(65536), 0
    while True:
        try:
            total += sock.send(chunk)
        except BlockingIOError:
            return total


def both_ends():
    move_to(GROUP)
    client, server = pair()
    say(becomes(lambda: charged() == 0), "nothing is charged for sockets without data")
    sent = fill(client)
    say(becomes(lambda: charged() >= sent), f"{sent} bytes under way: charged")
    client.close()
    left, buffer = sent, bytearray(65536)
    while left > 0:
        left -= server.recv_into(buffer)
    server.close()
    say(becomes(lambda: charged() == 0), "closed: nothing is charged")
    move_to(os.path.dirname(GROUP))


def read_all(listener, size, digest, ready, go):
    """The child: takes a connection, and reads when it is told to."""
    move_to(GROUP)
    server, _ = listener.accept()
    buffer, seen = bytearray(65536), hashlib.sha256()
    os.write(ready, b"!")
    os.read(go, 1)
    while size > 0 and (n := server.recv_into(buffer)) > 0:
        seen.update(memoryview(buffer)[:n])
        size -= n
    os._exit(0 if size == 0 and seen.digest() == digest else 1)


def over_the_limit():
    """A child whose cgroup has no memory for what it is sent does not read at first. (While it
    sleeps: what it allocated itself then could end it.) How far the kernel lets softirqs go beyond
    the limit is its own affair; nothing may be lost."""
    data = os.urandom(12 * MIB)
    listener = new_listener()
    listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 * MIB)
    (is_ready, ready), (wait, go) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        read_all(listener, len(data), hashlib.sha256(data).digest(), ready, wait)
    client = socket.create_connection(listener.getsockname()[:2])
    client.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 32 * MIB)
    os.read(is_ready, 1)
    with open(f"{GROUP}/memory.max", "w", encoding="ascii") as most:
        most.write(str(4 * MIB))
    client.sendall(data)
    say(becomes(lambda: charged() >= 2 * MIB), "over the limit: what is not read is charged")
    with open(f"{GROUP}/memory.max", "w", encoding="ascii") as most:
        most.write("max")
    os.write(go, b"!")
    say(os.waitpid(pid, 0)[1] == 0, "over the limit: every byte is there when it is read")


def size_in_memory():
    """Segments that were joined don't count twice."""
    client, server = pair()
    client.sendall(bytes(MIB))
    becomes(lambda: server.recv(MIB, socket.MSG_PEEK | socket.MSG_WAITALL) and True)
    say(MIB <= held(server) < MIB * 5 // 4, f"a MiB to be read: {held(server)} bytes of memory")


size_in_memory()
both_ends()
over_the_limit()


def mem_max(bytes_):
    with open("/proc/sys/net/rusttcp/mem_max", "w", encoding="ascii") as bound:
        bound.write(str(bytes_))


def in_namespace():
    """Bytes that this namespace's sockets hold, in whole pages."""
    with open("/proc/net/rusttcp_sockstat", encoding="ascii") as stat:
        words = stat.read().split()
    return int(words[words.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE")


def namespace_bound():
    """net.rusttcp.mem_max: how much a namespace's sockets hold together. Who sends waits, what comes
    beyond is dropped and comes again, nothing is lost; and whoever holds little is let through."""
    say(in_namespace() == 0, "the namespace holds nothing")
    client, server = pair()
    free = fill(client)
    say(in_namespace() >= free, f"{free} bytes under way: the namespace holds {in_namespace()}")
    client.close()
    server.close()
    say(becomes(lambda: in_namespace() == 0), "closed: the namespace holds nothing")
    mem_max(MIB)
    client, server = pair()
    sent = fill(client)
    say(sent < 2 * MIB and in_namespace() < 2 * MIB, f"mem_max: {sent} bytes sent, {in_namespace()} held")
    other, peer = pair()
    other.sendall(b"x" * 100)
    say(peer.recv(100, socket.MSG_WAITALL) == b"x" * 100, "mem_max: who holds little is let through")
    got = 0
    while got < sent:
        got += len(server.recv(1 << 16))
    data = os.urandom(8 * MIB)
    if os.fork() == 0:
        client.setblocking(True)
        client.sendall(data)
        os._exit(0)
    seen = bytearray()
    while len(seen) < len(data):
        seen += server.recv(1 << 16)
    say(os.wait()[1] == 0 and seen == data, "mem_max: every byte is there when it is read")
    mem_max(0)
    for sock in (client, server, other, peer):
        sock.close()
    say(becomes(lambda: in_namespace() == 0), "and then the namespace holds nothing")


def pool_bounds(pages):
    """Changes the bounds of the stack's pool; returns what they were."""
    where = "rusttcp" if os.environ.get("LD_PRELOAD") else "ipv4"
    name = f"/proc/sys/net/{where}/tcp_mem"
    with open(name, encoding="ascii") as bounds:
        before = bounds.read()
    with open(name, "w", encoding="ascii") as bounds:
        bounds.write(pages)
    with open(name, encoding="ascii") as bounds:
        assert bounds.read().split() == pages.split()
    return before


def without_memory():
    """With the pool used up a little goes all the same, since nothing else would wake the writer; and who found
    no room is told when there is some (EPOLLET)."""
    hoard, hoarded = pair()
    fill(hoard)
    client, server = pair()
    other, peer = pair()
    for sock in (other, peer, server):
        sock.settimeout(10)
    bounds = pool_bounds("1 1 1")
    try:
        other.sendall(b"x" * 100)
        say(peer.recv(100, socket.MSG_WAITALL) == b"x" * 100, "no memory: a little goes all the same")
    except TimeoutError:
        say(False, "no memory: a little goes all the same")
    try:
        epoll = select.epoll()
        epoll.register(client, select.EPOLLOUT | select.EPOLLET)
        epoll.poll(0)
        sent = fill(client)
        while sent > 0 and (got := len(server.recv(1 << 16))) > 0:
            sent -= got
        say(sent == 0 and bool(epoll.poll(10)), "no memory: who found no room is told of it")
    except TimeoutError:
        say(False, "no memory: what went comes")
    finally:
        pool_bounds(bounds)
    for sock in (hoard, hoarded, client, server, other, peer):
        sock.close()


without_memory()
# The kernel's TCP has no bound for a namespace.
if os.environ.get("LD_PRELOAD"):
    namespace_bound()
