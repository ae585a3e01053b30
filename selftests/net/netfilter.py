#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What connect() and send() say of packets that a firewall drops or rejects, what connection tracking makes of
a connection, and which answers have the mark of what they answer, on loopback. Run by netfilter.sh for each stack,
with a network namespace for each case: prints lines "case|what is said"."""
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, "selftests/lib")
from stack import new_socket, own_namespace, said  # noqa: E402

FAMILY = os.environ["RUSTTCP_FAMILY"]
V6 = FAMILY.endswith("6")
# Longer than the third time-out of a SYN.
PATIENCE = 20
# So many cases at once: most of what they do is to wait.
WORKERS = 5
FIN_WAIT2 = 5
ADDRESS, PORT = "::1" if V6 else "127.0.0.1", 7000
ACTIONS = ["drop", "reject with tcp reset", "reject with icmpx type port-unreachable",
           "reject with icmpx type admin-prohibited"]


def nft(script):
    subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True)


def rule(hook, port, action):
    """From now on what passes `hook` to or from the port meets with `action`."""
    nft(f"table inet t {{ chain c {{ type filter hook {hook} priority 0; tcp {port} {PORT} {action}; }}; }}")


def no_rule():
    nft("delete table inet t")


def listener():
    sock = new_socket(FAMILY)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((ADDRESS, PORT))
    sock.listen()
    return sock


def patient(option, seconds):
    """A socket whose calls give up after so long."""
    sock = new_socket(FAMILY)
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, option, limit)
    return sock


def connecting(hook, port, action):
    """What connect() says, and once the way is free again."""
    server = listener()
    rule(hook, port, action)
    # A message by ICMP is missed while connect() owns the socket; there is one more for the second SYN.
    sock = patient(socket.SO_SNDTIMEO, 0.4 if action == "drop" else PATIENCE)
    first = said(lambda: sock.connect((ADDRESS, PORT)))
    no_rule()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))
    then = said(lambda: sock.connect((ADDRESS, PORT)))
    sock.close()
    server.close()
    return f"connect() {first}, then {then}"


def sending(hook, port, action):
    """What send() says on a connection, what error there is, and what arrives once the way is free."""
    server = listener()
    sock = patient(socket.SO_RCVTIMEO, 0.3)
    sock.connect((ADDRESS, PORT))
    child, _ = server.accept()
    began = time.monotonic()
    rule(hook, port, action)
    calls = [said(lambda: sock.send(b"one"))]
    calls.append(said(lambda: sock.recv(1)))
    calls.append(said(lambda: sock.send(b"two")))
    no_rule()
    # However long that took: the next time-out comes after as much again at the latest.
    child.settimeout(PATIENCE + 2 * (time.monotonic() - began))
    got = b""
    try:
        while len(got) < 6 and calls[-1] == "ok":
            data = child.recv(6)
            if not data:
                break
            got += data
    except OSError as e:
        got += repr(e).encode()
    for one in sock, child, server:
        one.close()
    return f"send() {calls[0]}, recv() {calls[1]}, send() {calls[2]}, arrives {got.decode() or 'nothing'}"


def whole(sender, receiver, data):
    """Whether the data arrives as it was sent."""
    sender.settimeout(PATIENCE)
    receiver.settimeout(PATIENCE)
    got = b""
    sender.sendall(data)
    while len(got) < len(data):
        part = receiver.recv(len(data))
        if not part:
            break
        got += part
    return got == data


def counted(name):
    """The packets that the counter of that name has seen."""
    listing = subprocess.run(["nft", "list", "counter", "inet", "t", name],
                             capture_output=True, text=True, check=True).stdout
    return int(listing.split("packets ")[1].split()[0])


def marked(heard, settings):
    """What of the answers to a client whose packets have a mark has that mark too, where somebody listens or
    nobody does. `settings`: those sysctls are 1."""
    for name in settings:
        with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
            file.write("1")
    server = listener() if heard else None
    kinds = {"RST": "rst", "SYN-ACK": "syn", "more": "ack"}
    rules = "".join(f"tcp sport {PORT} tcp flags & (syn | rst) == {flag} meta mark 7 counter name {flag};"
                    for flag in ("rst", "syn"))
    nft(f"table inet t {{ {''.join(f'counter {flag} {{ }};' for flag in kinds.values())} "
        f"chain c {{ type filter hook output priority -150; tcp dport {PORT} meta mark set 7; {rules} "
        f"tcp sport {PORT} tcp flags & (syn | rst) == 0 meta mark 7 counter name ack; }}; }}")
    sock = patient(socket.SO_SNDTIMEO, PATIENCE)
    call = said(lambda: sock.connect((ADDRESS, PORT)))
    if heard:
        child, _ = server.accept()
        whole(sock, child, b"data")
        child.shutdown(socket.SHUT_WR)
        while child.getsockopt(socket.SOL_TCP, socket.TCP_INFO, 1)[0] != FIN_WAIT2:
            time.sleep(0.01)
        child.close()
        server.close()
    # What answers the FIN has no socket any more.
    sock.close()
    has = [kind for kind, flag in kinds.items() if counted(flag)]
    no_rule()
    return f"connect() {call}, the mark is on {' and '.join(has) or 'nothing'}"


def marking():
    """Cases for marked(): what, whether somebody listens, sysctls."""
    yield "nobody", False, []
    yield "nobody, fwmark_reflect", False, ["ipv4/fwmark_reflect", "ipv6/fwmark_reflect"]
    yield "a listener", True, []
    yield "a listener, fwmark_reflect", True, ["ipv4/fwmark_reflect", "ipv6/fwmark_reflect"]
    yield "a listener, tcp_fwmark_accept", True, ["ipv4/tcp_fwmark_accept"]


def tracked(port, patience, chains):
    """What becomes of a connection to `port` and of data both ways where these chains are, and how many of
    its packets connection tracking took for nobody's. connect() gives up after `patience` seconds."""
    server = listener()
    nft(f"table inet t {{ counter invalid {{ }}; {chains} }}")
    sock = patient(socket.SO_SNDTIMEO, patience)
    call = said(lambda: sock.connect((ADDRESS, port)))
    story = f"connect() {call}"
    if call == "ok":
        child, _ = server.accept()
        data = bytes(n % 251 for n in range(20000))
        both = all(whole(*ends, data) for _ in range(10) for ends in ((sock, child), (child, sock)))
        story += f" to {sock.getpeername()[1]}, data {'whole' if both else 'not whole'}"
        child.close()
        sock.recv(1)
    invalid = counted("invalid")
    no_rule()
    sock.close()
    server.close()
    return f"{story}, {invalid} invalid"


