#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What TCP has to do with IP: addresses that connections have and those that none may have, the header's
fields, options, ICMP, routes that change; and ports and queues that several share."""
import errno
import os
import socket
import struct
import time

from peer import ACK, FIN, HOST, IP_LEN, KERNELS, MSS, PATIENCE, RST, SYN, V6, End, Wire, active, counter, listener, \
    run, shell
from stack import tcp_info

# A second address of the host's, and a network behind the peers.
OTHER, FAR, FAR_NET = ("fd09::3", "fd08::2", "fd08::/64") if V6 else ("10.9.0.3", "10.8.0.2", "10.8.0.0/24")
IP = "ip -6" if V6 else "ip"


def set_header(sock, tos, ttl):
    if V6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)


def reuse(option):
    return lambda sock: sock.setsockopt(socket.SOL_SOCKET, option, 1)


def error_of(sock):
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def connected(sock, end):
    """The peer's answer to a SYN, and what comes of it."""
    end.send(SYN | ACK, options=MSS)
    end.expect(ACK, ack=end.seq)
    end.is_in("ESTABLISHED")
    sock.settimeout(PATIENCE)


def works(sock, end, **fields):
    """Data both ways, with these fields in what the host sends."""
    sock.send(b"there")
    end.expect(ACK, data=b"there", **fields)
    end.send(ACK, b"and back")
    end.expect(ACK, ack=end.seq, **fields)
    assert sock.recv(100) == b"and back"


def header_fields(wire):
    """DiffServ field and TTL are the user's, unchanged, and may change (RFC 9293, MUST-48, MUST-49,
    SHLD-21, SHLD-22)"""
    sock, end = active(wire, prepare=lambda sock: set_header(sock, 0x48, 33))
    assert (end.syn.tos, end.syn.ttl) == (0x48, 33), (end.syn.tos, end.syn.ttl)
    end.send(SYN | ACK, options=MSS)
    end.expect(ACK, ack=end.seq, tos=0x48, ttl=33)
    sock.settimeout(PATIENCE)
    works(sock, end, tos=0x48, ttl=33)
    set_header(sock, 0x88, 44)
    works(sock, end, tos=0x88, ttl=44)
    sock.close()
    end.expect(FIN | ACK, tos=0x88, ttl=44)
    end.send(RST)


def local_address(wire):
    """a connection has the address that it was opened with or to, or that IP chose before the SYN, in all
    its segments (RFC 9293, MUST-43, MUST-44, MUST-45)"""
    wire.add_address("wire0", OTHER)
    shell(f"{IP} route replace {FAR_NET} dev wire0 src {HOST}")
    server = listener(host="")
    accepted = End(wire, server.getsockname()[1], host=OTHER, peer=FAR)
    accepted.send(SYN, options=MSS)
    accepted.expect(SYN | ACK, ack=accepted.seq, host=OTHER)
    accepted.send(ACK)
    child, _ = server.accept()
    child.settimeout(PATIENCE)
    bound_sock, bound = active(wire, host=OTHER, peer=FAR)
    free_sock, free = active(wire, host="", peer=FAR)
    for sock, end, host in (bound_sock, bound, OTHER), (free_sock, free, HOST):
        assert end.syn.host == host, end.syn.host
        connected(sock, end)
    ends = (child, accepted, OTHER), (bound_sock, bound, OTHER), (free_sock, free, HOST)
    for source in HOST, OTHER:
        # From now on IP would choose this one.
        shell(f"{IP} route replace {FAR_NET} dev wire0 src {source}")
        for sock, end, host in ends:
            assert sock.getsockname()[0] == host, sock.getsockname()
            works(sock, end, host=host)
    # What an entry in TIME-WAIT sends, and a reset.
    bound_sock.close()
    bound.expect(FIN | ACK, host=OTHER)
    bound.send(FIN | ACK)
    bound.expect(ACK, ack=bound.seq, host=OTHER)
    bound.is_in("TIME-WAIT")
    bound.seen.clear()
    bound.send(FIN | ACK, seq=bound.seq - 1)
    bound.expect(ACK, ack=bound.seq, host=OTHER)
    accepted.send(ACK, b"unread")
    accepted.expect(ACK, ack=accepted.seq)
    child.close()
    accepted.expect(RST | ACK, host=OTHER)
    free_sock.close()
    free.send(RST)
    server.close()
    shell(f"{IP} route del {FAR_NET}")


