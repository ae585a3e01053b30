# SPDX-License-Identifier: GPL-2.0
"""Links that lose the same packets each time: netem with a seed and tbf, by netlink. An older tc does not
know of the seed, and to start a program costs a guest with a virtual clock much time."""
import ctypes
import os
import socket
import struct
from contextlib import contextmanager

RTM_NEWQDISC = 36
REQUEST, ACK, CREATE, REPLACE = 1, 4, 0x400, 0x100
TCA_KIND, TCA_OPTIONS = 1, 2
TCA_NETEM_REORDER, TCA_NETEM_LATENCY64, TCA_NETEM_PRNG_SEED = 3, 10, 13
TCA_TBF_PARMS, TCA_TBF_BURST, TC_LINKLAYER_ETHERNET = 1, 6, 1
ROOT = 0xFFFFFFFF
CLONE_NEWNET = 0x40000000


@contextmanager
def inside(name):
    """In the network namespace of that name."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        libc.setns(home, CLONE_NEWNET)
        os.close(home)
        os.close(there)


def attribute(kind, value):
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def part(percent):
    """A probability as netem has it."""
    return int(percent / 100 * 0xFFFFFFFF)


def replace(device, kind, handle, parent, options):
    """Puts a qdisc in place at a device of the namespace that this runs in."""
    body = struct.pack("=BxxxiIII", 0, socket.if_nametoindex(device), handle, parent, 0)
    body += attribute(TCA_KIND, kind.encode() + b"\0") + attribute(TCA_OPTIONS, options)
    flags = REQUEST | ACK | CREATE | REPLACE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
        link.send(struct.pack("=IHHII", len(body) + 16, RTM_NEWQDISC, flags, 1, 0) + body)
        answer = link.recv(4096)
    error, = struct.unpack_from("=i", answer, 16)
    if error:
        raise OSError(-error, f"{kind}: {os.strerror(-error)}")


def delay(device, milliseconds, limit, loss=0.0, reorder=(0.0, 0.0), seed=0):
    """netem at the root. `loss` in %; `reorder`: % that goes at once, and % of correlation."""
    options = struct.pack("=IIIIII", 0, limit, part(loss), 1 if reorder[0] else 0, 0, 0)
    options += attribute(TCA_NETEM_REORDER, struct.pack("=II", part(reorder[0]), part(reorder[1])))
    options += attribute(TCA_NETEM_LATENCY64, struct.pack("=q", int(milliseconds * 1e6)))
    options += attribute(TCA_NETEM_PRNG_SEED, struct.pack("=Q", seed))
    replace(device, "netem", 0x10000, ROOT, options)


def bottleneck(device, mbit, burst, limit):
    """tbf behind the netem at the root; `burst` and `limit` in bytes."""
    rate = struct.pack("=BBHhHI", 0, TC_LINKLAYER_ETHERNET, 0, 0, 0, int(mbit * 1e6 / 8))
    options = attribute(TCA_TBF_PARMS, rate + bytes(12) + struct.pack("=III", limit, 0, 0))
    options += attribute(TCA_TBF_BURST, struct.pack("=I", burst))
    replace(device, "tbf", 0x20000, 0x10001, options)
