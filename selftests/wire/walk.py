#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A connection from socket() to the end, step by step, as ss and a capture show it: writes
Documentation/walkthrough.rst, with --steps without what a capture shows. The other end is a peer of single segments (peer.py), so that each
state lasts until it was looked at; whatever is not as the text says ends the program."""
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

from peer import (ACK, AF, FIN, KERNELS, MSS, PATIENCE, PEER, PROC, RST, SYN, V6, End, Wire, Wrong, active,
                  listener, passive)

INTRO = """\
.. SPDX-License-Identifier: GPL-2.0

===========================
A connection, step by step
===========================

Written by ``make walkthrough``, which does all of this in the VM: what ``ss`` and the capture say is
what they said. The host is 10.9.0.1. The peer, 10.9.0.2, is a program that writes single
segments to a tun device and answers nothing by itself (``selftests/wire/peer.py``): so each state lasts
until it was looked at. ``ss`` is the stock one, told where to read::

	export PROC_NET_TCP=/proc/net/rusttcp

In the captures sequence numbers are relative, and options are left out but for the first SYN's.
"""


class Page:
    def __init__(self):
        self.parts, self.shown = [INTRO], set()

    def title(self, text):
        self.parts.append(f"\n{text}\n{'=' * len(text)}\n\n")

    def say(self, text):
        self.parts.append(text.strip() + "\n")

    def block(self, lines):
        self.parts.append("\n::\n\n" + "".join(f"\t{line}\n" if line else "\n" for line in lines) + "\n")

    def ss(self, *want):
        """What ss says of the host's sockets; `want`: (state, Recv-Q, Send-Q) of each, in any order."""
        deadline = time.monotonic() + PATIENCE
        if KERNELS:
            # The kernel's /proc file has no bound of the accept queue.
            want = [(s, r, 0 if s == "LISTEN" else q) for s, r, q in want]
        while True:
            env = dict(os.environ, PROC_NET_TCP="/dev/null" if V6 else PROC, PROC_NET_TCP6=PROC if V6 else "/dev/null")
            text = subprocess.run(["ss", "-tan"], env=env, check=True, capture_output=True,
                                  text=True).stdout
            lines = [" ".join(line.split()) for line in text.splitlines()[1:]]
            # Other chapters' TIME-WAIT lasts longer than they do.
            fields = sorted(f for f in (line.split() for line in lines) if not self.is_old(f))
            if sorted(tuple(f[:3]) for f in fields) == sorted((s, str(r), str(q)) for s, r, q in want):
                break
            if time.monotonic() > deadline:
                raise Wrong(f"ss says {fields} where {want} was due")
            time.sleep(0.01)
        self.shown |= {f[0] for f in fields}
        head = ("State", "Recv-Q", "Send-Q", "Local", "Peer")
        rows = [f"{s:<11}{r:<8}{q:<8}{a:<17}{b}".rstrip() for s, r, q, a, b, *_ in [head, *fields]]
        self.block(["$ ss -tan", *rows])

    old_ports = ()

    def is_old(self, fields):
        return fields[4].rsplit(":", 1)[1] in self.old_ports

    def capture(self, end):
        """Where the capture of that connection will be; it is over."""
        self.old_ports = (*self.old_ports, str(end.port))
        self.parts.append(end)

    def write(self, pcap):
        for part in self.parts:
            if isinstance(part, End):
                self.parts[self.parts.index(part)] = self.captured(part, pcap) if pcap else ""
        sys.stdout.write(re.sub("\n{3,}", "\n\n", "".join(self.parts)))

    def captured(self, end, pcap):
        fields = "tcp.srcport", "tcp.flags", "tcp.seq", "tcp.ack", "tcp.len", "tcp.options.mss_val"
        text = subprocess.run(
            ["tshark", "-n", "-r", pcap, "-Y", f"tcp.port == {end.port}", "-T", "fields",
             *(arg for field in fields for arg in ("-e", field))],
            check=True, capture_output=True, text=True).stdout
        rows = []
        for line in text.splitlines():
            source, flags, seq, ack, length, mss = line.split("\t")
            flags = int(flags, 16)
            names = ",".join(n for b, n in ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (ACK, "ACK"))
                             if flags & b)
            way = "peer > host" if int(source) == end.port else "host > peer"
            row = f"{way}  {names:<8} seq {seq}"
            row += f" ack {ack}" if flags & ACK else ""
            row += f", {length} bytes" if length != "0" else ""
            row += f", MSS {mss}" if mss and len(rows) < 2 else ""
            rows.append(row)
        lines = ["The capture of all that::", "", *(f"\t{row}" for row in rows), ""]
        return "\n".join(lines) + "\n"


