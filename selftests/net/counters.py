#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""counters.py inet|inet6|rusttcp|rusttcp6: what a row of small stories counts, as NAME VALUE lines; both
ends are of that stack, over the loopback device of a namespace of their own."""
import ctypes
import select
import socket
import struct
import sys
import time

FAMILY = sys.argv[1]
V6 = FAMILY.endswith("6")
KERNELS = FAMILY.startswith("inet")
AF = socket.AF_INET6 if V6 else socket.AF_INET
HOST = "::1" if V6 else "127.0.0.1"
libc = ctypes.CDLL(None, use_errno=True)


def make():
    fd = libc.socket(AF if KERNELS else 19, socket.SOCK_STREAM, 0 if KERNELS else int(V6))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "socket")
    return socket.socket(AF, socket.SOCK_STREAM, 0, fileno=fd)


def counters():
    found = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat") if KERNELS else ("/proc/net/rusttcp_stat",):
        with open(path, encoding="ascii") as f:
            lines = [line.split() for line in f]
        for names, values in zip(lines[::2], lines[1::2]):
            if names[0] in ("Tcp:", "TcpExt:"):
                found.update({f"{names[0]}{name}": int(value) for name, value in zip(names[1:], values[1:])})
    return found


def listens(backlog=8):
    server = make()
    server.bind((HOST, 0))
    server.listen(backlog)
    return server


def pair():
    server = listens()
    client = make()
    client.connect(server.getsockname())
    child, _ = server.accept()
    server.close()
    return client, child


def until_closed(sock):
    """The peer's FIN or RST came."""
    select.select([sock], [], [], 10)


def linger(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def plain():
    """A connection, some words, both close."""
    client, child = pair()
    client.sendall(b"hello")
    child.recv(10)
    client.close()
    until_closed(child)
    child.close()


def stands():
    """A connection that stays open, and one that is half closed."""
    client, child = pair()
    other, half = pair()
    other.shutdown(socket.SHUT_WR)
    until_closed(half)
    return client, child, other, half


def refused():
    """Nobody listens."""
    server = listens()
    where = server.getsockname()
    server.close()
    client = make()
    try:
        client.connect(where)
    except ConnectionRefusedError:
        pass


def reset():
    """One side gives up an open connection."""
    client, child = pair()
    linger(client)
    until_closed(child)


def unread():
    """One side closes with something unread."""
    client, child = pair()
    client.sendall(b"hello")
    until_closed(child)
    child.close()
    until_closed(client)


def too_late():
    """Data for who has closed."""
    client, child = pair()
    child.close()
    until_closed(client)
    client.sendall(b"hello")
    time.sleep(0.1)


def crowded():
    """More connections than the accept queue takes: the third one's SYN is dropped."""
    server = listens(0)
    clients = []
    for _ in range(3):
        client = make()
        client.setblocking(False)
        try:
            client.connect(server.getsockname())
        except BlockingIOError:
            pass
        clients.append(client)
        time.sleep(0.05)
    for client in clients:
        linger(client)
    server.close()


def shut_window():
    """A reader that sleeps, and wakes up."""
    client, child = pair()
    child.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    sent = 0
    for _ in range(20):
        try:
            sent += client.send(b"w" * 100000)
        except BlockingIOError:
            pass
        time.sleep(0.02)
    child.settimeout(10)
    while sent > 0:
        sent -= len(child.recv(1 << 20))
    linger(client)
    until_closed(child)


for story in (plain, refused, reset, unread, too_late, crowded, shut_window, stands):
    before = counters()
    keep = story()
    time.sleep(0.1)
    after = counters()
    for name, value in after.items():
        change = value - before[name]
        if change:
            print(f"{story.__name__} {name} {change}")