def ip_options(wire):
    """options of IP that are not known are ignored (RFC 9293, MUST-50)"""
    # Experiments (RFC 4727), with and without "copied"; RFC 8200, 4.2: to be skipped by who does not know it.
    options = b"\x1e\x04abcd" if V6 else b"\x5e\x04ab\x9e\x03c\x01"
    server = listener()
    end = End(wire, server.getsockname()[1])
    end.ip_options = options
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    end.send(ACK)
    sock, _ = server.accept()
    sock.settimeout(PATIENCE)
    works(sock, end)
    end.send(FIN | ACK)
    end.expect(ACK, ack=end.seq)
    assert sock.recv(1) == b""
    sock.close()
    end.expect(FIN | ACK)
    end.send(ACK)
    end.is_in(None)
    server.close()


def source_route(wire):
    """a source route that the user gives is the way that all segments go (RFC 9293, MUST-51)"""
    gateway = "10.9.0.77"
    route = b"\x83\x07\x04" + socket.inet_aton(gateway) + b"\x01"
    sock, end = active(wire, prepare=lambda sock: sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, route))
    assert end.syn.via == gateway, end.syn.via
    connected(sock, end)
    sock.send(b"data")
    seg = end.expect(ACK, data=b"data", peer=end.peer)
    assert seg.via == gateway, seg.via
    end.send(ACK)
    sock.close()
    assert end.expect(FIN | ACK).via == gateway
    end.send(RST)


def source_quench(wire):
    """source quench is ignored (RFC 9293, MUST-55)"""
    # The window shall be as it is for no other reason.
    shell("sysctl -qw net.ipv4.tcp_rto_min_us=5000000")
    # That such messages are heard at all.
    sock, end = active(wire)
    wire.icmp(3, 1, end.syn)
    end.is_in(None)
    assert error_of(sock) == errno.EHOSTUNREACH
    sock.close()
    sock, end = active(wire)
    wire.icmp(4, 0, end.syn)
    end.silence()
    end.is_in("SYN-SENT")
    connected(sock, end)
    sock.send(b"data")
    seg = end.expect(ACK, data=b"data")

    def windows():
        info = tcp_info(sock)
        return info["snd_ssthresh"], info["snd_cwnd"]

    before = windows()
    for code in 0, 1:
        wire.icmp(4, code, seg)
    end.silence()
    assert windows() == before, (windows(), before)
    assert error_of(sock) == 0
    end.send(ACK)
    works(sock, end)
    sock.close()
    end.send(RST)
    shell("sysctl -qw net.ipv4.tcp_rto_min_us=200000")


def half_open(wire):
    """ICMP about a SYN-ACK, by its number, ends a half-open connection in silence, but not if it may pass (over IPv6)
    or says more than that there is no way (over IPv4)"""
    # Type, code, whether it ends. Of IPv4: unreachable, source quench, time exceeded, parameter problem.
    says = [(3, code, code < 2) for code in range(16)] + [(4, 0, False), (11, 0, True), (12, 0, True)]
    if V6:
        # Unreachable, too big, time exceeded, parameter problem.
        says = [(1, code, code not in (0, 2, 3)) for code in range(8)] + [(2, 0, False), (3, 0, False), (3, 1, False),
                                                                          (4, 0, True), (4, 1, True)]
    server = listener(backlog=50)
    for kind, code, ends in says:
        end = End(wire, server.getsockname()[1])
        end.send(SYN, options=MSS)
        answer = end.expect(SYN | ACK, ack=end.seq)
        forged, dropped = counter("OutOfWindowIcmps"), counter("ListenDrops")
        for seq in answer.seq - 1, answer.seq + 1:
            wire.icmp(kind, code, answer, 1300, seq)
        end.silence()
        end.is_in("SYN-RECEIVED")
        assert counter("OutOfWindowIcmps") - forged == 2, (kind, code)
        wire.icmp(kind, code, answer, 1300)
        end.silence()
        found = end.state()
        assert found == (None if ends else "SYN-RECEIVED"), (kind, code, found)
        assert counter("ListenDrops") - dropped == ends, (kind, code)
        if ends:
            end.send(ACK)
            end.expect(RST, seq=end.ack)
        else:
            end.send(RST)
            end.is_in(None)
    answered(wire, server)
    server.close()