def listener_and_queues(page, wire):
    page.title("The listener and its two queues")
    page.say("""
``socket()`` makes a socket in CLOSED, which nobody sees. ``bind()`` takes the port, from both
stacks. ``listen(fd, 1)`` makes it a listener, in LISTEN: Recv-Q is the length of its accept queue, Send-Q the
bound.
""")
    server = listener(1, 7000)
    page.ss(("LISTEN", 0, 1))
    page.say("""
A SYN comes. The listener answers it with SYN,ACK and keeps an entry of 192 bytes at most in its **half-open
queue**, not a socket: that is SYN-RECEIVED. The entry goes after five more SYN,ACKs (``tcp_synack_retries``) without an
answer; where there are too many of them (``tcp_max_syn_backlog``), a cookie in the sequence number takes the entry's
place.
""")
    end = End(wire, 7000)
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    page.ss(("LISTEN", 0, 1), ("SYN-RECV", 0, 0))
    page.say("""
The peer's ACK makes a connection of the entry, and moves it to the **accept queue**. The connection is ESTABLISHED:
it takes data and acknowledges it, although the server has not called ``accept()`` yet.
""")
    end.send(ACK)
    end.send(ACK, b"x" * 100)
    end.expect(ACK, ack=end.seq)
    page.ss(("LISTEN", 1, 1), ("ESTAB", 100, 0))
    page.say("""
A backlog of 1 lets two wait, as in Linux: the queue is full when it is longer than its bound. A third peer's
SYN is dropped then, and its sender tries again later (``ListenOverflows`` in
``/proc/net/rusttcp_stat`` counts those).
""")
    second, third = End(wire, 7000), End(wire, 7000)
    second.send(SYN, options=MSS)
    second.expect(SYN | ACK, ack=second.seq)
    second.send(ACK)
    page.ss(("LISTEN", 2, 1), ("ESTAB", 100, 0), ("ESTAB", 0, 0))
    third.send(SYN, options=MSS)
    third.silence()
    page.say("""
``accept()`` takes the first out of the queue, ``read()`` its bytes out of the receive queue. What is written and not acknowledged is
the Send-Q of a connection.
""")
    sock, _ = server.accept()
    got = sock.recv(1000)
    assert got == b"x" * 100, got
    sock.send(b"y" * 300)
    end.expect(ACK, data=b"y" * 300)
    page.ss(("LISTEN", 1, 1), ("ESTAB", 0, 300), ("ESTAB", 0, 0))
    page.say("The peer acknowledges it.")
    end.send(ACK)
    page.ss(("LISTEN", 1, 1), ("ESTAB", 0, 0), ("ESTAB", 0, 0))
    page.say("Another ``accept()`` empties the queue. Then the second peer sends a RST.")
    other, _ = server.accept()
    second.send(RST)
    page.ss(("LISTEN", 0, 1), ("ESTAB", 0, 0))
    page.say("""
That connection is gone at once, without TIME-WAIT, and ``read()`` gives ECONNRESET.
""")
    try:
        other.recv(1)
        raise Wrong("no ECONNRESET")
    except ConnectionResetError:
        pass
    other.close()
    return server, sock, end


def close_here(page, server, sock, end):
    page.title("Who closes first waits")
    page.say("""
The server ends its side: ``shutdown(fd, SHUT_WR)`` or ``close()`` sends a FIN. FIN-WAIT-1 lasts until it is acknowledged.
""")
    before = end.ack
    sock.shutdown(socket.SHUT_WR)
    end.expect(FIN | ACK, seq=before)
    page.ss(("LISTEN", 0, 1), ("FIN-WAIT-1", 0, 1))
    page.say("""
Then FIN-WAIT-2: half closed. The peer may go on sending for as long as somebody here can read; after
``close()`` nobody can, and the state ends after ``tcp_fin_timeout``.
""")
    end.send(ACK)
    end.send(ACK, b"z" * 50)
    end.expect(ACK, ack=end.seq)
    page.ss(("LISTEN", 0, 1), ("FIN-WAIT-2", 50, 0))
    page.say("""
The peer's FIN comes last. Its ACK may be lost, and old segments may still be under way, so the pair of addresses is
kept for a minute in TIME-WAIT: an object of its own, of a few words, without buffers. The socket is free to go.
""")
    end.send(FIN | ACK)
    end.expect(ACK, ack=end.seq)
    page.ss(("LISTEN", 0, 1), ("TIME-WAIT", 0, 0))
    sock.close()
    page.capture(end)
    server.close()


