#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""TCP_INFO: what is told after each step of a story, on either stack. What is due follows from the segments
that the peer sent and got; times are those that it measured."""
import socket
import struct
import time

from peer import (ACK, AE, CWR, ECE, KERNELS, MSS, PATIENCE, SACK_OK, SYN, End, Wrong, active, listener, opened, resent,
                  run, setting, shell)
from stack import tcp_info

# Segments of this size; and so far away is the peer, where it has to be, seconds.
SIZE = 500
SMALL = struct.pack("!BBH", 2, 4, SIZE) + SACK_OK
FAR = 0.1
OPEN, RECOVERY, LOSS = 0, 3, 4


def told(sock, **want):
    """Waits until TCP_INFO says all this: values, or ranges with both ends in them."""
    deadline = time.monotonic() + PATIENCE
    while True:
        info = tcp_info(sock)
        wrong = {name: info[name] for name, due in want.items()
                 if not (due[0] <= info[name] <= due[1] if isinstance(due, tuple) else info[name] == due)}
        if not wrong:
            return info
        if time.monotonic() > deadline:
            raise Wrong(f"{wrong} where {({name: want[name] for name in wrong})} was due")
        time.sleep(0.002)


def blocks(*ranges):
    """A SACK option; `ranges` are pairs of sequence numbers."""
    words = [n & 0xffffffff for pair in ranges for n in pair]
    return b"\1\1" + struct.pack(f"!BB{len(words)}I", 5, 2 + 4 * len(words), *words)


def sent(end, base, segments):
    """So many whole segments came."""
    at = base & 0xffffffff
    while at != (base + segments * SIZE) & 0xffffffff:
        at = (at + len(end.expect(ACK, seq=at).data)) & 0xffffffff


def since(start, less=60, more=PATIENCE * 100):
    """Milliseconds since then, more or less: a host that is busy measures late, and looks late at what goes on."""
    passed = int((time.monotonic() - start) * 1000)
    return max(passed - less, 0), passed + more


def heard(end):
    """Anything of that connection."""
    deadline = time.monotonic() + PATIENCE
    while True:
        seg = end.wire.read(deadline)
        assert seg, "nothing came"
        if seg.dport == end.port:
            return


def fresh(wire):
    """TCP_INFO of a connection on which nothing was sent yet: times are since it began, and no rate is the network's"""
    sock, end = opened(wire, SMALL)
    told(sock, state=1, last_data_sent=(0, PATIENCE * 200), last_data_recv=(0, PATIENCE * 200),
         delivery_rate=0, delivery_rate_app_limited=1, delivered=1, bytes_acked=0, snd_cwnd=10)
    sock.close()


def scales(wire):
    """tcpi_snd_wscale, tcpi_rcv_wscale, tcpi_snd_wnd, tcpi_rcv_wnd: the scales of both SYNs, and the windows that were
    said last (RFC 7323, 2.2 and 2.3); tcpi_rcv_ssthresh: what that one may be, but for a segment"""
    sock, end = opened(wire, MSS + b"\1\3\3\5", win=1000)
    options = end.syn_ack.options
    ours = options[options.index(b"\3\3") + 2]
    assert ours != 5, "the scales can't be told apart"
    told(sock, snd_wscale=5, rcv_wscale=ours, snd_wnd=1000 << 5, rcv_wnd=end.syn_ack.win)
    for n in 700, 600:
        # What is bounded by memory may be said again with each segment.
        end.send(ACK, b"w" * 1000)
        end.expect(ACK, ack=end.seq)
        end.send(ACK, win=n)
        sock.send(b"w")
        seg = end.expect(ACK, data=b"w")
        end.send(ACK, win=n)
        said = seg.win << ours
        told(sock, snd_wnd=n << 5, rcv_wnd=said, rcv_ssthresh=(said - 1460, said + 1460))
    sock.close()
    # Without the option there is no scale.
    sock, end = opened(wire, MSS)
    assert told(sock, snd_wscale=0, rcv_wscale=0, rcv_wnd=end.syn_ack.win)["options"] & 4 == 0
    sock.close()


