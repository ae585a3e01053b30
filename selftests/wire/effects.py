#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Socket options: what each of them changes on the wire, in who gets a connection and in what is told, on either
stack. (selftests/prog/sk_opt.c sets and gets all there are; what programs see of them is in sk_optfx.c.)"""
import ctypes
import os
import re
import select
import socket
import struct
import subprocess
import time

from peer import (ACK, HOST, KERNELS, MSS, PATIENCE, PEER, RST, SYN, V6, End, active, listener, new_socket, opened,
                  resent, run, setting, shell)
from stack import libc, said

SO_MARK, SO_LOCK_FILTER, SO_INCOMING_CPU, SO_ATTACH_BPF, SO_DETACH_BPF = 36, 44, 49, 50, 27
SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_REUSEPORT_EBPF, SO_DETACH_REUSEPORT_BPF = 51, 52, 68
SO_TXTIME = SCM_TXTIME = 61
TCP_RTO_MAX_MS, TCP_RTO_MIN_US, TCP_DELACK_MAX_US = 44, 45, 46
IP_PKTINFO, IP_PKTOPTIONS, IP_MTU_DISCOVER, IP_RECVTTL, IP_RECVTOS = 8, 9, 10, 12, 13
IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_DONTFRAG = 23, 24, 62


def set_to(name, value, level=socket.SOL_SOCKET):
    """What prepares a socket: this option has that value."""
    return lambda sock: sock.setsockopt(level, name, value)


# --- marks and priorities -------------------------------------------------------------------------------


def counted(rule):
    """How many packets went out that this rule is about, so far."""
    text = subprocess.run("nft list chain inet effects out".split(), check=True, capture_output=True, text=True).stdout
    return sum(int(n) for n in re.findall(rf"{rule} counter packets (\d+)", text))


def labels(wire):
    """SO_PRIORITY, SO_MARK: what is sent has them, from the SYN or SYN,ACK on, and what is set later from then on"""
    kinds = (("meta mark", SO_MARK, "0x000000%02x"), ("meta priority", socket.SO_PRIORITY, "0:%x"))
    shell("nft add table inet effects")
    shell("nft add chain inet effects out { type filter hook output priority 0 ; }")
    rules = {}
    for what, _, form in kinds:
        for n in 3, 5:
            rules[what, n] = f"{what} {form % n}"
            shell(f"nft add rule inet effects out oifname wire0 {rules[what, n]} counter")
    # Nothing is sent twice because this machine is busy.
    with setting("tcp_early_retrans", 0), setting("tcp_rto_min_us", 3000000):
        for what, name, _ in kinds:
            first, second = (f"oifname \"wire0\" {rules[what, n]}" for n in (3, 5))
            # Of one that connects: its SYN and the last ACK of the handshake, then data.
            sock, end = active(wire, prepare=set_to(name, 3))
            assert counted(first) == 1, (what, counted(first))
            end.send(SYN | ACK, options=MSS)
            end.expect(ACK, ack=end.seq)
            sock.send(b"labelled")
            end.expect(ACK, data=b"labelled")
            assert (counted(first), counted(second)) == (3, 0), (what, counted(first), counted(second))
            end.send(ACK)
            sock.setsockopt(socket.SOL_SOCKET, name, 5)
            sock.send(b"other")
            end.expect(ACK, data=b"other")
            end.send(ACK)
            assert (counted(first), counted(second)) == (3, 1), (what, counted(first), counted(second))
            sock.setsockopt(socket.SOL_SOCKET, name, 0)
            sock.close()
            # Of a listener: its SYN,ACK has it; a child sends what getsockopt() says of it.
            before = counted(first)
            sock, end = opened(wire, prepare=set_to(name, 3))
            between = counted(first)
            assert between == before + 1, (what, before, between)
            own = sock.getsockopt(socket.SOL_SOCKET, name)
            sock.send(b"child")
            end.expect(ACK, data=b"child")
            end.send(ACK)
            assert counted(first) - between == (own == 3), (what, own, between, counted(first))
            sock.setsockopt(socket.SOL_SOCKET, name, 0)
            sock.close()
    shell("nft delete table inet effects")


# --- who gets a connection ------------------------------------------------------------------------------


def group(prepares):
    """Listeners that share a port, by SO_REUSEPORT."""
    socks = []
    for prepare in prepares:
        sock = new_socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        prepare(sock)
        sock.bind((HOST, socks[0].getsockname()[1] if socks else 0))
        socks.append(sock)
    for sock in socks:
        sock.listen(64)
    return socks


def chosen(wire, socks):
    """The index of the one that gets the next connection."""
    end = End(wire, socks[0].getsockname()[1])
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    end.send(ACK)
    ready = select.select(socks, [], [], PATIENCE)[0]
    assert len(ready) == 1, ready
    ready[0].accept()[0].close()
    return socks.index(ready[0])


def incoming_cpu(wire):
    """SO_INCOMING_CPU: of listeners that share a port the one of the CPU that a SYN comes in on"""
    cpus = sorted(os.sched_getaffinity(0))
    socks = group([set_to(SO_INCOMING_CPU, cpu) for cpu in cpus])
    if len(cpus) > 1:
        for index, cpu in list(enumerate(cpus)) * 3:
            # What is written to a tun device comes in on the writer's CPU.
            os.sched_setaffinity(0, {cpu})
            got = [chosen(wire, socks) for _ in range(6)]
            assert got == [index] * 6, (cpu, got)
    os.sched_setaffinity(0, cpus)
    for sock in socks:
        sock.close()


def load(value, kind=1):
    """A BPF program (of the type for socket filters) that says `value`: r0 = value; exit."""
    code = ctypes.create_string_buffer(struct.pack("=BBhiBBhi", 0xb7, 0, 0, value, 0x95, 0, 0, 0))
    licence = ctypes.create_string_buffer(b"GPL")
    attr = struct.pack("=IIQQ", kind, 2, ctypes.addressof(code), ctypes.addressof(licence)).ljust(128, b"\0")
    # bpf(BPF_PROG_LOAD)
    fd = libc.syscall(321, 5, ctypes.create_string_buffer(attr), 128)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return fd


def classic(value):
    """The same as struct sock_fprog: a classic program, and what has to live as long."""
    code = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, value))
    return struct.pack("@HP", 1, ctypes.addressof(code)), code


def reuseport_programs(wire):
    """SO_ATTACH_REUSEPORT_EBPF, SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF: a program says which listener it
    is, until it is taken away"""
    socks = group([lambda sock: None] * 3)
    level = socket.SOL_SOCKET
    for index in 2, 0, 1:
        fd = load(index)
        socks[0].setsockopt(level, SO_ATTACH_REUSEPORT_EBPF, fd)
        os.close(fd)
        got = [chosen(wire, socks) for _ in range(8)]
        assert got == [index] * 8, ("eBPF", index, got)
        program, code = classic(2 - index)
        socks[1].setsockopt(level, SO_ATTACH_REUSEPORT_CBPF, program)
        got = [chosen(wire, socks) for _ in range(8)]
        assert got == [2 - index] * 8, ("classic", index, got)
        del code
    # Who names nobody leaves the choice to the hash, and so does no program: one of three has all 24 of them
    # once in 3 ** 23 times.
    fd = load(77)
    socks[2].setsockopt(level, SO_ATTACH_REUSEPORT_EBPF, fd)
    os.close(fd)
    assert len({chosen(wire, socks) for _ in range(24)}) > 1
    fd = load(1)
    socks[2].setsockopt(level, SO_ATTACH_REUSEPORT_EBPF, fd)
    os.close(fd)
    assert {chosen(wire, socks) for _ in range(8)} == {1}
    socks[0].setsockopt(level, SO_DETACH_REUSEPORT_BPF, 0)
    assert len({chosen(wire, socks) for _ in range(24)}) > 1
    assert said(lambda: socks[0].setsockopt(level, SO_DETACH_REUSEPORT_BPF, 0)) == "ENOENT"
    # BPF_PROG_TYPE_SK_REUSEPORT, of which the kernel has none for other families (ENOTSUPP): 0 is SK_DROP.
    fd = load(0, 21)
    try:
        socks[0].setsockopt(level, SO_ATTACH_REUSEPORT_EBPF, fd)
        assert KERNELS
        end = End(wire, socks[0].getsockname()[1])
        end.send(SYN, options=MSS)
        end.expect(RST | ACK)
    except OSError as e:
        assert e.errno == 524 and not KERNELS, e
    os.close(fd)
    for sock in socks:
        sock.close()


# --- filters --------------------------------------------------------------------------------------------


def filters(wire):
    """SO_ATTACH_BPF, SO_DETACH_BPF, SO_LOCK_FILTER: what a program drops did not come; a locked one stays"""
    level = socket.SOL_SOCKET
    drops, takes = load(0), load(0x7fffffff)
    program, code = classic(0x7fffffff)
    sock, end = opened(wire)
    sock.setsockopt(level, SO_ATTACH_BPF, drops)
    start = end.seq
    end.send(ACK, b"dropped")
    end.silence()
    sock.setsockopt(level, SO_DETACH_BPF, 0)
    end.send(ACK, b"dropped", seq=start)
    end.expect(ACK, ack=start + 7)
    assert sock.recv(100) == b"dropped"
    sock.setsockopt(level, SO_ATTACH_BPF, takes)
    end.send(ACK, b"taken")
    end.expect(ACK, ack=start + 12)
    # From now on for ever.
    sock.setsockopt(level, SO_ATTACH_BPF, drops)
    sock.setsockopt(level, SO_LOCK_FILTER, 1)
    # 26: SO_ATTACH_FILTER
    for name, value in (SO_DETACH_BPF, 0), (SO_ATTACH_BPF, takes), (26, program), (SO_LOCK_FILTER, 0):
        answer = said(lambda name=name, value=value: sock.setsockopt(level, name, value))
        assert answer == "EPERM", (name, answer)
    assert sock.getsockopt(level, SO_LOCK_FILTER) == 1
    end.send(ACK, b"dropped")
    end.silence()
    sock.close()
    del code
    # A listener's is its children's, lock and all.
    fd = drops
    for locked in 0, 1:
        def prepare(server, locked=locked):
            server.setsockopt(level, SO_ATTACH_BPF, takes)
            server.setsockopt(level, SO_LOCK_FILTER, locked)
        sock, end = opened(wire, prepare=prepare)
        assert said(lambda sock=sock: sock.setsockopt(level, SO_ATTACH_BPF, fd)) == ("EPERM" if locked else "ok")
        sock.close()
    os.close(drops)
    os.close(takes)


# --- timers ---------------------------------------------------------------------------------------------


def ack_delay(wire, micros=None):
    """How long an ACK waits for data, the least of some, seconds: a busy machine is late."""
    took = PATIENCE
    for _ in range(20):
        if took < (0.025 if micros else 0.045):
            break
        sock, end = opened(wire, MSS)
        if micros:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_DELACK_MAX_US, micros)
        sock.send(b"hello")
        end.expect(ACK)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        start = time.monotonic()
        end.send(ACK, b"a" * 100)
        end.expect(ACK, ack=end.seq)
        took = min(took, time.monotonic() - start)
        sock.close()
    return took


def delayed_acks(wire):
    """TCP_DELACK_MAX_US: an ACK waits no longer (RFC 9293, 3.8.6.3)"""
    default, short = ack_delay(wire), ack_delay(wire, 8000)
    assert 0.038 <= default, default
    assert 0.006 <= short < 0.030, short


def retransmissions(wire):
    """TCP_RTO_MIN_US, TCP_RTO_MAX_MS: what is not acknowledged is sent again so soon, and at least so often
    (RFC 6298, 2.4 and 2.5)"""
    with setting("tcp_early_retrans", 0):
        for micros, least, most in (None, 0.195, 10), (50000, 0.045, 0.190):
            took = PATIENCE
            for _ in range(5):
                # Before the first measurement: Linux keeps the time-out until the next.
                prepare = micros and set_to(TCP_RTO_MIN_US, micros, socket.IPPROTO_TCP)
                sock, end = opened(wire, MSS, prepare=prepare)
                sock.send(b"again")
                resent(end)
                start = time.monotonic()
                resent(end)
                took = min(took, time.monotonic() - start)
                sock.close()
            assert least <= took <= most, (micros, took)
        sock, end = opened(wire, MSS)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, 1000)
        sock.send(b"again")
        times = []
        for _ in range(7):
            resent(end)
            times.append(time.monotonic())
        sock.close()
        # After 200, 400 and 800 ms, 1000 and not 1600, 3200 and 6400.
        assert 0.9 <= times[-1] - times[-2] < 3, times


# --- IP -------------------------------------------------------------------------------------------------


def dont_fragment(wire):
    """IP_MTU_DISCOVER: DF is set if IP searches for the path's MTU, and not otherwise (RFC 1191, 3)"""
    if V6:
        return
    # IP_PMTUDISC_DONT, WANT, DO, PROBE, INTERFACE, OMIT. The last three don't believe what ICMP says; of PROBE
    # ip(7) has that DF is set, which is true of datagrams.
    for mode, want in enumerate((False, True, True, False, False, False)):
        for sock, end in (active(wire, prepare=set_to(IP_MTU_DISCOVER, mode, socket.IPPROTO_IP)),
                          opened(wire, prepare=set_to(IP_MTU_DISCOVER, mode, socket.IPPROTO_IP))):
            if hasattr(end, "syn"):
                assert bool(end.syn.packet[6] & 0x40) == want, (mode, "SYN")
                end.send(SYN | ACK, options=MSS)
                end.expect(ACK, ack=end.seq)
            sock.send(b"data")
            seg = end.expect(ACK, data=b"data")
            assert bool(seg.packet[6] & 0x40) == want, (mode, "data")
            end.send(ACK)
            # And of one that is open.
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0 if want else 2)
            sock.send(b"more")
            seg = end.expect(ACK, data=b"more")
            assert bool(seg.packet[6] & 0x40) != want, (mode, "later")
            end.send(ACK)
            sock.close()


