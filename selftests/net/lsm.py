#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""lsm.py A B: a connection from namespace A to B on each stack, and how often each hook of security
modules was called meanwhile. Lines are "case WHAT|STATUS"."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from stack import enter, new_socket  # noqa: E402

HOOKS = "/proc/security_hooks"
# Modules can't call it; and the flow of what goes out for a listener is classified by the listener.
OTHERS = {"inet_csk_clone", "req_classify_flow"}
# How often these are called, a packet or the sockets that hold ports decide.
MANY = {"sock_rcv_skb", "sk_alloc", "sk_free", "sk_classify_flow", "sock_graft", "socket_create",
        "socket_post_create"}


def calls():
    with open(HOOKS, encoding="ascii") as f:
        return {name: int(count) for name, count in (line.split() for line in f)}


def refuse(name):
    with open(HOOKS, "w", encoding="ascii") as f:
        f.write(name)


def make(family):
    sock = new_socket(family)
    sock.settimeout(10)
    return sock


def host(family, number):
    return f"fd00::{number}" if family.endswith("6") else f"10.0.0.{number}"


def listens(family):
    enter(sys.argv[2])
    server = make(family)
    server.bind((host(family, 2), 0))
    server.listen(5)
    return server


def story(family):
    """Each call once."""
    with listens(family) as server:
        where = server.getsockname()
        enter(sys.argv[1])
        client = make(family)
        client.connect(where)
        child, _ = server.accept()
        child.sendall(b"word")
        client.recv(10)
        child.getpeername()
        child.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        child.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        child.shutdown(socket.SHUT_WR)
        client.recv(10)
        client.close()
        child.close()


def counted(family):
    before = calls()
    story(family)
    after = calls()
    return {name: after[name] - before[name] for name in after}


def refused(family, hook):
    """What connect() says when a hook refuses."""
    with listens(family) as server:
        where = server.getsockname()
        enter(sys.argv[1])
        client = make(family)
        client.settimeout(1.5)
        refuse(hook)
        try:
            client.connect(where)
            return "connected"
        except OSError as e:
            return type(e).__name__
        finally:
            refuse("nothing")
            client.close()


def case(what, good):
    print(f"case {what}|{int(not good)}", flush=True)


story("inet")
story("rusttcp")
for v6 in ("", "6"):
    theirs, ours = counted("inet" + v6), counted("rusttcp" + v6)
    for name, count in theirs.items():
        if name in OTHERS:
            print(name, count, ours[name])
        elif name in MANY:
            case(f"rusttcp{v6}: {name}: {ours[name]} calls (the kernel's TCP: {count})",
                 (ours[name] > 0) == (count > 0))
        else:
            case(f"rusttcp{v6}: {name}: {ours[name]} calls, as by the kernel's TCP ({count})",
                 ours[name] == count)
    for hook in ("socket_connect", "inet_conn_request"):
        said = [refused(stack + v6, hook) for stack in ("inet", "rusttcp")]
        case(f"rusttcp{v6}: refused by {hook}: {said[1]}, as on the kernel's TCP ({said[0]})",
             said[0] == said[1] != "connected")
