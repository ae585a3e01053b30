#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Settings of net.ipv4.tcp_*: each changes what either stack does, in the same way. (Those of time-outs,
ECN, Fast Open and the search for the MTU are tested with what they are about.)"""
import select
import socket
import time

from peer import (ACK, MSS, PATIENCE, PEER, SACK_OK, SYN, URG, End, Wrong, active, listener, opened, resent, run,
                  setting, shell)
from stack import tcp_info

SO_MARK = 36


def dsack(wire):
    """tcp_dsack: what came twice is reported, or not (RFC 2883)"""
    for on in (1, 0):
        with setting("tcp_dsack", on):
            sock, end = opened(wire, MSS + SACK_OK)
            end.send(ACK, b"0123456789")
            first = end.expect(ACK, ack=end.seq)
            end.seen.clear()
            end.send(ACK, b"0123456789", seq=end.seq - 10)
            again = end.expect(ACK, ack=end.seq)
            assert b"\x05\x0a" not in first.options, first.options
            assert (b"\x05\x0a" in again.options) == bool(on), (on, again.options)
            sock.close()


def early_retrans(wire):
    """tcp_early_retrans: a lost tail is probed for by its last segment, or waits for the timer, which
    begins with the first (RFC 8985, 7)"""
    for value, offset in ((3, 1000), (0, 0), (4, 1000), (1, 0)):
        with setting("tcp_early_retrans", value):
            sock, end = opened(wire, MSS + SACK_OK)
            base = end.ack
            sock.send(b"a" * 1000)
            sock.send(b"b" * 1000)
            end.expect(ACK, seq=base)
            end.expect(ACK, seq=base + 1000)
            seg = resent(end)
            assert seg and seg.seq == (base + offset) & 0xffffffff, (value, str(seg), base)
            sock.close()


def frto(wire):
    """tcp_frto: after a time-out and an ACK new data goes out, or what seems lost (RFC 5682)"""
    for on, offset in ((2, 4000), (0, 1000)):
        with setting("tcp_frto", on):
            for _ in range(4):
                sock, end = opened(wire, b"\x02\x04\x03\xe8", win=4000)
                base = end.ack
                sock.send(b"f" * 9000)
                sent = base
                while sent != (base + 4000) & 0xffffffff:
                    seg = end.expect(ACK, seq=sent)
                    sent = (sent + len(seg.data)) & 0xffffffff
                seg = resent(end)
                assert seg and seg.seq == base & 0xffffffff, str(seg)
                end.send(ACK, ack=base + 1000)
                seg = resent(end)
                sock.close()
                # On a busy machine the timer may be faster than the ACK: then it is too late for that.
                if seg and seg.seq == (base + offset) & 0xffffffff:
                    break
            else:
                raise Wrong(f"{on} {seg} {base}")


def reordering(wire):
    """tcp_reordering: so many duplicate ACKs tell of a loss"""
    for count in (3, 5):
        with setting("tcp_reordering", count):
            sock, end = opened(wire)
            base = end.ack
            for n in range(9):
                sock.send(b"r" * 100)
                end.expect(ACK, seq=base + 100 * n)
            for _ in range(count - 1):
                end.send(ACK, ack=base)
            end.silence()
            end.send(ACK, ack=base)
            # Sooner than by a time-out.
            seg = resent(end, 0.15 if PATIENCE == 5 else PATIENCE)
            assert seg and seg.seq == base & 0xffffffff, (count, str(seg))
            sock.close()


def thin_linear_timeouts(wire):
    """tcp_thin_linear_timeouts: the time-outs of a thin stream are not doubled"""
    for on in (0, 1):
        with setting("tcp_thin_linear_timeouts", on):
            sock, end = opened(wire)
            sock.send(b"thin")
            times = []
            for _ in range(4):
                assert resent(end)
                times.append(time.monotonic())
            first, last = times[2] - times[1], times[3] - times[2]
            assert (last < 1.5 * first) == bool(on), (on, first, last)
            sock.close()


def notsent_lowat(wire):
    """tcp_notsent_lowat: who did not set TCP_NOTSENT_LOWAT queues so much and no more"""
    def roomy(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 200000)

    for lowat in (4096, 0xffffffff):
        with setting("tcp_notsent_lowat", lowat):
            sock, end = opened(wire, win=1000, prepare=roomy)
            sock.setblocking(False)
            queued = 0
            try:
                while queued < 1 << 20:
                    queued += sock.send(b"q" * 1000)
            except BlockingIOError:
                pass
            assert (queued < 20000) == (lowat == 4096), (lowat, queued)
            # The user's own comes first.
            sock.setsockopt(socket.IPPROTO_TCP, 25, 50000)
            ready = select.select([], [sock], [], 0)[1]
            assert bool(ready) == (lowat == 4096), (lowat, ready)
            sock.close()
            end.send(ACK)


def stdurg(wire):
    """tcp_stdurg: the urgent pointer points at the byte, not behind it"""
    for on, byte in ((0, b"e"), (1, b"f")):
        with setting("tcp_stdurg", on):
            sock, end = opened(wire)
            end.send(ACK | URG, b"abcdefgh", urg=5)
            end.expect(ACK, ack=end.seq)
            assert sock.recv(1, socket.MSG_OOB) == byte, on
            sock.close()


def signed_windows(wire):
    """tcp_workaround_signed_windows: who scales no windows is offered no negative ones"""
    for on in (0, 1):
        with setting("tcp_workaround_signed_windows", on):
            sock, end = opened(wire)
            end.send(ACK, b"x" * 10)
            seg = end.expect(ACK, ack=end.seq)
            assert (end.syn_ack.win > 32767) == (seg.win > 32767) == (not on), (end.syn_ack.win, seg.win)
            sock.close()
            # As the one who asks: the SYN.
            sock, end = active(wire)
            assert (end.syn.win > 32767) == (not on), end.syn.win
            sock.close()


def pingpong(wire):
    """tcp_pingpong_thresh: so many answers in a row let an ACK wait for the next one"""
    for thresh, waits in ((1, True), (3, False)):
        with setting("tcp_pingpong_thresh", thresh):
            for _ in range(8):
                sock, end = opened(wire)
                start = time.monotonic()
                end.send(ACK, b"request")
                sock.recv(100)
                sock.send(b"answer")
                quick = time.monotonic() - start < 0.03
                while end.expect(ACK).data != b"answer":
                    pass
                end.send(ACK, b"another")
                try:
                    end.silence()
                    waited = True
                except Wrong:
                    waited = False
                sock.close()
                # An answer that was slow, or a probe that was, tells nothing.
                if quick and waited == waits:
                    break
            assert quick and waited == waits, (thresh, quick, waited)


def pacing_ratio(wire):
    """tcp_pacing_ss_ratio: the pace in slow start, in percent of a window each round trip"""
    for percent in (200, 400, 1000):
        with setting("tcp_pacing_ss_ratio", percent):
            sock, end = opened(wire, MSS + SACK_OK)
            sock.send(b"p" * 1000)
            end.expect(ACK)
            end.send(ACK)
            end.silence()
            info = tcp_info(sock)
            said = info["pacing_rate"] * info["rtt"] / (info["snd_mss"] * info["snd_cwnd"]) / 10000
            assert 0.8 * percent < said < 1.2 * percent, (percent, said)
            sock.close()


def reflect_tos(wire):
    """tcp_reflect_tos: SYN,ACK and what follows have the traffic class of the SYN, ECN aside"""
    for on in (0, 1):
        with setting("tcp_reflect_tos", on):
            wire.tos = 0x48
            sock, end = opened(wire)
            wire.tos = 0
            sock.send(b"class")
            seg = end.expect(ACK, data=b"class")
            want = 0x48 * on
            assert (end.syn_ack.tos, seg.tos) == (want, want), (on, end.syn_ack.tos, seg.tos)
            sock.close()


def fwmark_accept(wire):
    """tcp_fwmark_accept: a connection has the mark of its SYN, unless its listener has one"""
    shell("nft add table inet marks")
    shell("nft add chain inet marks in { type filter hook prerouting priority -150 ; }")
    shell("nft add rule inet marks in meta mark set 7")
    for on, own, want in ((0, 0, 0), (1, 0, 7), (1, 9, 9), (0, 9, 9)):
        with setting("tcp_fwmark_accept", on):
            sock, end = opened(wire, prepare=lambda s, own=own: s.setsockopt(socket.SOL_SOCKET, SO_MARK, own))
            got = sock.getsockopt(socket.SOL_SOCKET, SO_MARK)
            assert got == want, (on, own, got)
            sock.close()
            end.send(ACK)
    shell("nft delete table inet marks")


def marked_answers(wire):
    """a SYN,ACK takes the route of its listener's mark"""
    # What has that mark has no way out.
    rule = f"fwmark 0x5 to {PEER} prohibit"
    family = "-6" if ":" in PEER else "-4"
    shell(f"ip {family} rule add {rule}")
    for mark in (0, 5):
        with listener(prepare=lambda s, m=mark: s.setsockopt(socket.SOL_SOCKET, SO_MARK, m)) as server:
            end = End(wire, server.getsockname()[1])
            end.send(SYN, options=MSS)
            if mark:
                end.silence()
            else:
                end.expect(SYN | ACK, ack=end.seq)
    shell(f"ip {family} rule del {rule}")


def transparent(wire):
    """IP_TRANSPARENT: a listener answers for addresses that the host does not have"""
    level, name = (socket.IPPROTO_IPV6, 75) if ":" in PEER else (socket.IPPROTO_IP, 19)
    foreign = "fd77::9" if ":" in PEER else "10.77.0.9"
    family = "-6" if ":" in PEER else "-4"
    shell(f"ip {family} rule add iif wire0 lookup 77")
    shell(f"ip {family} route add local {foreign} dev lo table 77")
    with listener(host=foreign, prepare=lambda s: s.setsockopt(level, name, 1)) as server:
        end = End(wire, server.getsockname()[1], host=foreign)
        end.send(SYN, options=MSS)
        end.expect(SYN | ACK, ack=end.seq)
        end.send(ACK)
        sock, _ = server.accept()
        sock.send(b"from afar")
        end.expect(ACK, data=b"from afar")
        assert sock.getsockname()[0] == foreign
        sock.close()
    shell(f"ip {family} rule del iif wire0 lookup 77")


run([dsack, early_retrans, frto, reordering, thin_linear_timeouts, notsent_lowat, stdurg, signed_windows,
     pingpong, pacing_ratio, reflect_tos, fwmark_accept, marked_answers, transparent])
