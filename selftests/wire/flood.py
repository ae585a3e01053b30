#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A flood of SYNs whose senders never answer (RFC 4987): what the listener remembers is bounded,
and with SYN cookies whoever does answer gets through, with the options that were agreed on."""
import socket
import struct
import subprocess
import time

from peer import ACK, KERNELS, MSS, PATIENCE, PROC, RST, SYN, End, counter, listener, run

BACKLOG = 8
TIMESTAMP = b"\x08\x0a%s%s"
# MSS 1460, SACK permitted, timestamp 7, window scale 5.
FULL = MSS + b"\x04\x02" + TIMESTAMP % (struct.pack("!I", 7), b"\0\0\0\0") + b"\x01\x03\x03\x05"


def sysctl(name, value):
    subprocess.run(["sysctl", "-qw", f"net.ipv4.{name}={value}"], check=True)


def half_open(port):
    with open(PROC, encoding="ascii") as f:
        return sum(1 for line in f.readlines()[1:]
                   if f":{port:04X}" in line.split()[1] and line.split()[3] == "03")


def flood(wire, server, count):
    """SYNs of as many peers; returns those that were answered."""
    ends = [End(wire, server.getsockname()[1], seq=100_000 * n) for n in range(count)]
    for end in ends:
        end.send(SYN, options=FULL)
    last = End(wire, 9)
    last.send(SYN)
    answers = {}
    while True:
        seg = wire.read(time.monotonic() + PATIENCE)
        assert seg is not None, "no answer to the probe"
        if seg.dport == last.port:
            return ends, answers
        if seg.flags & 0x3f == SYN | ACK:
            answers.setdefault(seg.dport, seg)


def options(seg):
    """The options of a segment, by kind."""
    found, at = {}, 0
    while at < len(seg.options) and seg.options[at]:
        if seg.options[at] == 1:
            at += 1
            continue
        length = seg.options[at + 1]
        found[seg.options[at]] = seg.options[at + 2:at + length]
        at += length
    return found


def without(wire):
    """without cookies (tcp_syncookies): no more half-open connections than the backlog, no answer to the rest"""
    sysctl("tcp_syncookies", 0)
    server = listener(BACKLOG)
    _, answers = flood(wire, server, 40)
    assert len(answers) == half_open(server.getsockname()[1]), answers.keys()
    # listen(n) has room for n + 1.
    assert len(answers) == BACKLOG + 1, len(answers)
    server.close()


def bounded(wire):
    """without cookies no more than three quarters of tcp_max_syn_backlog, however much listen() asks for"""
    sysctl("tcp_syncookies", 0)
    sysctl("tcp_max_syn_backlog", 16)
    server = listener(1000)
    _, answers = flood(wire, server, 40)
    # The kernel's keeps a quarter for those that it knows, and counts one more.
    assert 12 <= len(answers) <= 13, len(answers)
    assert len(answers) == half_open(server.getsockname()[1]), answers.keys()
    server.close()
    sysctl("tcp_max_syn_backlog", 1024)


def answer(wire, end, seg, ts_option=True):
    end.ack = (seg.seq + 1) & 0xffffffff
    echo = options(seg).get(8)
    end.send(ACK, options=b"\1\1" + TIMESTAMP % (struct.pack("!I", 9), echo[:4]) if ts_option else b"")


def with_cookies(wire):
    """with cookies: every SYN is answered, nothing more is remembered, and answers get through"""
    sysctl("tcp_syncookies", 1)
    server = listener(BACKLOG)
    sent = counter("SyncookiesSent")
    ends, answers = flood(wire, server, 40)
    assert len(answers) == 40, len(answers)
    remembered = half_open(server.getsockname()[1])
    assert remembered == BACKLOG + 1, remembered
    assert counter("SyncookiesSent") - sent == 40 - remembered
    # The last of them was not remembered, but comes back: with its data, SACK and scaled window.
    end, seg = ends[-1], answers[ends[-1].port]
    assert {2, 3, 4, 8} <= options(seg).keys(), options(seg)
    echo = options(seg)[8][:4]
    answer(wire, end, seg)
    sock, _ = server.accept()
    sock.settimeout(PATIENCE)
    end.send(ACK, b"through", options=b"\1\1" + TIMESTAMP % (struct.pack("!I", 10), echo))
    assert sock.recv(100) == b"through"
    end.expect(ACK, ack=end.seq)
    # Window scaling is in force: 40 << 5 bytes, where 40 would not take a byte of 1,200.
    end.send(ACK, win=40, options=b"\1\1" + TIMESTAMP % (struct.pack("!I", 11), echo))
    sock.send(b"x" * 1200)
    got = 0
    while got < 1200:
        got += len(end.expect(ACK).data)
    assert counter("SyncookiesRecv") >= 1
    sock.close()
    server.close()


def forged(wire):
    """an ACK with a wrong cookie is refused with RST"""
    sysctl("tcp_syncookies", 1)
    server = listener(BACKLOG)
    ends, answers = flood(wire, server, 40)
    failed = counter("SyncookiesFailed")
    # The kernel's does not prove its lowest two bits, which say the MSS.
    for n, change in ((38, 4 if KERNELS else 1), (37, 1 << 24), (36, 1 << 27), (35, 1 << 20)):
        end = ends[n]
        end.ack = (answers[end.port].seq + 1 + change) & 0xffffffff
        end.send(ACK)
        end.expect(RST, seq=end.ack)
    assert counter("SyncookiesFailed") - failed == 4
    server.close()


def not_out(wire):
    """where no cookie is out, an ACK out of nowhere is refused and not taken for one"""
    sysctl("tcp_syncookies", 1)
    server = listener(BACKLOG)
    failed = counter("SyncookiesFailed")
    end = End(wire, server.getsockname()[1])
    end.ack = 12345
    end.send(ACK)
    end.expect(RST, seq=12345)
    # To the kernel's, who never sent one did so at jiffy 0, which is five minutes after boot.
    assert KERNELS or counter("SyncookiesFailed") == failed
    server.close()


def no_timestamps(wire):
    """a cookie for a peer without timestamps offers nothing that it could not bring back"""
    sysctl("tcp_syncookies", 2)
    server = listener(BACKLOG)
    end = End(wire, server.getsockname()[1])
    end.send(SYN, options=MSS + b"\x04\x02\x01\x03\x03\x05\x01\x01")
    seg = end.expect(SYN | ACK, ack=end.seq)
    assert options(seg).keys() == {2}, options(seg)
    end.send(ACK)
    sock, _ = server.accept()
    sock.settimeout(PATIENCE)
    end.send(ACK, b"plain")
    assert sock.recv(100) == b"plain"
    sock.close()
    server.close()


def resets(wire):
    """who resets what a SYN with data opened takes up a place for a while (RFC 7413, 5.1)"""
    sysctl("tcp_syncookies", 1)
    sysctl("tcp_fastopen", 3)
    server = listener(BACKLOG)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 2)
    first = End(wire, server.getsockname()[1])
    first.send(SYN, options=MSS + b"\x22\x02\x01\x01")
    cookie = options(first.expect(SYN | ACK, ack=first.seq))[34]
    first.send(RST)
    taken, accepted = [], []
    for n in range(4):
        end = End(wire, server.getsockname()[1], seq=100_000 * n)
        end.send(SYN, b"hello", options=MSS + bytes([34, 2 + len(cookie)]) + cookie)
        taken.append(end.expect(SYN | ACK).ack - 100_000 * n - 1)
        if taken[n] > 0:
            # Linux lets go at once who was not accepted yet: the backlog is what bounds them.
            accepted.append(server.accept()[0])
        end.send(RST)
    assert taken == [5, 5, 0, 0], taken
    for sock in (server, *accepted):
        sock.close()


run([not_out, without, bounded, with_cookies, forged, no_timestamps, resets])
