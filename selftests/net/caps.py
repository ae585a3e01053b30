#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""caps.py: what a user may ask of a socket of each stack and family, one "FAMILY WHAT ANSWER" line each."""
import os
import socket

from stack import is_kernels, new_socket, said


def option(level, name, value):
    return lambda sock: sock.setsockopt(level, name, value)


SOL, TCP = socket.SOL_SOCKET, socket.IPPROTO_TCP


def write_again(path):
    with open(path, encoding="ascii") as f:
        value = f.read()
    with open(path, "w", encoding="ascii") as f:
        f.write(value)


def ask(family):
    """Each question."""
    v6 = family.endswith("6")

    def try_it(what, action):
        with new_socket(family) as sock:
            print(family, what, said(lambda: action(sock), "may"), flush=True)

    try_it("bind-80", lambda sock: sock.bind(("::1" if v6 else "127.0.0.1", 80)))
    try_it("SO_MARK", option(SOL, 36, 1))
    try_it("SO_BINDTODEVICE", option(SOL, socket.SO_BINDTODEVICE, b"lo\0"))
    try_it("SO_SNDBUFFORCE", option(SOL, 32, 100000))
    try_it("SO_RCVBUFFORCE", option(SOL, 33, 100000))
    try_it("SO_PRIORITY-6", option(SOL, 12, 6))
    try_it("SO_PRIORITY-7", option(SOL, 12, 7))
    try_it("SO_DEBUG", option(SOL, socket.SO_DEBUG, 1))
    try_it("SO_BUSY_POLL", option(SOL, 46, 50))
    try_it("SO_PREFER_BUSY_POLL", option(SOL, 69, 1))
    try_it("SO_MAX_PACING_RATE", option(SOL, 47, 1000000))
    try_it("TRANSPARENT", option(socket.IPPROTO_IPV6, 75, 1) if v6 else option(socket.IPPROTO_IP, 19, 1))
    try_it("TCP_CONGESTION-reno", option(TCP, socket.TCP_CONGESTION, b"reno"))
    try_it("TCP_CONGESTION-bbr", option(TCP, socket.TCP_CONGESTION, b"bbr"))
    try_it("TCP_CONGESTION-none", option(TCP, socket.TCP_CONGESTION, b"nonsense"))
    for name in ("tcp_sack", "tcp_congestion_control", "tcp_rmem"):
        path = f"/proc/sys/net/{'ipv4' if is_kernels(family) else 'rusttcp'}/{name}"
        print(family, "write", name, said(lambda: write_again(path), "may"))
    print(family, "uid", os.getuid())


for one in ("inet", "rusttcp", "inet6", "rusttcp6"):
    ask(one)