def ipv6_mtu(wire):
    """IPV6_MTU, IPV6_DONTFRAG: nothing of TCP's is ever cut by who sends it, and segments are of the route's MTU"""
    if not V6:
        return
    for name, value in (IPV6_MTU, 1280), (IPV6_DONTFRAG, 1), (IPV6_DONTFRAG, 0):
        sock, end = opened(wire, prepare=set_to(name, value, socket.IPPROTO_IPV6))
        sock.setsockopt(socket.IPPROTO_IPV6, name, value)
        assert sock.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU) == 1500
        sock.send(b"m" * 1440)
        end.expect(ACK, data=b"m" * 1440)
        sock.close()


def told(sock):
    """What IP_PKTOPTIONS says: {type: bytes}"""
    data, found = sock.getsockopt(socket.IPPROTO_IP, IP_PKTOPTIONS, 256), {}
    while len(data) >= 16:
        length, level, kind = struct.unpack_from("@Lii", data)
        assert level == socket.IPPROTO_IP and length >= 16, (length, level)
        found[kind] = data[16:length]
        data = data[(length + 7) // 8 * 8:]
    return found


def packet_options(wire):
    """IP_RECVTTL, IP_RECVTOS, IP_PKTINFO: IP_PKTOPTIONS tells of the packet that ended the handshake"""
    if V6:
        return
    def all_of_them(sock):
        for name in IP_RECVTTL, IP_RECVTOS, IP_PKTINFO:
            sock.setsockopt(socket.IPPROTO_IP, name, 1)

    device, here = socket.if_nametoindex("wire0"), socket.inet_aton(HOST)
    with listener(prepare=all_of_them) as server:
        end = End(wire, server.getsockname()[1])
        end.send(SYN, options=MSS)
        end.expect(SYN | ACK, ack=end.seq)
        wire.tos, wire.ttl = 0x48, 77
        end.send(ACK)
        wire.tos, wire.ttl = 0, 64
        sock, _ = server.accept()
        found = told(sock)
        # IP_TTL is 2, IP_TOS is 1.
        assert found == {IP_PKTINFO: struct.pack("=I", device) + here + here, 2: struct.pack("=i", 77),
                         1: struct.pack("=i", 0x48)}, found
        # Each for itself.
        for name, kind in (IP_RECVTTL, 2), (IP_RECVTOS, 1), (IP_PKTINFO, IP_PKTINFO):
            sock.setsockopt(socket.IPPROTO_IP, name, 0)
            assert kind not in told(sock), (name, told(sock))
        assert told(sock) == {}
        sock.close()
        # From the host itself: by way of lo, but the address is the other device's.
        with new_socket() as own:
            own.connect(server.getsockname())
            sock, _ = server.accept()
            found = told(sock)[IP_PKTINFO]
            assert found == struct.pack("=I", device) + here + here, (device, found)
            sock.close()


def dont_route(wire):
    """SO_DONTROUTE: nobody is asked who is not a neighbour; over IPv6 it says nothing"""
    far, net = ("fd08::2", "fd08::/64") if V6 else ("10.8.0.2", "10.8.0.0/24")
    ip = "ip -6" if V6 else "ip"
    shell(f"{ip} route add {net} via {PEER}")
    for on, peer, goes in (0, far, True), (1, PEER, True), (1, far, V6):
        if goes:
            sock, end = active(wire, peer=peer, prepare=set_to(socket.SO_DONTROUTE, on))
            end.send(SYN | ACK, options=MSS)
            end.expect(ACK, ack=end.seq)
        else:
            sock = new_socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, on)
            answer = said(lambda sock=sock, peer=peer: sock.connect((peer, 9)))
            assert answer == "ENETUNREACH", answer
        sock.close()
    shell(f"{ip} route del {net}")


def departure_times(wire):
    """SO_TXTIME: SCM_TXTIME may be said then, and moves nothing: when a segment leaves is TCP's to say"""
    sock, end = opened(wire)
    later = struct.pack("=Q", time.monotonic_ns() + 60 * 10 ** 9)
    control = [(socket.SOL_SOCKET, SCM_TXTIME, later)]
    assert said(lambda: sock.sendmsg([b"early"], control)) == "EINVAL"
    # CLOCK_MONOTONIC, no flags.
    sock.setsockopt(socket.SOL_SOCKET, SO_TXTIME, struct.pack("=iI", 1, 0))
    sock.sendmsg([b"timed"], control)
    end.expect(ACK, data=b"timed")
    sock.close()


run([labels, incoming_cpu, reuseport_programs, filters, delayed_acks, retransmissions, dont_fragment, ipv6_mtu,
     packet_options, dont_route, departure_times])
