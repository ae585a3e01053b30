#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Segments that no honest stack sends: each is dropped or answered as RFC 9293 says, and the
connection or listener that it was aimed at works on."""
import random
import socket

from peer import (ACK, AF, FIN, HOST, KERNELS, MSS, PSH, RST, SYN, URG, End, counter, listener, passive,
                  run)


def still_works(sock, end, data=b"good"):
    """A good segment is delivered and acknowledged."""
    end.seen.clear()
    end.send(ACK | PSH, data)
    while end.expect(ACK).ack != end.seq:
        pass
    got = sock.recv(100)
    assert got == data, got


def checksums(wire):
    """a wrong checksum: no answer, no data, but counted (RFC 9293, MUST-3)"""
    server, sock, end = passive(wire)
    errors, sums = counter("InErrs"), counter("InCsumErrors")
    for wrong in (1, 0x8000, 0xffff ^ 0x1234):
        end.send(ACK, b"evil", seq=end.seq, wrong_sum=wrong)
    end.send(RST, seq=end.seq, wrong_sum=1)
    end.silence()
    assert counter("InErrs") == errors + 4, counter("InErrs") - errors
    assert counter("InCsumErrors") == sums + 4, counter("InCsumErrors") - sums
    end.is_in("ESTABLISHED")
    still_works(sock, end)
    sock.close()
    server.close()


def offsets(wire):
    """a data offset below 5 words or beyond the segment: no answer, no data, but counted"""
    server, sock, end = passive(wire)
    fresh = End(wire, server.getsockname()[1])
    errors = counter("InErrs")
    for offset in (0, 1, 4):
        end.send(ACK, b"evil", seq=end.seq, offset=offset)
        fresh.send(SYN, seq=1, offset=offset)
    end.silence()
    fresh.silence()
    assert counter("InErrs") == errors + 6, counter("InErrs") - errors
    end.send(ACK, b"evil", seq=end.seq, offset=15)
    fresh.send(SYN, seq=1, offset=15)
    end.silence()
    fresh.silence()
    # The kernel's TCP does not count what says that it is longer than it is.
    assert counter("InErrs") == errors + (6 if KERNELS else 8), counter("InErrs") - errors
    still_works(sock, end)
    sock.close()
    server.close()


def truncated(wire):
    """half a header: no answer, but counted"""
    server, sock, end = passive(wire)
    whole = end.build(ACK, b"evil")
    # Without ports it is nobody's: the kernel's TCP has it in either case, and silence()'s probe.
    segments = counter("InSegs", kernels=True)
    for length in (0, 1, 3, 4, 8, 13, 19):
        wire.write(whole[:length])
    end.silence()
    assert counter("InSegs", kernels=True) == segments + 8, counter("InSegs", kernels=True) - segments
    still_works(sock, end)
    sock.close()
    server.close()


def syn_options(wire):
    """a SYN with broken options is a SYN without them (RFC 9293, 3.2)"""
    server = listener(64)
    port = server.getsockname()[1]
    for options in (b"\x02\x00\x00\x00", b"\x02\x01\x00\x00", b"\x02\x28\x05\xb4", b"\xfe\xff\x00\x00",
                    b"\x03\x03\xff\x00", b"\x08\x0a\x00\x00", b"\x05\x02\x00\x00", b"\x01\x01\x01\x02",
                    b"\x02\x04\x00\x00", b"\x04\x03\x00\x00", b"\xff" * 40, b"\x01" * 40):
        end = End(wire, port)
        end.send(SYN, options=options)
        end.expect(SYN | ACK, ack=end.seq)
        end.send(ACK)
        sock, _ = server.accept()
        sock.settimeout(5)
        still_works(sock, end)
        end.send(RST)
        sock.close()
    server.close()


def data_options(wire):
    """broken options on data harm nothing (RFC 9293, MUST-7)"""
    server, sock, end = passive(wire)
    for options in (b"\x08\x00\x00\x00", b"\x08\x01\x00\x00", b"\x05\x0a\x00\x00", b"\x05\x03\x00\x00",
                    b"\x13\x12\x00\x00", b"\xff\xff\xff\xff", b"\x05\x22" + b"\xff" * 34):
        end.seen.clear()
        end.send(ACK, b"x", options=options)
        # Taken or dropped: sent again without the options it is there once.
        end.send(ACK, b"x", seq=end.seq - 1)
        while end.expect(ACK).ack != end.seq:
            pass
        assert sock.recv(100) == b"x"
    sock.close()
    server.close()


def flags(wire):
    """every combination of flags against a listener establishes nothing by itself"""
    server = listener(64)
    port = server.getsockname()[1]
    for bits in range(64):
        end = End(wire, port)
        end.send(bits, seq=end.seq, ack=1)
        end.send(RST, seq=end.seq + 1)
    server.setblocking(False)
    try:
        server.accept()
        raise AssertionError("something was accepted")
    except BlockingIOError:
        pass
    server.close()


def flags_connected(wire):
    """no combination of flags without a good RST, SYN or FIN ends a connection"""
    server, sock, end = passive(wire)
    for bits in range(64):
        # URG is left out: it takes a byte out of the stream.
        if not bits & (RST | FIN | URG):
            end.send(bits, seq=end.seq, ack=end.ack)
    end.is_in("ESTABLISHED")
    still_works(sock, end)
    sock.close()
    server.close()


def noise(wire):
    """random bytes at a listener and at a connection: both work on"""
    rng = random.Random(9293)
    server, sock, end = passive(wire)
    for _ in range(400):
        tcp = bytearray(end.build(rng.choice((ACK, SYN, SYN | ACK, URG | ACK)), rng.randbytes(rng.randrange(60)),
                                  seq=end.seq + rng.choice((0, 1, -1, 70000, 1 << 31)),
                                  ack=end.ack + rng.choice((0, 1, -1, 70000, 1 << 31)),
                                  win=rng.randrange(65536), options=rng.randbytes(rng.randrange(0, 40, 4)),
                                  offset=rng.choice((None, None, rng.randrange(16)))))
        if rng.random() < 0.5:
            # At the listener, from ports of its own.
            tcp[0:2] = rng.randbytes(2)
        wire.write(bytes(tcp))
    fresh_sock = fresh = None
    fresh = End(wire, server.getsockname()[1])
    fresh.send(SYN, options=MSS)
    fresh.expect(SYN | ACK, ack=fresh.seq)
    fresh.send(ACK)
    fresh_sock, who = server.accept()
    assert who[1] == fresh.port, who
    fresh_sock.settimeout(5)
    still_works(fresh_sock, fresh)
    for s in (sock, fresh_sock, server):
        s.close()


def unknown(wire):
    """a segment of no socket of ours reaches the kernel's TCP, which resets or serves"""
    kernel = socket.socket(AF)
    kernel.bind((HOST, 0))
    kernel.listen()
    kernel.settimeout(5)
    end = End(wire, kernel.getsockname()[1])
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    end.send(ACK)
    sock, _ = kernel.accept()
    sock.settimeout(5)
    still_works(sock, end)
    sock.close()
    kernel.close()
    end = End(wire, 4999)
    end.send(ACK, b"to nobody", ack=1234)
    end.expect(RST, seq=1234)


run([checksums, offsets, truncated, syn_options, data_options, flags, flags_connected, noise, unknown])