def accept_tells_nothing(wire):
    """accept() gives a connection of which ICMP has said something, where accept(2) would have it fail"""
    # Type, code, and what they stand for (RFC 1122, 4.2.3.9; RFC 4443, 3).
    says = [(3, 0, errno.ENETUNREACH), (3, 1, errno.EHOSTUNREACH), (3, 2, errno.ENOPROTOOPT), (3, 5, errno.EOPNOTSUPP),
            (3, 7, errno.EHOSTDOWN), (3, 8, errno.ENONET), (12, 0, errno.EPROTO)]
    if V6:
        says = [(1, 0, errno.ENETUNREACH), (1, 3, errno.EHOSTUNREACH), (3, 0, errno.EHOSTUNREACH), (4, 0, errno.EPROTO)]
    level, recverr = (socket.IPPROTO_IPV6, 25) if V6 else (socket.IPPROTO_IP, 11)
    server = listener(prepare=lambda sock: sock.setsockopt(level, recverr, 1))
    for kind, code, error in says:
        end = End(wire, server.getsockname()[1])
        end.send(SYN, options=MSS)
        answer = end.expect(SYN | ACK, ack=end.seq)
        end.send(ACK)
        end.is_in("ESTABLISHED")
        wire.icmp(kind, code, answer, seq=answer.seq + 1)
        end.silence()
        sock, _ = server.accept()
        # The socket has it from the kernel's TCP. With us nothing was out that it could be about (RFC 5927, 4.1).
        found = error_of(sock)
        assert found == (error if KERNELS else 0), (kind, code, errno.errorcode.get(found, found))
        sock.settimeout(PATIENCE)
        works(sock, end)
        sock.close()
        end.send(RST)
    server.close()


def refused(end, server):
    """Nothing answers a SYN of this end's, and nothing is remembered of it."""
    end.send(SYN, options=MSS)
    end.silence()
    end.is_in(None)
    server.setblocking(False)
    try:
        server.accept()
        raise AssertionError("accepted")
    except BlockingIOError:
        pass


def answered(wire, server):
    """The listener is well."""
    end = End(wire, server.getsockname()[1])
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    end.send(RST)
    end.is_in(None)


def to_many(wire):
    """a SYN to a broadcast or multicast address is dropped in silence (RFC 9293, MUST-57)"""
    server = listener(host="")
    many = ["ff02::1", "ff01::1"] if V6 else ["10.9.0.255", "255.255.255.255", "224.0.0.1"]
    for host in many:
        refused(End(wire, server.getsockname()[1], host=host), server)
    answered(wire, server)
    server.close()


def from_nobody(wire):
    """a SYN from an address that nobody can have is dropped in silence (RFC 9293, MUST-63)"""
    # No source is too far away to be answered.
    shell(f"{IP} route replace default dev wire0")
    server = listener(host="")
    nobody = ["ff02::1", "::1", "::ffff:10.9.0.2"] if V6 else \
        ["255.255.255.255", "224.0.0.1", "127.0.0.1", "0.0.0.0", HOST]
    for peer in nobody:
        refused(End(wire, server.getsockname()[1], peer=peer), server)
    answered(wire, server)
    server.close()
    shell(f"{IP} route del default")


def from_nobody_either(wire):
    """and so is one from :: or a subnet's broadcast address, which the kernel's TCP answers (RFC 9293,
    MUST-63)"""
    shell(f"{IP} route replace default dev wire0")
    server = listener(host="")
    refused(End(wire, server.getsockname()[1], peer="::" if V6 else "10.9.0.255"), server)
    answered(wire, server)
    server.close()
    shell(f"{IP} route del default")


