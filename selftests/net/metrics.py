#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What routes say of TCP, and what TCP tells IP of them. Run by metrics.sh.

metrics.py check A B [PART...]: prints lines "0 what" (as it should be) or "1 what". A and B are namespaces,
joined by va and vb, which delay for 50 ms each. What is tested is in A, over the routes of A; its peer
in B is the kernel's TCP. The other forms are the processes of that.
"""
import errno
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import termios
import time

TCP_RTO_MIN_US = 45
FAMILIES = ["inet", "inet6", "rusttcp", "rusttcp6"]
SLOW = 4 if os.environ.get("RUSTTCP_DEBUG") == "1" else 1
TICKS = 40


def info(sock):
    """What TCP_INFO tells, as far as it is wanted."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)

    def word(at):
        return struct.unpack_from("=I", raw, at)[0]

    return {
        "ecn": raw[5] & 8 != 0, "rto": word(8), "snd_mss": word(16), "unacked": word(24),
        "ssthresh": word(76), "cwnd": word(80), "reordering": word(88), "segs_in": word(140),
        "notsent": word(144), "snd_wnd": word(228),
    }


def meet(how, addr, port):
    """A connection to (connect) or from (listen) the other process."""
    kind = socket.AF_INET6 if ":" in addr else socket.AF_INET
    sock = socket.socket(kind, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if how == "connect":
        sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MIN_US, 50000)
        sock.connect((addr, port))
        return sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MIN_US, 50000)
    sock.bind((addr, port))
    sock.listen()
    print("ready", flush=True)
    return sock.accept()[0]


def choose(sock, name):
    """What choosing a congestion control comes to."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


def subject(sock):
    """The end over whose route it goes."""
    time.sleep(0.3)
    out = info(sock)
    name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    out["congestion"] = name.split(b"\0")[0].decode()
    sock.setblocking(False)
    sent = sock.send(bytes(60000))
    out["flight"] = info(sock)["unacked"]
    out["chosen"] = choose(sock, b"cubic")
    sock.setblocking(True)
    most = 0
    left = 120000 - sent
    while left > 0 or info(sock)["unacked"] > 0:
        if left > 0:
            left -= sock.send(bytes(min(left, 10000)))
        most = max(most, info(sock)["unacked"])
        time.sleep(0.001)
    out["most"] = most
    sock.sendall(b"z")
    # What is not read is not acknowledged for that. So not before nothing more comes.
    unread = 0
    for _ in range(30):
        time.sleep(1.0)
        before = unread
        unread = int.from_bytes(fcntl.ioctl(sock, termios.FIONREAD, bytes(4)), sys.byteorder)
        if unread == before > 0:
            break
    while sock.recv(65536):
        pass
    return out


def ticks(sock):
    """A little every 10 ms: how many segments came back, and how many went after 30 ms or more."""
    before, late, last = info(sock)["segs_in"], 0, time.monotonic()
    for _ in range(TICKS):
        sock.send(bytes(100))
        late += time.monotonic() - last >= 0.03
        last = time.monotonic()
        time.sleep(0.01)
    time.sleep(0.2)
    return info(sock)["segs_in"] - before, late


def peer(sock):
    """The other end."""
    time.sleep(0.3)
    out = info(sock)
    while not sock.recv(65536).endswith(b"z"):
        pass
    # On a machine that is busy elsewhere ticks may be late, and then each is acknowledged by itself.
    for _ in range(20):
        out["acks"], late = ticks(sock)
        if late < 3:
            break
    widest = 0
    for _ in range(60):
        sock.sendall(bytes(1000))
        widest = max(widest, info(sock)["snd_wnd"])
        time.sleep(0.002)
    while info(sock)["unacked"] or info(sock)["notsent"]:
        time.sleep(0.01)
    out["widest"] = max(widest, info(sock)["snd_wnd"])
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):
        pass
    return out


def stream(how, addr, port, seconds):
    """Some bytes every 50 ms, one way; by UDP too, of which nobody tells IP anything."""
    if how == "udp":
        kind = socket.AF_INET6 if ":" in addr else socket.AF_INET
        sock = socket.socket(kind, socket.SOCK_DGRAM)
        sock.connect((addr, port))
    else:
        sock = meet(how, addr, port)
    until = time.monotonic() + seconds
    sent = 0
    while time.monotonic() < until:
        try:
            sent += sock.send(bytes(200))
        except ConnectionRefusedError:
            pass
        time.sleep(0.05)
    if how != "udp":
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    return {"sent": sent}


def sink(addr, port):
    """Reads all that there is."""
    sock = meet("listen", addr, port)
    got = 0
    while True:
        data = sock.recv(65536)
        if not data:
            return {"got": got}
        got += len(data)


def probes(dev, seconds):
    """How often each address was asked for by who knows its hardware address already."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((dev, 0))
    sock.settimeout(0.1)
    print("ready", flush=True)
    until = time.monotonic() + seconds
    asked = {}
    while time.monotonic() < until:
        try:
            frame, (_, _, kind, *_) = sock.recvfrom(2048)
        except TimeoutError:
            continue
        if kind == socket.PACKET_OUTGOING or frame[0] & 1:
            continue
        ether = frame[12:14]
        if ether == b"\x08\x06" and frame[20:22] == b"\0\1":
            target = socket.inet_ntop(socket.AF_INET, frame[38:42])
        elif ether == b"\x86\xdd" and frame[20] == 58 and frame[54] == 135:
            target = socket.inet_ntop(socket.AF_INET6, frame[62:78])
        else:
            continue
        asked[target] = asked.get(target, 0) + 1
    return asked


