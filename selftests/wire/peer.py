# SPDX-License-Identifier: GPL-2.0
"""A TCP peer made of single segments: a tun device whose other side is this program.

The host is 10.9.0.1, the peer any other address of 10.9.0.0/24 (over IPv6 fd09::1 and fd09::/64); no
stack answers for it, so each segment on the wire is either the tested stack's or one that a test
wrote. Every segment received has its checksum verified.
"""
import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import stack  # noqa: E402

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
# RFC 9768, 3.1: one field of three flags. The first is in what RFC 9293 has as reserved.
ECE, CWR, AE = 0x40, 0x80, 0x100
FAMILY = os.environ.get("RUSTTCP_FAMILY", "inet")
V6 = FAMILY.endswith("6")
KERNELS = FAMILY.startswith("inet")
HOST, PEER = ("fd09::1", "fd09::2") if V6 else ("10.9.0.1", "10.9.0.2")
AF = socket.AF_INET6 if V6 else socket.AF_INET
# The IP header, and where its addresses are.
IP_LEN, ADDRESSES = (40, slice(8, 40)) if V6 else (20, slice(12, 20))
# What the stack lists its sockets in.
PROC = "/proc/net/" + (FAMILY.replace("inet", "tcp"))
STATES = {1: "ESTABLISHED", 2: "SYN-SENT", 3: "SYN-RECEIVED", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2",
          6: "TIME-WAIT", 7: "CLOSED", 8: "CLOSE-WAIT", 9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING"}
PATIENCE = 15 if os.environ.get("RUSTTCP_DEBUG") == "1" else 5
tests = failures = 0


class Wrong(Exception):
    """What came is not what the test says must come."""


def counter(name, kernels=KERNELS):
    """A counter of the stack under test, or of the kernel's TCP."""
    found = stack.counters("inet" if kernels else "rusttcp")
    return next(found[group + name] for group in ("Tcp:", "TcpExt:") if group + name in found)


def new_socket():
    return stack.new_socket(FAMILY)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def tcp_checksum(addresses, tcp, protocol=6):
    """Over the pseudo-header too, whose last fields are the same sum in both families."""
    return checksum(addresses + struct.pack("!IBBH", len(tcp), 0, protocol, 0) + tcp)


def tcp_at(packet):
    """Where a packet's TCP header begins, behind options or extension headers; None: it has none."""
    if packet[0] >> 4 != (6 if V6 else 4):
        return None
    if not V6:
        return (packet[0] & 15) * 4 if packet[9] == 6 else None
    kind, at = packet[6], IP_LEN
    while kind in (0, 60):
        kind, at = packet[at], at + 8 * (packet[at + 1] + 1)
    return at if kind == 6 else None


class Segment:
    def __init__(self, packet):
        tcp = packet[tcp_at(packet):]
        ends = packet[ADDRESSES]
        self.packet, self.via = packet, None
        # A source route: who is on the way is the destination for now, and the last address is in the option.
        if not V6 and packet[0] & 15 > 5 and packet[20] in (0x83, 0x89):
            self.via = socket.inet_ntop(AF, ends[4:])
            ends = ends[:4] + packet[16 + packet[21]:20 + packet[21]]
        self.host, self.peer = (socket.inet_ntop(AF, end) for end in
                                (ends[:len(ends) // 2], ends[len(ends) // 2:]))
        self.tos = (packet[0] << 4 | packet[1] >> 4) & 0xff if V6 else packet[1]
        self.ttl = packet[7] if V6 else packet[8]
        self.sport, self.dport, self.seq, self.ack, off, self.flags, self.win = \
            struct.unpack("!HHIIBBH", tcp[:16])
        self.ace = (off & 1) << 2 | self.flags >> 6
        self.options = tcp[20:(off >> 4) * 4]
        self.data = tcp[(off >> 4) * 4:]
        self.good = tcp_checksum(ends, tcp) == 0

    def __str__(self):
        names = "".join(n for b, n in ((SYN, "S"), (FIN, "F"), (RST, "R"), (ACK, ".")) if self.flags & b)
        return f"[{names} seq {self.seq} ack {self.ack} len {len(self.data)} win {self.win}]"


def shell(command):
    subprocess.run(command.split(), check=True)


class Wire:
    def __init__(self, name="wire0", host=HOST):
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        # IFF_TUN | IFF_NO_PI
        fcntl.ioctl(self.fd, 0x400454ca, struct.pack("16sH", name.encode(), 0x1001))
        if host:
            self.add_address(name, host)
        shell(f"ip link set {name} up")
        shell("sysctl -qw net.ipv4.tcp_invalid_ratelimit=0")
        self.port = 20000
        # Traffic class of what the peer sends, and its TTL or hop limit.
        self.tos, self.ttl = 0, 64

    @staticmethod
    def add_address(name, host):
        shell(f"ip addr add {host}/64 nodad dev {name}" if V6 else f"ip addr add {host}/24 dev {name}")

    def next_port(self):
        self.port += 1
        return self.port

    def write(self, payload, source=PEER, host=HOST, options=b"", protocol=6):
        """Options are IPv4's, or those of a header of destination options."""
        addresses = socket.inet_pton(AF, source) + socket.inet_pton(AF, host)
        if V6:
            if options:
                payload = bytes([protocol, (len(options) + 2) // 8 - 1]) + options + payload
                protocol = 60
            head = struct.pack("!IHBB", 6 << 28 | self.tos << 20, len(payload), protocol, self.ttl) + addresses
        else:
            length = 20 + len(options)
            head = struct.pack("!BBHHHBBH", 0x40 + length // 4, self.tos, length + len(payload), 0, 0x4000, self.ttl,
                               protocol, 0) + addresses + options
            head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        os.write(self.fd, head + payload)

    def icmp(self, kind, code, about, info=0, seq=None):
        """An ICMP or ICMPv6 error about a segment of the host's, or one of another number."""
        at = tcp_at(about.packet)
        seq = struct.pack("!I", (about.seq if seq is None else seq) & 0xffffffff)
        message = struct.pack("!BBHI", kind, code, 0, info) + about.packet[:at + 4] + seq
        total = checksum(message)
        if V6:
            addresses = socket.inet_pton(AF, PEER) + socket.inet_pton(AF, HOST)
            total = tcp_checksum(addresses, message, 58)
        self.write(message[:2] + struct.pack("!H", total) + message[4:], protocol=58 if V6 else 1)

    def read(self, deadline):
        """The next TCP segment of the host, or None when the time is up."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return None
            packet = os.read(self.fd, 65536)
            if tcp_at(packet) is not None:
                seg = Segment(packet)
                if not seg.good:
                    raise Wrong(f"wrong checksum in {seg}")
                return seg


class End:
    """One connection of the peer's: its ports and sequence numbers."""

    def __init__(self, wire, host_port, seq=1000, host=HOST, peer=PEER):
        self.wire, self.host_port, self.port = wire, host_port, wire.next_port()
        self.seq, self.ack, self.seen = seq, 0, []
        self.host, self.peer, self.ip_options = host, peer, b""

    def build(self, flags, data=b"", seq=None, ack=None, win=65535, options=b"", offset=None,
              wrong_sum=0, urg=0):
        options += b"\0" * (-len(options) % 4)
        words = 5 + len(options) // 4 if offset is None else offset
        seq = (self.seq if seq is None else seq) & 0xffffffff
        ack = ((self.ack if ack is None else ack) & 0xffffffff) if flags & ACK else 0
        tcp = struct.pack("!HHIIBBHHH", self.port, self.host_port, seq, ack, words << 4 | flags >> 8, flags & 0xff,
                          win, 0, urg) + options + data
        addresses = socket.inet_pton(AF, self.peer) + socket.inet_pton(AF, self.host)
        total = tcp_checksum(addresses, tcp) ^ wrong_sum
        return tcp[:16] + struct.pack("!H", total) + tcp[18:]

    def send(self, flags, data=b"", **fields):
        """Sends, and moves our sequence number on unless the test chose one itself."""
        self.wire.write(self.build(flags, data, **fields), self.peer, self.host, self.ip_options)
        if "seq" not in fields:
            self.seq = (self.seq + len(data) + bool(flags & SYN) + bool(flags & FIN)) & 0xffffffff

    def expect(self, flags, **fields):
        """The next new segment must have these flags and fields."""
        deadline = time.monotonic() + PATIENCE
        while True:
            seg = self.wire.read(deadline)
            if seg is None:
                raise Wrong(f"nothing came where flags {flags:#x} {fields} were due")
            if seg.dport != self.port or seg.sport != self.host_port:
                continue
            same = (seg.flags, seg.seq, seg.ack, seg.data)
            want = seg.flags & ~(PSH | URG | 0xc0) == flags and \
                all(getattr(seg, k) == (v & 0xffffffff if isinstance(v, int) else v)
                    for k, v in fields.items())
            if not want and same in self.seen:
                continue  # sent again by a timer
            self.seen.append(same)
            if not want:
                raise Wrong(f"{seg} came where flags {flags:#x} {fields} were due")
            if not seg.flags & RST:
                length = len(seg.data) + bool(seg.flags & SYN) + bool(seg.flags & FIN)
                self.ack = (seg.seq + length) & 0xffffffff
            return seg

    def silence(self):
        """Nothing more comes: a SYN to a closed port is answered first."""
        probe = End(self.wire, 9)
        probe.send(SYN)
        deadline = time.monotonic() + PATIENCE
        while True:
            seg = self.wire.read(deadline)
            if seg is None:
                raise Wrong("no answer to the probe")
            if seg.dport == probe.port:
                return
            if seg.dport == self.port and (seg.flags, seg.seq, seg.ack, seg.data) not in self.seen:
                raise Wrong(f"{seg} came where nothing was due")

    def listed(self):
        """The fields of this connection's line in the stack's /proc file; None: it is not there."""
        with open(PROC, encoding="ascii") as f:
            for line in f.readlines()[1:]:
                field = line.split()
                if int(field[1].split(":")[1], 16) == self.host_port and \
                        int(field[2].split(":")[1], 16) == self.port:
                    return field
        return None

    def queues(self, sock, send_q, recv_q, **ioctls):
        """Send-Q and Recv-Q of this connection, and what ioctl() says of the socket."""
        deadline = time.monotonic() + PATIENCE
        while True:
            field = self.listed()
            found = [field and tuple(int(n, 16) for n in field[4].split(":"))]
            for name, number in (("outq", 0x5411), ("outqnsd", 0x894b), ("inq", 0x541b)):
                if name in ioctls:
                    found.append(struct.unpack("i", fcntl.ioctl(sock, number, bytes(4)))[0])
            want = [(send_q, recv_q), *ioctls.values()]
            if found == want:
                return
            if time.monotonic() > deadline:
                raise Wrong(f"queues {found} where {want} was due")
            time.sleep(0.005)

    def state(self):
        """What the stack's /proc file says of this connection; None: it is not there."""
        field = self.listed()
        return field and STATES[int(field[3], 16)]

    def is_in(self, want):
        deadline = time.monotonic() + PATIENCE
        while self.state() != want:
            if time.monotonic() > deadline:
                raise Wrong(f"state {self.state()} where {want} was due")
            time.sleep(0.005)


def listener(backlog=8, port=0, host=HOST, prepare=None):
    sock = new_socket()
    if prepare:
        prepare(sock)
    sock.bind((host, port))
    sock.listen(backlog)
    sock.settimeout(PATIENCE)
    return sock


MSS = b"\x02\x04\x05\xb4"
SACK_OK = b"\x04\x02\x01\x01"


def passive(wire, port=0):
    """An established connection that the peer opened: (listener, socket, End)."""
    server = listener(port=port)
    end = End(wire, server.getsockname()[1])
    end.send(SYN, options=MSS)
    end.expect(SYN | ACK, ack=end.seq)
    end.send(ACK)
    sock, _ = server.accept()
    sock.settimeout(PATIENCE)
    return server, sock, end


def active(wire, port=0, host=HOST, peer=PEER, prepare=None):
    """A socket in SYN-SENT and the peer's End, its SYN read. `host` "": bound to no address."""
    sock = new_socket()
    if prepare:
        prepare(sock)
    sock.bind((host, port))
    sock.setblocking(False)
    end = End(wire, sock.getsockname()[1], host=host or HOST, peer=peer)
    try:
        sock.connect((peer, end.port))
    except BlockingIOError:
        pass
    end.syn = end.expect(SYN)
    return sock, end


@contextlib.contextmanager
def setting(name, value):
    """For sockets that are made meanwhile."""
    path = f"/proc/sys/net/ipv4/{name}"
    with open(path, encoding="ascii") as f:
        before = f.read()

    def write(text):
        with open(path, "w", encoding="ascii") as f:
            f.write(text)

    write(str(value))
    try:
        yield
    finally:
        write(before)


def opened(wire, options=MSS, win=65535, prepare=None, flags=(SYN, ACK), delay=0):
    """An established connection that the peer opened, with these flags and that long a delay: (socket, End)."""
    with listener(prepare=prepare) as server:
        end = End(wire, server.getsockname()[1])
        end.send(flags[0], options=options)
        end.syn_ack = end.expect(SYN | ACK, ack=end.seq)
        time.sleep(delay)
        end.send(flags[1], win=win)
        sock, _ = server.accept()
    sock.settimeout(PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock, end


def resent(end, timeout=PATIENCE):
    """The next segment with data, sent for the first time or again."""
    deadline = time.monotonic() + timeout
    while True:
        seg = end.wire.read(deadline)
        if seg is None:
            return None
        if seg.dport == end.port and seg.data:
            return seg


def run(cases):
    global tests, failures
    print("KTAP version 1")
    wire = Wire()
    # Those that are named, or all.
    for case in [case for case in cases if not sys.argv[1:] or case.__name__ in sys.argv[1:]]:
        tests += 1
        name = f"{FAMILY}: {' '.join(case.__doc__.split())}"
        try:
            case(wire)
            print(f"ok {tests} - {name}", flush=True)
        except (Wrong, OSError, AssertionError, subprocess.CalledProcessError) as e:
            failures += 1
            line = e.__traceback__.tb_next.tb_lineno
            print(f"# line {line}: {type(e).__name__}: {e}\nnot ok {tests} - {name}", flush=True)
    print(f"1..{tests}")
    sys.exit(failures > 0)