def second_listener(wire):
    """a passive OPEN leaves the connections of its port alone, open or half open (RFC 9293, MUST-41)"""
    share = reuse(socket.SO_REUSEPORT)
    server = listener(prepare=share)
    port = server.getsockname()[1]
    end, late = End(wire, port), End(wire, port)
    for one in end, late:
        one.send(SYN, options=MSS)
        one.expect(SYN | ACK, ack=one.seq)
    end.send(ACK)
    sock, _ = server.accept()
    sock.settimeout(PATIENCE)
    second = listener(port=port, prepare=share)
    end.silence()
    late.silence()
    end.is_in("ESTABLISHED")
    late.is_in("SYN-RECEIVED")
    works(sock, end)
    late.send(ACK)
    child, who = server.accept()
    assert who[1] == late.port, who
    child.settimeout(PATIENCE)
    works(child, late)
    # Nor is anything theirs when it goes.
    second.close()
    for one, user in (end, sock), (late, child):
        works(user, one)
        one.send(RST)
        user.close()
    server.close()


def listen_beside(wire):
    """a port can listen while a connection of it is in SYN-SENT or SYN-RECEIVED (RFC 9293, MUST-42)"""
    share = reuse(socket.SO_REUSEADDR)
    sock, end = active(wire, prepare=share)
    server = listener(port=end.host_port, prepare=share)
    end.is_in("SYN-SENT")
    half = End(wire, end.host_port)
    half.send(SYN, options=MSS)
    half.expect(SYN | ACK, ack=half.seq)
    end.is_in("SYN-SENT")
    half.is_in("SYN-RECEIVED")
    # Through SYN-RECEIVED as well: a simultaneous open.
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    end.is_in("SYN-RECEIVED")
    end.send(SYN | ACK, seq=end.seq - 1, options=MSS)
    end.is_in("ESTABLISHED")
    half.send(ACK)
    child, _ = server.accept()
    sock.settimeout(PATIENCE)
    child.settimeout(PATIENCE)
    works(child, half)
    works(sock, end)
    for one in half, end:
        one.send(RST)
    for one in sock, child, server:
        one.close()


def overflow(wire):
    """with tcp_abort_on_overflow who finds the accept queue full is reset, without it waits"""
    for abort in 0, 1:
        shell(f"sysctl -qw net.ipv4.tcp_abort_on_overflow={abort}")
        server = listener(backlog=2)
        ends = [End(wire, server.getsockname()[1]) for _ in range(4)]
        # Three fit in the queue, and as many may be half open. The fourth came before it was full.
        for end in ends[:3]:
            end.send(SYN, options=MSS)
            end.expect(SYN | ACK, ack=end.seq)
        ends[0].send(ACK)
        ends[0].is_in("ESTABLISHED")
        # (With us who was half open counts as such until a grace period of RCU is over.)
        time.sleep(0.3)
        last = ends[3]
        last.send(SYN, options=MSS)
        last.expect(SYN | ACK, ack=last.seq)
        for end in ends[1:3]:
            end.send(ACK)
            end.is_in("ESTABLISHED")
        last.send(ACK)
        if abort:
            last.expect(RST, seq=last.ack)
            last.is_in(None)
        else:
            last.silence()
            last.is_in("SYN-RECEIVED")
            server.accept()[0].close()
            last.send(ACK, b"patience")
            last.is_in("ESTABLISHED")
            for end in ends[1:]:
                sock, who = server.accept()
                assert who[1] == end.port, who
            sock.settimeout(PATIENCE)
            assert sock.recv(100) == b"patience"
            sock.close()
        server.close()
        for end in ends:
            end.send(RST)
    shell("sysctl -qw net.ipv4.tcp_abort_on_overflow=0")


def lengths(sock, end, total=6000):
    """Of the segments that so much data comes in."""
    sock.send(os.urandom(total))
    sent = []
    while sum(sent) < total:
        sent.append(len(end.expect(ACK).data))
        end.send(ACK)
    return sent


def route_mtu(wire):
    """a route that takes less, or more again, is heeded"""
    full = 1440 if V6 else 1460
    shell(f"{IP} route replace {FAR_NET} dev wire0 src {HOST}")
    sock, end = active(wire, host="", peer=FAR)
    connected(sock, end)
    for mtu in 1500, 1300, 1500, 1400:
        shell(f"{IP} route replace {FAR_NET} dev wire0 src {HOST} mtu {mtu}")
        # (The kernel's TCP looks at the route when it has cut its segments.)
        works(sock, end)
        sent = lengths(sock, end)
        assert max(sent) == full - 1500 + mtu, (mtu, sent)
    sock.close()
    end.send(RST)
    shell(f"{IP} route del {FAR_NET}")