def close_there(page, wire):
    page.title("Who closes second does not")
    server, sock, end = passive(wire, 7001)
    page.say("""
The peer closes first: ``read()`` gives 0 once all is read, which is the peer's FIN, and the state is CLOSE-WAIT for as long as the
program does not close its side. (A server with many of these has forgotten a ``close()``.)
""")
    end.send(FIN | ACK)
    end.expect(ACK, ack=end.seq)
    page.ss(("LISTEN", 0, 8), ("CLOSE-WAIT", 1, 0))
    assert sock.recv(1) == b""
    page.say("""
(Recv-Q counts the FIN as Linux does.) ``close()`` sends ours: LAST-ACK, until the ACK of it comes. Then the connection is
CLOSED, and nothing is left of it.
""")
    sock.close()
    end.expect(FIN | ACK, seq=end.ack)
    page.ss(("LISTEN", 0, 8), ("LAST-ACK", 0, 1))
    page.say("The ACK comes.")
    end.send(ACK)
    page.ss(("LISTEN", 0, 8))
    page.capture(end)
    server.close()


def close_both(page, wire):
    page.title("Both at once")
    server, sock, end = passive(wire, 7002)
    page.say("""
Two FINs cross. Ours is not acknowledged yet when the peer's comes: CLOSING, and TIME-WAIT on both sides.
""")
    before = end.ack
    sock.shutdown(socket.SHUT_WR)
    end.expect(FIN | ACK, seq=before)
    end.send(FIN | ACK, ack=before)
    end.expect(ACK, ack=end.seq)
    page.ss(("LISTEN", 0, 8), ("CLOSING", 1, 1))
    page.say("Each side's ACK ends that.")
    end.send(ACK)
    page.ss(("LISTEN", 0, 8), ("TIME-WAIT", 0, 0))
    sock.close()
    page.capture(end)
    server.close()


def connecting(page, wire):
    page.title("connect()")
    page.say("""
The other side: ``connect()`` takes a port if ``bind()`` did not, sends a SYN, and waits in SYN-SENT (with O_NONBLOCK:
EINPROGRESS, and ``poll()`` says when it can be written to).
""")
    sock, end = active(wire, 7003)
    page.ss(("SYN-SENT", 0, 1))
    page.say("""
Here the peer calls too, at the same time: its SYN crosses ours. Both are in SYN-RECEIVED then, each acknowledges the other's SYN, and one
connection comes of it (RFC 9293, 3.5). No listener has a part in that.
""")
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    page.ss(("SYN-RECV", 0, 1))
    page.say("The peer's SYN,ACK is the last of it.")
    end.send(SYN | ACK, seq=end.seq - 1, options=MSS)
    page.ss(("ESTAB", 0, 0))
    page.say("""
SO_LINGER with a time of 0 makes ``close()`` an ABORT: RST, and CLOSED on both sides.
""")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    deadline = time.monotonic() + PATIENCE
    while True:
        seg = wire.read(deadline)
        if seg is None:
            raise Wrong("no RST")
        if seg.dport == end.port and seg.flags & RST:
            break
    page.ss()
    page.capture(end)
    page.say("""
A SYN to a port where nobody listens is answered by RST,ACK: ``connect()`` fails with ECONNREFUSED.
""")
    sock, end = active(wire, 7004)
    end.send(RST | ACK, seq=0)
    page.ss()
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 111
    sock.close()
    page.capture(end)


def walk(page, wire):
    server, sock, end = listener_and_queues(page, wire)
    close_here(page, server, sock, end)
    close_there(page, wire)
    close_both(page, wire)
    connecting(page, wire)
    page.title("All eleven")
    states = {"LISTEN", "SYN-SENT", "SYN-RECV", "ESTAB", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
              "CLOSING", "LAST-ACK", "TIME-WAIT"}
    if page.shown != states:
        raise Wrong(f"not seen: {states - page.shown}")
    page.say("""
LISTEN, SYN-SENT, SYN-RECEIVED, ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT, CLOSING, LAST-ACK and TIME-WAIT were seen
above; CLOSED is where a connection is that ``ss`` does not list any more. ``selftests/wire/states.py`` tests what each of
them answers to segments that do not fit.
""")


def main():
    wire, page = Wire(), Page()
    if sys.argv[1:] == ["--steps"]:
        walk(page, wire)
        page.write(None)
        return
    with tempfile.TemporaryDirectory() as work:
        pcap = f"{work}/walk.pcap"
        dump = subprocess.Popen(["dumpcap", "-q", "-i", "wire0", "-w", pcap], stderr=subprocess.DEVNULL)
        # dumpcap writes the file's header when it has the device open.
        deadline = time.monotonic() + 30
        while not (os.path.exists(pcap) and os.path.getsize(pcap)):
            if time.monotonic() > deadline:
                raise Wrong("no capture")
            time.sleep(0.01)
        walk(page, wire)
        # What dumpcap has not read when it is told to stop is lost: a mark shows that it has.
        mark = b"end-of-capture"
        with socket.socket(AF, socket.SOCK_DGRAM) as udp:
            udp.sendto(mark, (PEER, 9))
        while mark not in open(pcap, "rb").read():
            if time.monotonic() > deadline + 60:
                raise Wrong("the capture is not whole")
            time.sleep(0.05)
        dump.terminate()
        dump.wait()
        page.write(pcap)


main()