def hole(wire):
    """tcpi_sacked, tcpi_lost, tcpi_retrans, tcpi_total_retrans: a hole that SACK tells of, and what fills it
    (RFC 6675, 4)"""
    with setting("tcp_early_retrans", 0):
        sock, end = opened(wire, SMALL)
        base = end.ack
        sock.send(b"h" * SIZE * 6)
        sent(end, base, 6)
        told(sock, ca_state=OPEN, unacked=6, sacked=0, lost=0, retrans=0, total_retrans=0, bytes_sent=6 * SIZE,
             bytes_retrans=0, delivered=1)
        end.send(ACK, ack=base, options=blocks((base + 2 * SIZE, base + 6 * SIZE)))
        assert resent(end).seq == base & 0xffffffff
        told(sock, ca_state=RECOVERY, unacked=6, sacked=4, lost=2, retrans=2, total_retrans=2, delivered=5,
             bytes_retrans=2 * SIZE, bytes_sent=8 * SIZE)
        end.send(ACK, ack=base + SIZE, options=blocks((base + 2 * SIZE, base + 6 * SIZE)))
        told(sock, ca_state=RECOVERY, unacked=5, sacked=4, lost=1, retrans=1, total_retrans=2, delivered=6)
        end.send(ACK, ack=base + 6 * SIZE)
        told(sock, ca_state=OPEN, unacked=0, sacked=0, lost=0, retrans=0, total_retrans=2, delivered=7,
             total_rto=0, bytes_acked=6 * SIZE)
        sock.close()


def out_of_order(wire):
    """tcpi_rcv_ooopack: segments that came before their time"""
    sock, end = opened(wire)
    start = end.seq
    told(sock, rcv_ooopack=0)
    for n, count in (3, 1), (2, 2), (1, 3):
        end.send(ACK, b"o" * 100, seq=start + 100 * n)
        told(sock, rcv_ooopack=count, bytes_received=0)
    end.send(ACK, b"o" * 100, seq=start)
    told(sock, rcv_ooopack=3, bytes_received=400, data_segs_in=4, dsack_dups=0)
    sock.close()


def timeouts(wire):
    """tcpi_retransmits, tcpi_backoff, tcpi_total_rto*: rows of time-outs, which an ACK ends (RFC 6298, 5.4 to 5.6)"""
    with setting("tcp_early_retrans", 0):
        sock, end = opened(wire, SMALL)
        base = end.ack
        sock.send(b"t" * SIZE * 3)
        sent(end, base, 3)
        told(sock, retransmits=0, backoff=0, total_rto=0, total_rto_recoveries=0, total_rto_time=0)
        first = None
        for n in 1, 2, 3:
            assert resent(end).seq == base & 0xffffffff
            first = first or time.monotonic()
            told(sock, ca_state=LOSS, retransmits=n, backoff=n, total_rto=n, total_rto_recoveries=1, unacked=3,
                 lost=3, retrans=1, total_retrans=n, probes=0, total_rto_time=since(first))
        lasted = since(first)
        end.send(ACK, ack=base + 3 * SIZE)
        told(sock, ca_state=OPEN, retransmits=0, total_rto=3, total_rto_recoveries=1, lost=0, retrans=0,
             total_rto_time=lasted)
        base = end.ack = base + 3 * SIZE
        sock.send(b"u" * SIZE)
        sent(end, base, 1)
        assert resent(end).seq == base & 0xffffffff
        told(sock, retransmits=1, total_rto=4, total_rto_recoveries=2, total_retrans=4, bytes_retrans=4 * SIZE)
        sock.close()


def timeouts_of_a_syn(wire):
    """tcpi_total_rto: those of a SYN and of a SYN,ACK count"""
    sock, end = active(wire)
    end.seen.clear()
    end.expect(SYN)
    told(sock, state=2, retransmits=1, total_rto=1, total_rto_recoveries=1, total_retrans=1, unacked=1)
    end.send(SYN | ACK, options=MSS)
    told(sock, state=1, retransmits=0, total_rto=1, total_rto_recoveries=1, total_retrans=1)
    sock.close()
    with listener() as server:
        end = End(wire, server.getsockname()[1])
        end.send(SYN, options=MSS)
        end.expect(SYN | ACK)
        first = time.monotonic()
        end.seen.clear()
        end.expect(SYN | ACK)
        lasted = since(first)
        end.send(ACK)
        sock, _ = server.accept()
    told(sock, retransmits=0, total_rto=1, total_rto_recoveries=1, total_rto_time=lasted, total_retrans=1)
    sock.close()


def probes(wire):
    """tcpi_probes, tcpi_backoff: those of a shut window without an answer, and those of keepalive (RFC 9293, 3.8.6.1,
    3.8.4)"""
    sock, end = opened(wire, MSS + SACK_OK)
    base = end.ack
    end.send(ACK, win=0)
    told(sock, snd_wnd=0, probes=0)
    sock.send(b"p" * 10)
    for n in 1, 2:
        heard(end)
        told(sock, probes=n, backoff=n, retransmits=0, unacked=0, notsent_bytes=10, total_rto=0)
    # Still shut: the peer is alive, and the next probe comes no sooner.
    end.send(ACK, win=0, ack=base)
    told(sock, probes=0, backoff=2)
    end.send(ACK, ack=base)
    end.expect(ACK, data=b"p" * 10)
    told(sock, probes=0, backoff=0, notsent_bytes=0, unacked=1)
    end.send(ACK)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    end.expect(ACK, seq=end.ack - 1)
    told(sock, probes=1, backoff=0, retransmits=0)
    end.send(ACK, ack=base + 10)
    told(sock, probes=0)
    sock.close()


