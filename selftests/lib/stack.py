# SPDX-License-Identifier: GPL-2.0
"""
Sockets of either stack by name (inet, inet6, rusttcp, rusttcp6), without rusttcp-run and the start of a
program that it takes; and network namespaces, so that one process can have ends in several.
"""
import ctypes
import errno
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def is_kernels(family):
    return family.startswith("inet")


def our_family():
    try:
        with open("/sys/module/rusttcp/parameters/family", encoding="ascii") as f:
            return int(f.read())
    except FileNotFoundError:
        return 19  # AF_RUSTTCP of include/uapi/linux/rusttcp.h


def new_socket(family):
    v6 = family.endswith("6")
    af = socket.AF_INET6 if v6 else socket.AF_INET
    # RUSTTCP_IPV6 is 1; the kernel's families have one TCP.
    number, protocol = (af, 0) if is_kernels(family) else (our_family(), int(v6))
    fd = libc.socket(number, socket.SOCK_STREAM, protocol)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "socket")
    # The addresses are plain sockaddr_in or sockaddr_in6 on either stack.
    return socket.socket(af, socket.SOCK_STREAM, 0, fileno=fd)


def enter(name):
    """What is made from now on is in that network namespace."""
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    assert libc.setns(fd, CLONE_NEWNET) == 0
    os.close(fd)


def said(call, fine="ok"):
    """What a call says: `fine`, or the errno's name."""
    try:
        call()
        return fine
    except OSError as e:
        return errno.errorcode[e.errno]


def own_namespace():
    """From here on a network namespace of the process's own, whose loopback is up."""
    assert libc.unshare(CLONE_NEWNET) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # SIOCSIFFLAGS, IFF_UP
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", 1))


# struct tcp_info of Linux 7.3 (include/uapi/linux/tcp.h), field by field; an underscore: no field of its own.
TCP_INFO_FIELDS = """
B state ca_state retransmits probes backoff options _scales _flags
I rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv
I last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans
Q pacing_rate max_pacing_rate bytes_acked bytes_received
I segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out
Q delivery_rate busy_time rwnd_limited sndbuf_limited
I delivered delivered_ce
Q bytes_sent bytes_retrans
I dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash
H total_rto total_rto_recoveries
I total_rto_time received_ce delivered_e1_bytes delivered_e0_bytes delivered_ce_bytes
I received_e1_bytes received_e0_bytes received_ce_bytes _ecn
"""


def tcp_info(sock):
    """TCP_INFO: field by field, without tcpi_."""
    lines = [line.split() for line in TCP_INFO_FIELDS.split("\n") if line]
    layout = "=" + "".join(f"{len(names)}{kind}" for kind, *names in lines)
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1024)
    values = struct.unpack(layout, raw)
    found = dict(zip((name for _, *names in lines for name in names), values))
    scales, flags, ecn = (found.pop(name) for name in ("_scales", "_flags", "_ecn"))
    found.update(snd_wscale=scales & 15, rcv_wscale=scales >> 4, delivery_rate_app_limited=flags & 1,
                 fastopen_client_fail=flags >> 1 & 3, ecn_mode=ecn & 3, accecn_opt_seen=ecn >> 2 & 3,
                 accecn_fail_mode=ecn >> 4 & 15)
    return found


def counters(family):
    """Those of TCP, by GROUP:NAME."""
    found = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat") if is_kernels(family) else ("/proc/net/rusttcp_stat",):
        with open(path, encoding="ascii") as f:
            lines = [line.split() for line in f]
        for names, values in zip(lines[::2], lines[1::2]):
            if names[0] in ("Tcp:", "TcpExt:"):
                found.update({names[0] + name: int(value) for name, value in zip(names[1:], values[1:])})
    return found
