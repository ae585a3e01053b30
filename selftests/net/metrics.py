#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What routes say of TCP, and what TCP tells IP of them. Run by metrics.sh and neighbours.sh.

metrics.py A B PART...: prints lines "0 what" (as it should be) or "1 what". A and B are namespaces,
joined by va and vb, which delay for 50 ms each. What is tested is in A, over the routes of A; its peer
in B is the kernel's TCP.
"""
import errno
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from stack import enter, new_socket, tcp_info  # noqa: E402

TCP_RTO_MIN_US = 45
FAMILIES = ["inet", "inet6", "rusttcp", "rusttcp6"]
SLOW = 4 if os.environ.get("RUSTTCP_DEBUG") == "1" else 1
TICKS = 40


def info(sock):
    """What TCP_INFO tells."""
    told = tcp_info(sock)
    return {**told, "ecn": told["options"] & 8 != 0}


class Process:
    """What a function returns, which runs in a process, in a namespace, with sockets of a stack."""

    def __init__(self, namespace, family, what, *words):
        self.out, self.to = os.pipe()
        self.family, self.left = family, b""
        self.pid = os.fork()
        if self.pid:
            os.close(self.to)
            return
        try:
            os.close(self.out)
            enter(namespace)
            told = what(self, *words)
            self.say(json.dumps(told))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    def say(self, line):
        """In the process: a line for who started it."""
        os.write(self.to, line.encode() + b"\n")

    def line(self):
        """What it says next; nothing if that takes too long, or it has ended."""
        until = time.monotonic() + 60 * SLOW
        while b"\n" not in self.left:
            ready, _, _ = select.select([self.out], [], [], max(0, until - time.monotonic()))
            part = os.read(self.out, 65536) if ready else b""
            if not part:
                return ""
            self.left += part
        text, _, self.left = self.left.partition(b"\n")
        return text.decode()

    def told(self):
        """What the function returned; None if it failed."""
        text = self.line()
        if not text:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.out)
        status = os.waitpid(self.pid, 0)[1]
        return json.loads(text) if text and status == 0 else None


def meet(process, how, addr, port):
    """A connection to (connect) or from (listen) the other process."""
    sock = new_socket(process.family)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if how == "connect":
        sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MIN_US, 50000)
        sock.connect((addr, port))
        return sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MIN_US, 50000)
    sock.bind((addr, port))
    sock.listen()
    process.say("ready")
    return sock.accept()[0]


def choose(sock, name):
    """What choosing a congestion control comes to."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


def subject(process, gate, *where):
    """The end over whose route it goes. It reads when the gate says that the other one has counted."""
    sock = meet(process, *where)
    time.sleep(0.3)
    out = info(sock)
    name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    out["congestion"] = name.split(b"\0")[0].decode()
    sock.setblocking(False)
    began = time.monotonic()
    sent = sock.send(bytes(60000))
    out["flight"] = info(sock)["unacked"]
    # Before the first ACK.
    out["late"] = time.monotonic() - began > 0.09
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
    # What is not read is not acknowledged for that. (If there is no room for all of it, nothing more comes.)
    unread = 0
    while not select.select([gate[0]], [], [], 2)[0]:
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


def peer(process, gate, *where):
    """The other end."""
    sock = meet(process, *where)
    time.sleep(0.3)
    out = info(sock)
    while not sock.recv(65536).endswith(b"z"):
        pass
    out["acks"], late = ticks(sock)
    # Each is acknowledged by itself then.
    out["late"] = late > 2
    widest = 0
    for _ in range(60):
        sock.sendall(bytes(1000))
        widest = max(widest, info(sock)["snd_wnd"])
        time.sleep(0.002)
    os.write(gate[1], b"!")
    while info(sock)["unacked"] or info(sock)["notsent_bytes"]:
        time.sleep(0.01)
    out["widest"] = max(widest, info(sock)["snd_wnd"])
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):
        pass
    return out


def stream(process, how, addr, port, end):
    """Some bytes every 50 ms, one way, until `end` is readable; by UDP too, of which nobody tells IP anything."""
    if how == "udp":
        kind = socket.AF_INET6 if ":" in addr else socket.AF_INET
        sock = socket.socket(kind, socket.SOCK_DGRAM)
        sock.connect((addr, port))
    else:
        sock = meet(process, how, addr, port)
    sent = 0
    while not select.select([end], [], [], 0.05)[0]:
        try:
            sent += sock.send(bytes(200))
        except ConnectionRefusedError:
            pass
    if how != "udp":
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    return {"sent": sent}


def sink(process, addr, port):
    """Reads all that there is."""
    sock = meet(process, "listen", addr, port)
    got = 0
    while True:
        data = sock.recv(65536)
        if not data:
            return {"got": got}
        got += len(data)