def own_options(sock):
    """Eight bytes of nothing in each packet."""
    if V6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, b"\0\0\1\4" + bytes(4))
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\1" * 8)


def announced(seg):
    """The MSS option, which comes first."""
    assert seg.options[:2] == MSS[:2], seg.options
    return struct.unpack("!H", seg.options[2:4])[0]


def options_and_mss(wire):
    """options of IP shorten segments, whoever bounds them, but not the MSS that is announced (RFC 6691, 3; RFC
    9293, MUST-16)"""
    full = 1440 if V6 else 1460
    for theirs, want in (1460, full - 8), (1000, 992):
        sock, end = active(wire, prepare=own_options)
        assert len(end.syn.packet) == IP_LEN + 8 + 20 + len(end.syn.options), "no options"
        assert announced(end.syn) == full, announced(end.syn)
        end.send(SYN | ACK, options=struct.pack("!BBH", 2, 4, theirs))
        end.expect(ACK, ack=end.seq)
        sent = lengths(sock, end)
        assert max(sent) == want, (theirs, sent)
        assert tcp_info(sock)["pmtu"] == 1500, tcp_info(sock)["pmtu"]
        sock.close()
        end.send(RST)
    # A listener's extension headers are its children's. (Of IPv4 a listener's options are for nobody.)
    server = listener(prepare=own_options)
    end = End(wire, server.getsockname()[1])
    end.send(SYN, options=MSS)
    answer = end.expect(SYN | ACK, ack=end.seq)
    assert announced(answer) == full, announced(answer)
    end.send(ACK)
    sock, _ = server.accept()
    sent = lengths(sock, end)
    assert max(sent) == full - (8 if V6 else 0), sent
    for one in sock, server:
        one.close()
    end.send(RST)


def tx_delay(wire):
    """TCP_TX_DELAY holds back what a listener and what TIME-WAIT answer too (with fq)"""
    delay = 0.2
    shell("tc qdisc replace dev wire0 root fq")
    server = listener(prepare=lambda sock: sock.setsockopt(socket.IPPROTO_TCP, 37, int(delay * 1e6)))
    end = End(wire, server.getsockname()[1])
    start = time.monotonic()
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    took = [time.monotonic() - start]
    end.send(ACK)
    sock, _ = server.accept()
    sock.close()
    end.expect(FIN | ACK)
    end.send(FIN | ACK)
    end.expect(ACK, ack=end.seq)
    end.is_in("TIME-WAIT")
    end.seen.clear()
    start = time.monotonic()
    end.send(FIN | ACK, seq=end.seq - 1)
    end.expect(ACK, ack=end.seq)
    took.append(time.monotonic() - start)
    assert min(took) >= delay, took
    server.close()
    shell("tc qdisc del dev wire0 root")


def route_device(wire):
    """a route that leads elsewhere takes the connection along, and one that is gone holds it up"""
    detour = Wire("wire1", None)
    shell(f"{IP} route replace {FAR_NET} dev wire0 src {HOST}")
    sock, end = active(wire, host="", peer=FAR)
    connected(sock, end)
    works(sock, end, host=HOST)
    for way, name in (detour, "wire1"), (wire, "wire0"):
        shell(f"{IP} route replace {FAR_NET} dev {name} src {HOST}")
        end.wire = way
        works(sock, end, host=HOST)
    for gone in f"route replace unreachable {FAR_NET}", f"route del {FAR_NET}":
        shell(f"{IP} {gone}")
        assert sock.send(b"delayed") == 7
        time.sleep(0.1)
        print(f"# {gone}: {os.strerror(error_of(sock))}")
        shell(f"{IP} route replace {FAR_NET} dev wire0 src {HOST}")
        end.expect(ACK, data=b"delayed", host=HOST)
        end.send(ACK)
        works(sock, end, host=HOST)
    sock.close()
    end.send(RST)
    shell(f"{IP} route del {FAR_NET}")
    os.close(detour.fd)


CASES = [header_fields, local_address, ip_options, half_open, accept_tells_nothing, to_many, from_nobody, second_listener, listen_beside,
         overflow, route_mtu, options_and_mss, tx_delay, route_device]
run(CASES + ([] if V6 else [source_route, source_quench]) + ([] if KERNELS else [from_nobody_either]))
