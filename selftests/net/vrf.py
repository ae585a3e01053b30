#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""vrf.py A B C: connections from namespace A to listeners in namespace B, whose device "vb" is in the
routing domain "red"; and from C, which has A's addresses, to B's domain "blue". One line each: "case
WHAT:WANTED:FOUND"."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import stack  # noqa: E402
from stack import enter  # noqa: E402


def setting(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as f:
        f.write(str(value))


def new_socket(family, device="", port=0):
    sock = stack.new_socket(family)
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("::" if family.endswith("6") else "0.0.0.0", port))
    sock.settimeout(15)
    return sock


def listens(family, device):
    server = new_socket(family, device)
    server.listen(5)
    return server


def device_of(sock):
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0").decode()


def talk(pairs):
    """What arrives of what each says to the other."""
    for one, other in pairs:
        one.settimeout(15)
        one.sendall(b"from %d" % one.fileno())
        other.sendall(b"from %d" % other.fileno())
    return all(one.recv(20) == b"from %d" % other.fileno() and other.recv(20) == b"from %d" % one.fileno()
               for one, other in pairs)


def close(socks):
    for sock in socks:
        sock.close()


def twins(family, port):
    """Two connections to one listener, from the same address and port, in two routing domains."""
    there = "fd00::2" if family.endswith("6") else "10.0.0.2"
    enter(sys.argv[2])
    setting("tcp_l3mdev_accept", 1)
    try:
        with listens(family, "") as server:
            pairs, devices = [], []
            for name in sys.argv[1], sys.argv[3]:
                enter(name)
                client = new_socket(family, "", port)
                client.connect((there, server.getsockname()[1]))
                child, _ = server.accept()
                devices.append(device_of(child))
                pairs.append((client, child))
            said = talk(pairs)
            close(sum(pairs, ()))
    except OSError as e:
        return repr(e)
    finally:
        enter(sys.argv[2])
        setting("tcp_l3mdev_accept", 0)
    return f"{' and '.join(devices)}, {said}"


def opened_twins(family, port):
    """Two connections that begin at one address and port, to the same address and port in two domains."""
    there = "fd00::1" if family.endswith("6") else "10.0.0.1"
    servers, pairs = [], []
    try:
        for name, device in (sys.argv[1], "red"), (sys.argv[3], "blue"):
            enter(name)
            server = new_socket(family, "", port)
            server.listen(5)
            servers.append(server)
            enter(sys.argv[2])
            client = new_socket(family, device, port)
            client.connect((there, port))
            pairs.append((client, server.accept()[0]))
        said = talk(pairs)
        close(sum(pairs, ()))
    except OSError as e:
        return repr(e)
    finally:
        close(servers)
    return str(said)


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
    device = device_of(child)
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
    print(f"case {family}, one listener, twins:red and blue, True:{twins(family, 5000)}", flush=True)
    print(f"case {family}, opened twins:True:{opened_twins(family, 6000)}", flush=True)
