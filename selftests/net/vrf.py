#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""vrf.py A B: connections from namespace A to listeners in namespace B, whose device "vb" is in the
routing domain "red". One line each: "case WHAT:WANTED:FOUND"."""
import ctypes
import os
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def enter(name):
    """What is made from now on is in that namespace."""
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    assert libc.setns(fd, CLONE_NEWNET) == 0
    os.close(fd)


def setting(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as f:
        f.write(str(value))


def listens(family, device):
    v6 = family.endswith("6")
    af = socket.AF_INET6 if v6 else socket.AF_INET
    number, protocol = (af, 0) if family.startswith("inet") else (19, int(v6))
    server = socket.socket(af, socket.SOCK_STREAM, 0, fileno=libc.socket(number, socket.SOCK_STREAM, protocol))
    if device:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    server.bind(("::" if v6 else "0.0.0.0", 0))
    server.listen(5)
    server.settimeout(15)
    return server


def found(server, v6):
    """Where a connection to it ends up."""
    where = ("fd00::2" if v6 else "10.0.0.2", server.getsockname()[1])
    enter(sys.argv[1])
    try:
        client = socket.create_connection(where, 15)
    except ConnectionRefusedError:
        return "refused"
    except OSError as e:
        return repr(e)
    child, _ = server.accept()
    device = child.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0").decode()
    child.sendall(b"word")
    child.close()
    client.settimeout(15)
    said = client.recv(10)
    client.close()
    return f"served on {device or None}" if said == b"word" else repr(said)


for family in ("inet", "inet6", "rusttcp", "rusttcp6"):
    for accepts, device, want in ((0, "", "refused"), (1, "", "served on red"), (0, "red", "served on red"),
                                  (0, "vb", "served on vb")):
        enter(sys.argv[2])
        setting("tcp_l3mdev_accept", accepts)
        with listens(family, device) as server:
            got = found(server, family.endswith("6"))
        print(f"case {family}, tcp_l3mdev_accept={accepts}, bound to {device or 'nothing'}:{want}:{got}",
              flush=True)