def duplicates(wire):
    """tcpi_dsack_dups: segments that the peer got twice (RFC 2883, 4)"""
    with setting("tcp_early_retrans", 0):
        sock, end = opened(wire, SMALL)
        base = end.ack
        sock.send(b"d" * SIZE * 3)
        sent(end, base, 3)
        assert resent(end).seq == base & 0xffffffff
        end.send(ACK, ack=base + SIZE, options=blocks((base, base + SIZE)))
        told(sock, unacked=2, dsack_dups=1, reord_seen=0)
        end.send(ACK, ack=base + 3 * SIZE, options=blocks((base, base + 3 * SIZE - 1)))
        told(sock, unacked=0, dsack_dups=4, reord_seen=0)
        sock.close()


def overtaken(wire):
    """tcpi_reordering, tcpi_reord_seen: how far segments that were not lost were overtaken, and how often"""
    # What was overtaken waits for a part of the least round-trip time (RFC 8985, 6.2, step 4), which has to be
    # more than it takes to write two segments.
    for _ in range(4):
        sock, end = opened(wire, SMALL, delay=FAR)
        base = end.ack
        told(sock, reordering=3, reord_seen=0)
        said = []
        # So many are sent, of which the last comes first. The threshold is three and does not fall.
        for turn, (count, far) in enumerate(((6, 6), (8, 8), (2, 8)), 1):
            sock.send(b"r" * SIZE * count)
            sent(end, base, count)
            time.sleep(FAR)
            early = end.build(ACK, ack=base, options=blocks((base + (count - 1) * SIZE, base + count * SIZE)))
            base += count * SIZE
            all_of_it = end.build(ACK, ack=base)
            wire.write(early)
            wire.write(all_of_it)
            info = told(sock, unacked=0)
            said.append((info["reordering"] == far, info["reord_seen"] == turn, info["total_retrans"]))
        sock.close()
        # Unless this machine was too busy to be in time.
        if not said[-1][2]:
            break
    assert said == [(True, True, 0)] * 3, said


def limits(wire):
    """tcpi_sndbuf_limited, tcpi_rwnd_limited, tcpi_busy_time: how long the sender was kept by what (RFC 4898,
    SndLimTimeSnd and its like)"""
    def micros(start):
        return tuple(1000 * ms for ms in since(start))

    # Of a segment each, so that the buffer holds a few of them, and less than half of the first window.
    shell("ip link set wire0 gso_max_segs 1")
    # What is sent again would be kept by the network.
    with setting("tcp_early_retrans", 0), setting("tcp_rto_min_us", 3000000):
        sock, end = opened(wire, SMALL, win=2 * SIZE,
                           prepare=lambda s: s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 3000))
    shell("ip link set wire0 gso_max_segs 65535")
    base = end.ack
    sock.setblocking(False)
    shut = time.monotonic()
    count = sock.send(b"l" * 100000)
    assert count % SIZE == 0 and 3 * SIZE < count < 10 * SIZE, count
    sent(end, base, 2)
    time.sleep(FAR)
    told(sock, sndbuf_limited=0, rwnd_limited=micros(shut), busy_time=micros(shut), notsent_bytes=count - 2 * SIZE)
    # The window opens: all goes that is in the buffer, the user has more, and that has no space.
    kept = micros(shut)
    end.send(ACK, ack=base)
    full = time.monotonic()
    told(sock, notsent_bytes=0)
    time.sleep(2 * FAR)
    told(sock, sndbuf_limited=micros(full), rwnd_limited=kept, busy_time=micros(shut))
    # All of it has arrived: nothing keeps who does not send.
    filled, busy = micros(full), micros(shut)
    end.send(ACK, ack=base + count)
    time.sleep(3 * FAR)
    told(sock, unacked=0, sndbuf_limited=filled, rwnd_limited=kept, busy_time=busy)
    sock.close()