def repaired(loss):
    """Whether data gets through a link that loses, and how many packets of it were said to have come by a device:
    what is sent comes by none, whether it is sent for the first time or again."""
    # Many segments, each of which may be lost.
    subprocess.run("ip link set dev lo mtu 1500 gso_max_segs 1".split(), check=True)
    subprocess.run(f"tc qdisc add dev lo root netem delay 2ms loss {loss}".split(), check=True)
    nft("table inet t { counter came { }; chain c { type filter hook postrouting priority 0; "
        "meta iif != 0 counter name came; }; }")
    server = listener()
    sock = patient(socket.SO_SNDTIMEO, PATIENCE)
    call = said(lambda: sock.connect((ADDRESS, PORT)))
    child, _ = server.accept()
    data = bytes(n % 251 for n in range(60000))
    both = all(whole(sock, child, data) for _ in range(20))
    story = f"connect() {call}, data {'whole' if both else 'not whole'}, {counted('came')} by a device"
    no_rule()
    for one in sock, child, server:
        one.close()
    return story


def tracking():
    """Cases for tracked(): what, port, time for connect(), chains."""
    chain = "chain {0} {{ type filter hook {0} priority 0; ct state invalid counter name invalid drop; {1} }}; "
    both = chain.format("output", "") + chain.format("input", "")
    yield "all that is valid", PORT, PATIENCE, both
    known = f"tcp dport {PORT} ct state new,established accept; tcp sport {PORT} ct state established accept; " \
            f"tcp dport {PORT} drop; tcp sport {PORT} drop;"
    yield "what belongs to a connection", PORT, PATIENCE, chain.format("output", known) + chain.format("input", known)
    old = f"tcp dport {PORT} ct state new drop;"
    yield "nothing new", PORT, 0.4, chain.format("output", "") + chain.format("input", old)
    to = f"ip6 to [{ADDRESS}]" if V6 else f"ip to {ADDRESS}"
    yield "translation", PORT + 1, PATIENCE, both + \
        f"chain nat {{ type nat hook output priority -100; tcp dport {PORT + 1} dnat {to}:{PORT}; }}; "


def main():
    cases = [(hook, "dport", action) for hook in ("input", "output") for action in ACTIONS]
    # The answers.
    cases += [("input", "sport", "drop"), ("output", "sport", "drop")]
    todo = [(f"{do.__name__}, {hook}, {port}, {action}", do, hook, port, action)
            for hook, port, action in cases for do in (connecting, sending)]
    todo += [(f"connection tracking, {what}", tracked, *words) for what, *words in tracking()]
    todo += [(f"marks, {what}", marked, *words) for what, *words in marking()]
    todo += [("losses", repaired, "5%")]
    for worker in range(WORKERS):
        if os.fork() == 0:
            for what, do, *words in todo[worker::WORKERS]:
                own_namespace()
                print(f"{what}|{do(*words)}", flush=True)
            os._exit(0)
    for worker in range(WORKERS):
        os.wait()


main()