# --- the test -------------------------------------------------------------------------------------


def say(good, what):
    """A line for metrics.sh."""
    print(0 if good else 1, what, flush=True)


class Test:
    """Both namespaces."""

    def __init__(self, a, b):
        self.names = (a, b)
        self.port = 7000
        self.sysctl(0, "net.ipv4.tcp_ecn=0", "net.ipv4.tcp_no_metrics_save=1")
        self.sysctl(1, "net.ipv4.tcp_ecn=1", "net.ipv4.tcp_no_metrics_save=1")
        self.delay()

    def ip(self, *words):
        """ip, in A."""
        subprocess.run(["ip", "-n", self.names[0], *words], check=True)

    def sysctl(self, side, *settings):
        """Settings of a namespace."""
        command = ["ip", "netns", "exec", self.names[side], "sysctl", "-qw", *settings]
        subprocess.run(command, check=True)

    def delay(self, *more):
        """The link delays, and what else it does to what A sends."""
        for side, dev in enumerate(["va", "vb"]):
            words = ["delay", "50ms", *(more if side == 0 else [])]
            subprocess.run(["tc", "-n", self.names[side], "qdisc", "replace", "dev", dev, "root",
                            "netem", *words], check=True)

    def start(self, side, family, *words):
        """A process of a stack in A (0) or B (1)."""
        runner = ["rusttcp-run"] if family.startswith("rusttcp") else []
        command = ["ip", "netns", "exec", self.names[side], *runner, sys.executable, __file__]
        return subprocess.Popen([*command, *map(str, words)], stdout=subprocess.PIPE, text=True)

    def route(self, *words):
        """What the routes from A to B say."""
        for addr in ["10.0.0.2/32", "fd00::2/128"]:
            self.ip("route", "replace", addr, "dev", "va", *words)

    def sessions(self, how, families):
        """A connection of each stack: what both ends tell."""
        first = []
        for family in families:
            self.port += 1
            side = 1 if how == "connect" else 0
            addr = f"fd00::{side + 1}" if family.endswith("6") else f"10.0.0.{side + 1}"
            ours = [0, family, "subject", how, addr, self.port]
            other = "listen" if how == "connect" else "connect"
            theirs = [1, "inet", "peer", other, addr, self.port]
            listens, connects = (theirs, ours) if how == "connect" else (ours, theirs)
            listener = self.start(*listens)
            first.append((family, listener, connects))
        pairs = []
        for family, listener, connects in first:
            listener.stdout.readline()
            pairs.append((family, listener, self.start(*connects)))
        told = {}
        for family, listener, other in pairs:
            ends = []
            for process in (listener, other):
                text, _ = process.communicate(timeout=60 * SLOW)
                ends.append(json.loads(text) if process.returncode == 0 else None)
            if how == "connect":
                ends.reverse()
            told[family] = ends
        return told

    def over(self, words, judge, families=FAMILIES):
        """Connections both ways over routes that say `words`; `judge` lists what it thinks of one."""
        self.route(*words)
        for how in ["connect", "listen"]:
            for family, (ours, theirs) in self.sessions(how, families).items():
                name = f"{family}, {how}, {' '.join(words) or 'a plain route'}"
                if ours is None or theirs is None:
                    say(False, f"{name}: no connection")
                    continue
                for good, what in judge(ours, theirs):
                    say(good, f"{name}: {what}")

    def metrics(self):
        """What a route says."""
        self.over([], lambda ours, theirs: [
            (ours["flight"] == 10, f"ten segments at first ({ours['flight']})"),
            (not ours["ecn"], "no ECN"),
            (theirs["snd_mss"] > 1400, f"MSS {theirs['snd_mss']}"),
            (theirs["snd_wnd"] > 20000, f"a window of {theirs['snd_wnd']}"),
            (theirs["acks"] < TICKS - 6, f"ACKs wait ({theirs['acks']} of {TICKS})"),
        ])
        words = "initcwnd 4 initrwnd 6 advmss 1000 rto_min 400ms congctl reno quickack 1 features ecn"
        self.over(words.split(), lambda ours, theirs: [
            (ours["flight"] == 4, f"four segments at first ({ours['flight']})"),
            (ours["ecn"], "ECN"),
            (theirs["snd_mss"] <= 1000, f"MSS {theirs['snd_mss']}"),
            (5000 < theirs["snd_wnd"] < 6200, f"six segments of window ({theirs['snd_wnd']})"),
            (theirs["widest"] > 12000, f"which opens ({theirs['widest']})"),
            (theirs["acks"] > TICKS - 3, f"ACKs do not wait ({theirs['acks']} of {TICKS})"),
            (ours["rto"] > 430000, f"time-out {ours['rto']} us, not TCP_RTO_MIN_US"),
            (ours["congestion"] == "reno", f"congestion control {ours['congestion']}"),
            (ours["chosen"] == "done", "which the user may exchange"),
        ])
        words = "window 9000 congctl lock reno initcwnd 20"
        self.over(words.split(), lambda ours, theirs: [
            (ours["flight"] == 20, f"twenty segments at first ({ours['flight']})"),
            (theirs["snd_wnd"] <= 9000, f"a window of {theirs['snd_wnd']}"),
            (ours["congestion"] == "reno", f"congestion control {ours['congestion']}"),
            (ours["chosen"] == "EPERM", f"which the user may not exchange ({ours['chosen']})"),
        ])

    def locks(self):
        """Where we take a route at its word and the kernel's TCP does not always: `window` once the
        receive buffer grew, the others without an entry of tcp_metrics."""
        words = "window 9000 cwnd lock 8 ssthresh 7 reordering 9"
        self.over(words.split(), lambda ours, theirs: [
            (theirs["widest"] <= 9000, f"no window beyond ({theirs['widest']})"),
            (ours["cwnd"] == 8, f"congestion window {ours['cwnd']}"),
            (ours["most"] <= 8, f"never more than eight segments out ({ours['most']})"),
            (ours["ssthresh"] == 7, f"threshold {ours['ssthresh']}"),
            (ours["reordering"] == 9, f"reordering {ours['reordering']}"),
        ], ["rusttcp", "rusttcp6"])
        self.route()

    def streams(self, seconds, meanwhile):
        """A stream of each stack to an address of its own, and one of UDP: who could send all."""
        pairs = []
        for number, family in enumerate(FAMILIES):
            self.port += 1
            addr = f"fd00::1{number}" if family.endswith("6") else f"10.0.0.1{number}"
            server = self.start(1, "inet", "sink", addr, self.port)
            server.stdout.readline()
            client = self.start(0, family, "stream", "connect", addr, self.port, seconds)
            pairs.append((family, addr, server, client))
        meanwhile()
        for family, addr, server, client in pairs:
            sent, _ = client.communicate(timeout=60 * SLOW)
            got, _ = server.communicate(timeout=60 * SLOW)
            whole = server.returncode == 0 and client.returncode == 0
            whole = whole and json.loads(sent)["sent"] == json.loads(got)["got"] > 0
            yield family, addr, whole

    def neighbours(self):
        """Who is known to be there is not asked."""
        for number in range(8):
            for addr in [f"10.0.0.1{number}/24", f"fd00::1{number}/64"]:
                subprocess.run(["ip", "-n", self.names[1], "addr", "add", addr, "dev", "vb",
                                *(["nodad", "preferred_lft", "0"] if ":" in addr else [])], check=True)
        for version in ["ipv4", "ipv6"]:
            self.sysctl(0, f"net.{version}.neigh.va.base_reachable_time_ms=800",
                        f"net.{version}.neigh.va.delay_first_probe_time=1")
        seconds = 6
        watch = self.start(1, "inet", "probes", "vb", seconds + 4)
        watch.stdout.readline()
        others = [self.start(0, "inet", "stream", "udp", addr, 9, seconds)
                  for addr in ["10.0.0.17", "fd00::17"]]
        results = list(self.streams(seconds, lambda: None))
        for other in others:
            other.wait()
        asked = json.loads(watch.communicate()[0])
        for addr in ["10.0.0.17", "fd00::17"]:
            say(asked.get(addr, 0) > 0, f"a stream of UDP: asks ({asked.get(addr, 0)} times)")
        for family, addr, whole in results:
            say(whole, f"{family}: a stream to a neighbour of its own")
            say(asked.get(addr, 0) == 0, f"{family}: does not ask ({asked.get(addr, 0)} times)")

    def dead_path(self):
        """IP is told of time-outs; the path comes back."""
        self.sysctl(0, "net.ipv4.tcp_retries1=1")

        def cut():
            time.sleep(1.5)
            self.delay("loss", "100%")
            time.sleep(2.5)
            self.delay()

        for family, _, whole in self.streams(3, cut):
            say(whole, f"{family}: time-outs beyond tcp_retries1, then everything arrives")


def main():
    """See above."""
    what, *words = sys.argv[1:]
    if what == "check":
        test = Test(*words[:2])
        for part in words[2:] or ["metrics", "locks", "neighbours", "dead_path"]:
            getattr(test, part)()
        return
    if what in ("subject", "peer"):
        sock = meet(words[0], words[1], int(words[2]))
        out = (subject if what == "subject" else peer)(sock)
    elif what == "stream":
        out = stream(words[0], words[1], int(words[2]), float(words[3]))
    elif what == "sink":
        out = sink(words[0], int(words[1]))
    else:
        out = probes(words[0], float(words[1]))
    print(json.dumps(out))


main()