def probes(process, dev, wanted, end):
    """How often each address was asked for by who knows its hardware address already, until `end` is readable.
    Says when those wanted were asked for."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((dev, 0))
    process.say("ready")
    asked = {}
    while True:
        ready, _, _ = select.select([sock, end], [], [])
        if sock not in ready:
            return asked
        frame, (_, _, kind, *_) = sock.recvfrom(2048)
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
        if wanted and wanted <= asked.keys():
            process.say("asked")
            wanted = None


# --- the test -------------------------------------------------------------------------------------


def say(good, what):
    """A line for metrics.sh."""
    print(0 if good else 1, what, flush=True)


def kernels(family):
    """The kernel's TCP of the same version of IP."""
    return "inet6" if family.endswith("6") else "inet"


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

    def start(self, side, family, what, *words):
        """A process of a stack in A (0) or B (1)."""
        return Process(self.names[side], family, what, *words)

    def route(self, *words):
        """What the routes from A to B say."""
        for addr in ["10.0.0.2/32", "fd00::2/128"]:
            self.ip("route", "replace", addr, "dev", "va", *words)

    def sessions(self, wanted):
        """A connection for each (how, family), all at once: what both ends tell."""
        first = []
        for how, family in wanted:
            self.port += 1
            side = 1 if how == "connect" else 0
            addr = f"fd00::{side + 1}" if family.endswith("6") else f"10.0.0.{side + 1}"
            gate = os.pipe()
            other = "listen" if how == "connect" else "connect"
            ours = (0, family, subject, gate, how, addr, self.port)
            theirs = (1, kernels(family), peer, gate, other, addr, self.port)
            listens, connects = (theirs, ours) if how == "connect" else (ours, theirs)
            first.append((how, family, gate, self.start(*listens), connects))
        pairs = []
        for how, family, gate, listener, connects in first:
            listener.line()
            pairs.append((how, family, gate, listener, self.start(*connects)))
        for how, family, gate, listener, other in pairs:
            ends = [listener.told(), other.told()]
            for fd in gate:
                os.close(fd)
            yield how, family, *(reversed(ends) if how == "connect" else ends)

    def over(self, words, judge, families=FAMILIES):
        """Connections both ways over routes that say `words`; `judge` lists what it thinks of one."""
        self.route(*words)
        wanted = [(how, family) for how in ("connect", "listen") for family in families]
        for tries in range(5):
            late = []
            for how, family, ours, theirs in self.sessions(wanted):
                name = f"{family}, {how}, {' '.join(words) or 'a plain route'}"
                if ours is None or theirs is None:
                    say(False, f"{name}: no connection")
                    continue
                judged = judge(ours, theirs)
                # Once more, if the machine was busy elsewhere.
                if tries < 4 and (ours["late"] or theirs["late"]) and not all(good for good, _ in judged):
                    late.append((how, family))
                    continue
                for good, what in judged:
                    say(good, f"{name}: {what}")
            wanted = late

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
            (ours["snd_cwnd"] == 8, f"congestion window {ours['snd_cwnd']}"),
            (ours["most"] <= 8, f"never more than eight segments out ({ours['most']})"),
            (ours["snd_ssthresh"] == 7, f"threshold {ours['snd_ssthresh']}"),
            (ours["reordering"] == 9, f"reordering {ours['reordering']}"),
        ], ["rusttcp", "rusttcp6"])
        self.route()

    def streams(self, meanwhile, end):
        """A stream of each stack to an address of its own, for as long as `meanwhile` takes: who could send
        all."""
        pairs = []
        for number, family in enumerate(FAMILIES):
            self.port += 1
            addr = f"fd00::1{number}" if family.endswith("6") else f"10.0.0.1{number}"
            server = self.start(1, kernels(family), sink, addr, self.port)
            server.line()
            client = self.start(0, family, stream, "connect", addr, self.port, end[0])
            pairs.append((family, addr, server, client))
        meanwhile()
        os.write(end[1], b"!")
        for family, addr, server, client in pairs:
            sent, got = client.told(), server.told()
            yield family, addr, bool(sent and got and sent["sent"] == got["got"] > 0)

    def neighbours(self):
        """Who is known to be there is not asked."""
        batch = [f"addr add {addr}" for number in range(8) for addr in
                 (f"10.0.0.1{number}/24 dev vb", f"fd00::1{number}/64 dev vb nodad preferred_lft 0")]
        subprocess.run(["ip", "-n", self.names[1], "-batch", "-"], input="\n".join(batch), text=True, check=True)
        for version in ["ipv4", "ipv6"]:
            self.sysctl(0, f"net.{version}.neigh.va.base_reachable_time_ms=800",
                        f"net.{version}.neigh.va.delay_first_probe_time=1")
        others = ["10.0.0.17", "fd00::17"]
        end, over = os.pipe(), os.pipe()
        watch = self.start(1, "inet", probes, "vb", set(others), over[0])
        watch.line()

        def until_asked():
            """After the streams of TCP those of UDP begin: whom those ask for, these could have."""
            processes.extend(self.start(0, "inet", stream, "udp", addr, 9, end[0]) for addr in others)
            watch.line()

        processes = []
        results = list(self.streams(until_asked, end))
        for process in processes:
            process.told()
        os.write(over[1], b"!")
        asked = watch.told() or {}
        for addr in others:
            say(asked.get(addr, 0) > 0, f"a stream of UDP: asks ({asked.get(addr, 0)} times)")
        for family, addr, whole in results:
            say(whole, f"{family}: a stream to a neighbour of its own")
            say(asked.get(addr, 0) == 0, f"{family}: does not ask ({asked.get(addr, 0)} times)")

    def dead_path(self):
        """IP is told of time-outs; the path comes back."""
        self.sysctl(0, "net.ipv4.tcp_retries1=1")

        def cut():
            time.sleep(1)
            self.delay("loss", "100%")
            time.sleep(2.5)
            self.delay()

        for family, _, whole in self.streams(cut, os.pipe()):
            say(whole, f"{family}: time-outs beyond tcp_retries1, then everything arrives")


def main():
    """See above."""
    test = Test(*sys.argv[1:3])
    for part in sys.argv[3:]:
        getattr(test, part)()


main()
