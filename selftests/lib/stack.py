# SPDX-License-Identifier: GPL-2.0
"""
Sockets of either stack by name (inet, inet6, rusttcp, rusttcp6), without rusttcp-run and the start of a
program that it takes; and network namespaces, so that one process can have ends in several.
"""
import ctypes
import errno
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def is_kernels(family):
    return family.startswith("inet")


def our_family():
    try:
        with open("/sys/module/rusttcp/parameters/family", encoding="ascii") as f:
            return int(f.read())
    except FileNotFoundError:
        return 19  # AF_RUSTTCP of include/uapi/linux/rusttcp.h


def new_socket(family):
    v6 = family.endswith("6")
    af = socket.AF_INET6 if v6 else socket.AF_INET
    # RUSTTCP_IPV6 is 1; the kernel's families have one TCP.
    number, protocol = (af, 0) if is_kernels(family) else (our_family(), int(v6))
    fd = libc.socket(number, socket.SOCK_STREAM, protocol)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "socket")
    # The addresses are plain sockaddr_in or sockaddr_in6 on either stack.
    return socket.socket(af, socket.SOCK_STREAM, 0, fileno=fd)


def enter(name):
    """What is made from now on is in that network namespace."""
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    assert libc.setns(fd, CLONE_NEWNET) == 0
    os.close(fd)


def said(call, fine="ok"):
    """What a call says: `fine`, or the errno's name."""
    try:
        call()
        return fine
    except OSError as e:
        return errno.errorcode[e.errno]


def own_namespace():
    """From here on a network namespace of the process's own, whose loopback is up."""
    assert libc.unshare(CLONE_NEWNET) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # SIOCSIFFLAGS, IFF_UP
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", 1))


def counters(family):
    """Those of TCP, by GROUP:NAME."""
    found = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat") if is_kernels(family) else ("/proc/net/rusttcp_stat",):
        with open(path, encoding="ascii") as f:
            lines = [line.split() for line in f]
        for names, values in zip(lines[::2], lines[1::2]):
            if names[0] in ("Tcp:", "TcpExt:"):
                found.update({names[0] + name: int(value) for name, value in zip(names[1:], values[1:])})
    return found
