#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Each of RFC 9293's eleven states, driven by raw segments; both simultaneous cases; who may
reset a connection (RFC 5961)."""
import errno
import socket
import struct
import time

from peer import (ACK, FIN, PATIENCE, PEER, RST, SYN, MSS, V6, End, active, listener, new_socket,
                  passive, run)


def closed(wire):
    """CLOSED: a SYN draws RST,ACK, an ACK draws RST, a RST nothing (3.10.7.1)"""
    end = End(wire, 4000)
    end.send(SYN)
    end.expect(RST | ACK, seq=0, ack=end.seq)
    end.send(ACK, ack=77)
    end.expect(RST, seq=77)
    end.send(RST)
    end.silence()


def listening(wire):
    """LISTEN: an ACK draws RST, a RST nothing, a SYN is answered (3.10.7.2)"""
    server = listener()
    end = End(wire, server.getsockname()[1])
    end.send(ACK, ack=5000)
    end.expect(RST, seq=5000)
    end.send(RST, seq=1)
    end.silence()
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    end.is_in("SYN-RECEIVED")
    server.close()


def syn_received(wire):
    """SYN-RECEIVED: a wrong ACK draws RST, the right one establishes"""
    server = listener()
    end = End(wire, server.getsockname()[1])
    end.send(SYN, options=MSS)
    syn_ack = end.expect(SYN | ACK, ack=end.seq)
    end.is_in("SYN-RECEIVED")
    end.send(ACK, ack=syn_ack.seq + 1000)
    end.expect(RST, seq=syn_ack.seq + 1000)
    end.send(ACK)
    sock, who = server.accept()
    assert who[:2] == (PEER, end.port), who
    end.is_in("ESTABLISHED")
    sock.close()
    server.close()


def syn_received_reset(wire):
    """SYN-RECEIVED: a RST brings back LISTEN, and nobody is accepted"""
    server = listener()
    end = End(wire, server.getsockname()[1])
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK)
    end.is_in("SYN-RECEIVED")
    end.send(RST)
    end.is_in(None)
    server.setblocking(False)
    try:
        server.accept()
        raise AssertionError("accepted")
    except BlockingIOError:
        pass
    server.close()


def syn_sent(wire):
    """SYN-SENT: a wrong ACK draws RST and changes nothing; SYN,ACK establishes (3.10.7.3)"""
    sock, end = active(wire)
    end.is_in("SYN-SENT")
    end.queues(sock, 1, 0, outq=0, outqnsd=0)
    end.send(SYN | ACK, seq=900, ack=end.ack + 7)
    wrong = end.ack + 7
    end.expect(RST, seq=wrong)
    end.is_in("SYN-SENT")
    end.send(SYN | ACK, options=MSS)
    end.expect(ACK, ack=end.seq, seq=end.ack)
    end.is_in("ESTABLISHED")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    sock.close()


def syn_sent_reset(wire):
    """SYN-SENT: only a RST that acknowledges the SYN refuses the connection"""
    sock, end = active(wire)
    end.send(RST, seq=0)
    end.send(RST | ACK, seq=0, ack=end.ack + 1)
    end.silence()
    end.is_in("SYN-SENT")
    end.send(RST | ACK, seq=0)
    end.is_in(None)
    got = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert got == errno.ECONNREFUSED, got
    sock.close()


def simultaneous_open(wire):
    """simultaneous open: SYN crosses SYN, through SYN-RECEIVED to ESTABLISHED (3.5, figure 7)"""
    sock, end = active(wire)
    iss = end.ack - 1
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, seq=iss, ack=end.seq)
    end.is_in("SYN-RECEIVED")
    end.send(SYN | ACK, seq=end.seq - 1, options=MSS)
    end.is_in("ESTABLISHED")
    end.send(ACK, b"crossed")
    sock.settimeout(5)
    assert sock.recv(16) == b"crossed"
    sock.close()


def established(wire):
    """ESTABLISHED: in order, out of order, old and beyond the window"""
    server, sock, end = passive(wire)
    end.is_in("ESTABLISHED")
    end.send(ACK, b"one")
    end.expect(ACK, ack=end.seq)
    assert sock.recv(16) == b"one"
    # The second piece first: the acknowledgement stays, RFC 5681, 4.2, at once.
    end.send(ACK, b"three", seq=end.seq + 3)
    end.expect(ACK, ack=end.seq)
    end.send(ACK, b"two")
    end.expect(ACK, ack=end.seq + 5)
    end.seq += 5
    got = sock.recv(16)
    assert got == b"twothree", got
    # All old, and far beyond the window: an ACK of where we are, no data (3.10.7.4, first).
    end.seen.clear()
    end.send(ACK, b"three", seq=end.seq - 5)
    end.expect(ACK, ack=end.seq)
    end.seen.clear()
    end.send(ACK, b"beyond", seq=end.seq + 0x10000000)
    end.expect(ACK, ack=end.seq)
    # An acknowledgement of what was never sent: an ACK, nothing else (fifth).
    end.seen.clear()
    end.send(ACK, b"", ack=end.ack + 1000)
    end.expect(ACK, ack=end.seq)
    sock.send(b"answer")
    seg = end.expect(ACK, data=b"answer")
    assert seg.ack == end.seq
    end.send(ACK)
    sock.close()
    server.close()


def reset_exact(wire):
    """ESTABLISHED: a RST at RCV.NXT resets; elsewhere in the window it draws a challenge ACK"""
    server, sock, end = passive(wire)
    end.seen.clear()
    end.send(RST, seq=end.seq + 10)
    end.expect(ACK, ack=end.seq)
    end.is_in("ESTABLISHED")
    end.send(RST, seq=end.seq - 1)
    end.silence()
    end.is_in("ESTABLISHED")
    end.send(RST)
    end.is_in(None)
    try:
        sock.recv(1)
        raise AssertionError("no error")
    except ConnectionResetError:
        pass
    sock.close()
    server.close()


def syn_in_window(wire):
    """ESTABLISHED: a SYN draws a challenge ACK (RFC 5961, 4.2)"""
    server, sock, end = passive(wire)
    end.seen.clear()
    end.send(SYN, seq=end.seq + 5)
    end.expect(ACK, ack=end.seq)
    end.is_in("ESTABLISHED")
    end.send(ACK, b"still here")
    assert sock.recv(16) == b"still here"
    sock.close()
    server.close()


def active_close(wire):
    """FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT: a FIN sent again is acknowledged again"""
    server, sock, end = passive(wire)
    before = end.ack
    sock.shutdown(socket.SHUT_WR)
    end.expect(FIN | ACK, seq=before)
    end.is_in("FIN-WAIT-1")
    # A FIN counts in the queues.
    end.queues(sock, 1, 0, outq=1, outqnsd=0, inq=0)
    end.send(ACK)
    end.is_in("FIN-WAIT-2")
    end.queues(sock, 0, 0, outq=0)
    end.send(ACK, b"late")
    assert sock.recv(16) == b"late"
    end.send(FIN | ACK)
    while True:
        # The data's ACK may come by itself or with the FIN's.
        seg = end.expect(ACK)
        if seg.ack == end.seq:
            break
    end.is_in("TIME-WAIT")
    assert sock.recv(16) == b""
    end.seen.clear()
    end.send(FIN | ACK, seq=end.seq - 1)
    end.expect(ACK, ack=end.seq)
    sock.close()
    server.close()


def fin_answers_fin(wire):
    """FIN-WAIT-1: a FIN that acknowledges ours goes straight to TIME-WAIT"""
    server, sock, end = passive(wire)
    sock.close()
    end.expect(FIN | ACK)
    end.send(FIN | ACK)
    end.expect(ACK, ack=end.seq)
    end.is_in("TIME-WAIT")
    server.close()


def simultaneous_close(wire):
    """simultaneous close: FIN crosses FIN, through CLOSING to TIME-WAIT (3.6, figure 13)"""
    server, sock, end = passive(wire)
    before = end.ack
    sock.shutdown(socket.SHUT_WR)
    end.expect(FIN | ACK, seq=before)
    end.send(FIN | ACK, ack=before)
    end.expect(ACK, ack=end.seq, seq=before + 1)
    end.is_in("CLOSING")
    end.send(ACK)
    end.is_in("TIME-WAIT")
    sock.close()
    server.close()


def passive_close(wire):
    """CLOSE-WAIT, LAST-ACK, CLOSED"""
    server, sock, end = passive(wire)
    end.send(FIN | ACK)
    end.expect(ACK, ack=end.seq)
    end.is_in("CLOSE-WAIT")
    end.queues(sock, 0, 1, inq=0)
    assert sock.recv(1, socket.MSG_PEEK) == b""
    end.queues(sock, 0, 1, inq=0)
    assert sock.recv(1) == b""
    end.queues(sock, 0, 0, inq=0)
    sock.send(b"more")
    end.expect(ACK, data=b"more")
    end.send(ACK)
    sock.close()
    end.expect(FIN | ACK, seq=end.ack)
    end.is_in("LAST-ACK")
    end.send(ACK)
    end.is_in(None)
    server.close()


def early_fin(wire):
    """a FIN ahead of missing data waits for it"""
    server, sock, end = passive(wire)
    end.send(FIN | ACK, b"tail", seq=end.seq + 4)
    end.expect(ACK, ack=end.seq)
    end.is_in("ESTABLISHED")
    end.send(ACK, b"head")
    end.expect(ACK, ack=end.seq + 5)
    end.is_in("CLOSE-WAIT")
    assert sock.recv(16) == b"headtail"
    assert sock.recv(16) == b""
    sock.close()
    server.close()


def data_after_close(wire):
    """FIN-WAIT-2 without a reader: data draws a RST (RFC 1122, 4.2.2.13)"""
    server, sock, end = passive(wire)
    sock.close()
    end.expect(FIN | ACK)
    end.send(ACK)
    end.is_in("FIN-WAIT-2")
    end.send(ACK, b"nobody reads this")
    end.expect(RST)
    end.is_in(None)
    server.close()
    # The same segment may acknowledge the FIN: nothing is left either, and no entry in TIME-WAIT.
    for ahead in 0, 500:
        server, sock, end = passive(wire)
        sock.close()
        end.expect(FIN | ACK)
        end.send(ACK, b"nor this", seq=end.seq + ahead)
        end.expect(RST)
        end.is_in(None)
        server.close()


def resets_elsewhere(wire):
    """a RST at RCV.NXT ends CLOSE-WAIT, FIN-WAIT-1 and LAST-ACK"""
    for close_here in ("fin-wait", "close-wait", "last-ack"):
        server, sock, end = passive(wire)
        if close_here == "fin-wait":
            sock.shutdown(socket.SHUT_WR)
            end.expect(FIN | ACK)
            end.is_in("FIN-WAIT-1")
        else:
            end.send(FIN | ACK)
            end.expect(ACK, ack=end.seq)
            end.is_in("CLOSE-WAIT")
            if close_here == "last-ack":
                sock.close()
                end.expect(FIN | ACK)
                end.is_in("LAST-ACK")
        end.send(RST)
        end.is_in(None)
        sock.close()
        server.close()


def options_answered(wire):
    """the SYN-ACK carries an MSS, and no option that the SYN did not offer (RFC 9293,
    MUST-14; the peer checks every checksum: MUST-2)"""
    server = listener()
    end = End(wire, server.getsockname()[1])
    end.send(SYN, options=MSS)
    seg = end.expect(SYN | ACK)
    kinds, rest = [], seg.options
    while rest and rest[0]:
        if rest[0] == 1:
            rest = rest[1:]
            continue
        kinds.append(rest[0])
        if rest[0] == 2:
            assert struct.unpack("!H", rest[2:4])[0] == (1440 if V6 else 1460)
        rest = rest[rest[1]:]
    assert kinds == [2], kinds
    server.close()


def unguessable(wire):
    """whoever sees their own connections can't tell the numbers and ports of others (RFC 9293,
    MUST-9, SHLD-1; RFC 6528, RFC 6056)"""
    server = listener()
    answers, calls, ports, socks = [], [], [], []
    for _ in range(8):
        end = End(wire, server.getsockname()[1])
        end.send(SYN, options=MSS)
        answers.append(end.expect(SYN | ACK, ack=end.seq).seq)
        end.send(RST)
    for port in range(4900, 4908):
        sock = new_socket()
        sock.setblocking(False)
        assert sock.connect_ex((PEER, port)) == errno.EINPROGRESS
        while True:
            seg = wire.read(time.monotonic() + PATIENCE)
            assert seg is not None, "no SYN"
            if seg.dport == port:
                break
        calls.append(seg.seq)
        ports.append(seg.sport)
        socks.append(sock)
    # The clock alone would put all within some seconds' worth of numbers.
    for what, numbers, bits, span in (("ISNs of SYN-ACKs", answers, 32, 1 << 28), ("ISNs of SYNs", calls, 32, 1 << 28),
                                      ("ports", ports, 16, 64)):
        first = numbers[0]
        away = [(n - first + span) % (1 << bits) for n in numbers]
        assert max(away) > 2 * span, f"{what} are close together: {numbers}"
    for sock in (server, *socks):
        sock.close()


run([closed, listening, syn_received, syn_received_reset, syn_sent, syn_sent_reset,
     simultaneous_open, established, reset_exact, syn_in_window, active_close, fin_answers_fin,
     simultaneous_close, passive_close, early_fin, data_after_close, resets_elsewhere,
     options_answered, unguessable])
