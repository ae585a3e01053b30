#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""counters.py inet|inet6|rusttcp|rusttcp6: what a row of small stories counts, as NAME VALUE lines; both
ends are of that stack, over the loopback device of a namespace of their own."""
import os
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from stack import counters, new_socket, own_namespace  # noqa: E402

FAMILY = sys.argv[1]
HOST = "::1" if FAMILY.endswith("6") else "127.0.0.1"


def make():
    return new_socket(FAMILY)


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
    # Through a window of that size little goes at a time.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
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
        sent -= len(child.recv(65536))
    linger(client)
    until_closed(child)


own_namespace()
for story in (plain, refused, reset, unread, too_late, crowded, shut_window, stands):
    before = counters(FAMILY)
    keep = story()
    time.sleep(0.1)
    after = counters(FAMILY)
    for name, value in after.items():
        change = value - before[name]
        if change:
            print(f"{story.__name__} {name} {change}")
