#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""caps.py inet|inet6|rusttcp|rusttcp6: what a user may ask of a socket, one "WHAT ANSWER" line each."""
import ctypes
import errno
import os
import socket
import sys

FAMILY = sys.argv[1]
V6 = FAMILY.endswith("6")
KERNELS = FAMILY.startswith("inet")
AF = socket.AF_INET6 if V6 else socket.AF_INET
libc = ctypes.CDLL(None, use_errno=True)


def make():
    fd = libc.socket(AF if KERNELS else 19, socket.SOCK_STREAM, 0 if KERNELS else int(V6))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "socket")
    return socket.socket(AF, socket.SOCK_STREAM, 0, fileno=fd)


def try_it(what, action):
    with make() as sock:
        try:
            action(sock)
            answer = "may"
        except OSError as e:
            answer = errno.errorcode[e.errno]
    print(what, answer, flush=True)


def option(level, name, value):
    return lambda sock: sock.setsockopt(level, name, value)


SOL, TCP = socket.SOL_SOCKET, socket.IPPROTO_TCP
try_it("bind-80", lambda sock: sock.bind(("::1" if V6 else "127.0.0.1", 80)))
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
try_it("TRANSPARENT", option(socket.IPPROTO_IPV6, 75, 1) if V6 else option(socket.IPPROTO_IP, 19, 1))
try_it("TCP_CONGESTION-reno", option(TCP, socket.TCP_CONGESTION, b"reno"))
try_it("TCP_CONGESTION-bbr", option(TCP, socket.TCP_CONGESTION, b"bbr"))
try_it("TCP_CONGESTION-none", option(TCP, socket.TCP_CONGESTION, b"nonsense"))
for name in ("tcp_sack", "tcp_congestion_control", "tcp_rmem"):
    path = f"/proc/sys/net/{'ipv4' if KERNELS else 'rusttcp'}/{name}"
    with open(path, encoding="ascii") as f:
        value = f.read()
    try:
        with open(path, "w", encoding="ascii") as f:
            f.write(value)
        said = "may"
    except OSError as e:
        said = errno.errorcode[e.errno]
    print("write", name, said)
print("uid", os.getuid())