def app_limited(wire):
    """tcpi_delivery_rate_app_limited: whether the last rate was bounded by who writes, or by the network"""
    sock, end = opened(wire, SMALL)
    base = end.ack
    sock.send(b"a" * SIZE)
    sent(end, base, 1)
    end.send(ACK)
    told(sock, delivery_rate_app_limited=1, unacked=0)
    # More than the window: what is sent when that opens waited for it.
    count = sock.send(b"a" * SIZE * 60)
    acked = 0
    while acked < count - 12 * SIZE:
        acked += len(end.expect(ACK).data)
        end.send(ACK)
    info = told(sock, delivery_rate_app_limited=0, total_retrans=0)
    assert info["delivery_rate"] > 0, info
    sock.close()


def delayed(wire):
    """tcpi_ato: how long an ACK waits for data to ride on (RFC 9293, 3.8.6.3)"""
    # A host that is busy may have it come later.
    took = PATIENCE * 1000000
    for _ in range(6):
        sock, end = opened(wire, MSS)
        sock.send(b"hello")
        end.expect(ACK)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        start = time.monotonic()
        end.send(ACK, b"a" * 100)
        ato = told(sock, bytes_received=100)["ato"]
        end.expect(ACK, ack=end.seq)
        took = min(took, int((time.monotonic() - start) * 1000000))
        sock.close()
    assert ato - 5000 <= took < ato + PATIENCE * 6000, (ato, took)


def acc_ecn(e0, ce, e1):
    """The option of accurate ECN with its three counters, which begin with 1, 0, 1."""
    return b"\1" + struct.pack("!BB", 172, 11) + b"".join(n.to_bytes(3, "big") for n in (e0, ce, e1))


def ace(number):
    """The flags that say it."""
    return (AE if number & 4 else 0) | (CWR if number & 2 else 0) | (ECE if number & 1 else 0)


def accurate_ecn(wire):
    """tcpi_received_*, tcpi_delivered_*, tcpi_accecn_opt_seen: what came with each codepoint, and what the peer says
    that came (RFC 9768, 3.2)"""
    with setting("tcp_ecn", 3):
        sock, end = opened(wire, SMALL, flags=(SYN | AE | CWR | ECE, ACK | ace(2)))
    told(sock, ecn_mode=2, accecn_fail_mode=0, accecn_opt_seen=0, received_ce=0)
    for tos, length in (0, 50), (2, 100), (1, 200), (3, 400), (3, 500):
        wire.tos = tos
        end.send(ACK | ace(5), b"e" * length)
        wire.tos = 0
        end.expect(ACK, ack=end.seq)
    told(sock, received_ce=2, received_e0_bytes=100, received_e1_bytes=200, received_ce_bytes=900, delivered_ce=0,
         delivered_e0_bytes=0, delivered_e1_bytes=0, delivered_ce_bytes=0)
    base = end.ack
    sock.send(b"f" * SIZE * 3)
    sent(end, base, 3)
    end.send(ACK | ace(5 + 2), options=acc_ecn(1 + SIZE, 2 * SIZE, 1))
    info = told(sock, unacked=0, accecn_opt_seen=2, delivered_ce=2, delivered_e0_bytes=SIZE, delivered_e1_bytes=0,
                delivered_ce_bytes=2 * SIZE, received_ce=2)
    assert info["options"] & 24 == 24, info
    sock.close()


def accurate_ecn_that_fails(wire):
    """tcpi_accecn_fail_mode: a third ACK that can't be (RFC 9768, 3.2.2.1 and 3.2.2.4)"""
    with setting("tcp_ecn", 3):
        sock, end = opened(wire, SMALL, flags=(SYN | AE | CWR | ECE, ACK))
    # TCP_ACCECN_ACE_FAIL_RECV. Linux does not look for options of such a peer either.
    told(sock, ecn_mode=2, accecn_fail_mode=2 | 8 * KERNELS)
    sock.close()


def classic_ecn(wire):
    """tcpi_received_ce, tcpi_options: marks that are only echoed (RFC 3168, 6.1.3)"""
    with setting("tcp_ecn", 1):
        sock, end = opened(wire, SMALL, flags=(SYN | CWR | ECE, ACK))
    assert told(sock, ecn_mode=1, received_ce=0)["options"] & 24 == 8
    for tos, length in (2, 100), (3, 200), (3, 100):
        wire.tos = tos
        end.send(ACK, b"e" * length)
        wire.tos = 0
        end.expect(ACK, ack=end.seq)
    info = told(sock, received_ce=2, received_e0_bytes=100, received_e1_bytes=0, received_ce_bytes=300)
    assert info["options"] & 24 == 24, info
    sock.close()


run([fresh, scales, hole, out_of_order, timeouts, timeouts_of_a_syn, probes, duplicates, overtaken, limits, app_limited,
     delayed, accurate_ecn, accurate_ecn_that_fails, classic_ecn])
