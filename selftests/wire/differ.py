#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The same scripted exchange with the kernel's TCP and with ours, segment by segment.

    differ.py [--first SEED] [--count N] [--verbose] [--out FILE]
    differ.py --table FILE    writes Documentation/differences.rst from what --out wrote

RUSTTCP_FAMILY is inet or inet6; --out adds that family's result to what is in FILE.

Each script is made from a seed: how the connection opens, what a peer sends (data in order, out of
order, old, overlapping, beyond the window; ACKs of the past and of the future; FIN, RST, SYN, URG and
no flags at all; SACK blocks, old timestamps, small windows) and what the user calls. Both stacks
play it in the same guest at the same time, with numbers relative to their own. After each step
what came is compared: flags (but PSH), sequence and acknowledgment number, which options, SACK blocks,
the timestamp echoed, whether the window is shut; and what the call said. Not compared: what was sent
before and is sent again, other windows and their scale, and how data that follows on is cut.

A difference that has a reason (REASONS, Documentation/differences.rst) ends a script without fault.
The clock should be virtual (tools/vm --virtual-time), since each step waits out delayed ACKs.
"""
import argparse
import errno
import json
import os
import random
import socket
import struct
import sys
import time
import typing

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import peer
from report import write_page
from peer import ACK, FIN, PSH, RST, SYN, URG, HOST, PEER
from stack import new_socket

STACKS = ("inet6", "rusttcp6") if peer.V6 else ("inet", "rusttcp")
# Longer than either stack delays an ACK.
SETTLE = 0.21
KINDS = {2: "mss", 3: "wscale", 4: "sackok", 5: "sack", 8: "ts", 34: "fastopen", 172: "accecn",
         174: "accecn"}


def options_of(seg):
    """Kinds and contents of a segment's options."""
    found, rest = {}, seg.options
    while rest and rest[0]:
        if rest[0] == 1:
            rest = rest[1:]
            continue
        size = rest[1]
        found[KINDS.get(rest[0], rest[0])] = rest[2:size]
        rest = rest[size:]
    return found


def names(flags):
    letters = ((SYN, "S"), (FIN, "F"), (RST, "R"), (URG, "U"), (ACK, "."))
    return "".join(letter for bit, letter in letters if flags & bit) or "-"


class Player:
    """A script on one of the stacks."""

    def __init__(self, wire, stack, script):
        self.wire, self.kernels = wire, stack.startswith("inet")
        self.script = script
        self.end = None
        self.sock = self.server = None
        self.iss = None          # the stack's first number
        self.irs = 5_000_000     # ours
        self.tsval = 1000
        self.tsecr = 0
        self.una = self.nxt = 0  # of the stack, relative: acknowledged by us, and sent
        self.next = 1            # of ours, relative: what the stack waits for
        self.seen = set()
        self.came = []
        self.ts_on = False
        self.before = 0

    def socket(self):
        return new_socket(("inet" if self.kernels else "rusttcp") + ("6" if peer.V6 else ""))

    # --- what came ---------------------------------------------------------------------------------

    def take(self, seg):
        """Notes a segment of the stack's."""
        if seg.flags & SYN:
            self.iss = seg.seq
        options = options_of(seg)
        if "ts" in options and not seg.flags & RST:
            self.tsecr = struct.unpack("!I", options["ts"][:4])[0]
        rel = lambda n, zero: None if zero is None else ((n - zero + 2**31) % 2**32) - 2**31
        seq = rel(seg.seq, self.iss) if seg.seq else 0
        ack = rel(seg.ack, self.irs) if seg.flags & ACK else None
        length = len(seg.data) + bool(seg.flags & SYN) + bool(seg.flags & FIN)
        key = (seg.flags & ~(PSH | 0xc0), seq, len(seg.data), seg.flags & (SYN | FIN | RST))
        if length and seq is not None and not seg.flags & RST:
            if seq + length <= self.nxt and (key in self.seen or seq + length <= self.nxt):
                return           # sent again, perhaps cut otherwise
            self.nxt = max(self.nxt, seq + length)
        self.seen.add(key)
        text = f"{names(seg.flags)} {seq}:{(seq or 0) + len(seg.data)} ack {ack}"
        if seg.flags & SYN:
            text += f" mss {struct.unpack('!H', options['mss'])[0]}" if "mss" in options else ""
        if options:
            text += " <" + ",".join(sorted(str(kind) for kind in options)) + ">"
        if "ts" in options and seg.flags & ACK and not seg.flags & RST:
            text += f" ecr {struct.unpack('!I', options['ts'][4:8])[0]}"
        if "sack" in options:
            edges = struct.unpack(f"!{len(options['sack']) // 4}I", options["sack"])
            text += " sack " + " ".join(str(rel(edge, self.irs)) for edge in edges)
        if not seg.win and not seg.flags & RST:
            text += " win 0"
        # How much goes into a segment is the sender's own; the stream is compared.
        if len(self.came) > self.before and self.came[-1] == text:
            return
        self.came.append(text)

    # --- steps -------------------------------------------------------------------------------------

    def open(self):
        how = self.script["open"]
        options = b""
        if "mss" in how:
            options += struct.pack("!BBH", 2, 4, how["mss"])
        if "sack" in how:
            options += b"\4\2"
        if "wscale" in how:
            options += b"\1" + bytes([3, 3, how["wscale"]])
        if "ts" in how:
            self.ts_on = True
            options += b"\1\1" + struct.pack("!BBII", 8, 10, self.tsval, 0)
        self.syn_options = options
        if how["active"]:
            self.sock = self.socket()
            self.sock.bind((HOST, 0))
            self.sock.setblocking(False)
            self.end = peer.End(self.wire, self.sock.getsockname()[1], seq=self.irs)
            return self.call(self.sock.connect, (PEER, self.end.port))
        self.server = self.socket()
        self.server.bind((HOST, 0))
        self.server.listen(4)
        self.server.setblocking(False)
        self.end = peer.End(self.wire, self.server.getsockname()[1], seq=self.irs)
        self.end.send(SYN, seq=self.irs, options=options)
        return None

    def shake(self):
        """The peer's part of the handshake, and accept()."""
        if self.script["open"]["active"]:
            self.raw(SYN | ACK, 0, 1, options=self.syn_options)
            return None
        self.raw(ACK, 1, 1)
        return None

    def call(self, function, *args):
        try:
            result = function(*args)
        except OSError as e:
            return errno.errorcode.get(e.errno, e.errno)
        return len(result) if isinstance(result, bytes) else result

    def raw(self, flags, seq, ack, data=b"", win=65535, options=None, ts=0, urg=0, blocks=()):
        """A segment of the peer's, its numbers relative."""
        if options is None:
            options = b""
            if self.ts_on and ts is not None:
                self.tsval += 1
                options += b"\1\1" + struct.pack("!BBII", 8, 10, (self.tsval + ts) & 0xffffffff,
                                                 self.tsecr)
            if blocks:
                options += b"\1\1" + bytes([5, 2 + 8 * len(blocks)])
                for start, stop in blocks:
                    options += struct.pack("!II", (self.iss + start) & 0xffffffff,
                                           (self.iss + stop) & 0xffffffff)
        elif self.ts_on and flags == SYN | ACK:
            # The SYN-ACK echoes what the SYN had.
            options = options.replace(struct.pack("!II", 1000, 0), struct.pack("!II", 1000, self.tsecr))
        self.wire.write(self.end.build(flags, data, seq=self.irs + seq, ack=(self.iss or 0) + ack,
                                       win=win, options=options, urg=urg))

    def step(self, step):
        """Plays one step; what the call says, or None."""
        what = step["do"]
        if what == "segment":
            ack = {"nxt": self.nxt, "una": self.una, "half": (self.una + self.nxt + 1) // 2,
                   "old": self.una - 1, "ancient": self.una - 200_000, "future": self.nxt + 5000,
                   "near": self.nxt + 1}[step["ack"]]
            seq = self.next + step["at"]
            length = step["len"]
            data = bytes((seq + i) & 0xff for i in range(length))
            blocks = [(self.nxt + a, self.nxt + b) for a, b in step["blocks"]]
            self.raw(step["flags"], seq, ack, data, step["win"], ts=step["ts"], urg=step["urg"],
                     blocks=blocks)
            if step["flags"] & ACK and self.una <= ack <= self.nxt:
                self.una = ack
            return None
        if what == "accept":
            try:
                self.sock, _ = self.server.accept()
            except OSError as e:
                return errno.errorcode[e.errno]
            self.sock.setblocking(False)
            return 0
        if self.sock is None:
            return "no socket"
        if what == "send":
            return self.call(self.sock.send, b"x" * step["len"])
        if what == "recv":
            return self.call(self.sock.recv, step["len"])
        if what == "shutdown":
            return self.call(self.sock.shutdown, step["how"])
        if what == "error":
            return self.call(self.sock.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
        if what == "close":
            self.sock.close()
            self.sock = None
            return 0
        raise ValueError(what)

    def advance(self, before):
        """What the stack acknowledged is what the peer goes on from."""
        for text in self.came[before:]:
            words = text.split()
            if "ack" in words and words[words.index("ack") + 1] != "None" and "R" not in words[0]:
                self.next = max(self.next, int(words[words.index("ack") + 1]))

    def finish(self):
        """The state at the end; and nothing stays."""
        self.end.host_port = self.end.host_port
        path = "/proc/net/" + ("tcp" if self.kernels else "rusttcp") + ("6" if peer.V6 else "")
        state = "none"
        with open(path, encoding="ascii") as f:
            for line in f.readlines()[1:]:
                field = line.split()
                if int(field[1].split(":")[1], 16) == self.end.host_port and \
                        int(field[2].split(":")[1], 16) == self.end.port:
                    state = peer.STATES[int(field[3], 16)]
        unread = 0
        if self.sock is not None:
            got = self.call(self.sock.recv, 1 << 20)
            unread = got
        if self.iss is not None:
            self.raw(RST, self.next, 0)
        for sock in (self.sock, self.server):
            if sock is not None:
                sock.close()
        return f"{state}, {unread} left to read"


def collect(wire, players, seconds):
    """Hands what comes to whom it belongs."""
    deadline = time.monotonic() + seconds
    while True:
        seg = wire.read(deadline)
        if seg is None:
            return
        for player in players:
            if player.end and seg.dport == player.end.port:
                player.take(seg)


# --- scripts ---------------------------------------------------------------------------------------

def segment(flags=ACK, at=0, length=0, ack="nxt", win=65535, ts=0, urg=0, blocks=()):
    return {"do": "segment", "flags": flags, "at": at, "len": length, "ack": ack, "win": win, "ts": ts,
            "urg": urg, "blocks": list(blocks)}


def make(seed):
    rng = random.Random(seed)
    how = {"active": rng.random() < 0.3}
    if rng.random() < 0.9:
        how["mss"] = rng.choice((536, 1000, 1460))
    for name, chance in (("sack", 0.7), ("ts", 0.5)):
        if rng.random() < chance:
            how[name] = True
    if rng.random() < 0.5:
        how["wscale"] = rng.choice((0, 3, 7))
    steps = [] if how["active"] or rng.random() < 0.05 else [{"do": "accept"}]
    length = lambda: rng.choice((1, 10, 100, 500, 536, 1000))

    def in_order():
        return segment(ACK | (PSH if rng.random() < 0.5 else 0), 0, length())

    def out_of_order():
        return segment(ACK, rng.choice((1, 100, 1000, 2000, 3000, 9000)), length())

    def old():
        n = length()
        return segment(ACK, -rng.choice((1, 5, n, n + 1, 2 * n)), n)

    def beyond():
        return segment(ACK, rng.choice((10_000_000, 1 << 30, -100_000, -(1 << 30))), rng.choice((0, 1, 100)))

    def acks():
        return segment(ACK, rng.choice((0, 0, 0, -1)), rng.choice((0, 0, 10)),
                       rng.choice(("nxt", "half", "una", "old", "ancient", "future", "near")),
                       rng.choice((65535, 65535, 100, 0)))

    def fin():
        return segment(FIN | ACK, rng.choice((0, 0, 0, 100, 2000, -1)), rng.choice((0, 0, 10, 500)),
                       rng.choice(("nxt", "nxt", "una")))

    def rst():
        return segment(rng.choice((RST, RST | ACK)), rng.choice((0, 1, 100, -1, -100, 10_000_000)), 0,
                       rng.choice(("nxt", "una", "future")))

    def syn():
        return segment(rng.choice((SYN, SYN | ACK)), rng.choice((0, 1, 100, -1, 10_000_000)), 0,
                       rng.choice(("nxt", "una")))

    def odd():
        return segment(rng.choice((0, PSH, FIN, URG, FIN | SYN, FIN | SYN | ACK, RST | SYN, FIN | RST | ACK)),
                       rng.choice((0, 1, -1)), rng.choice((0, 10)), "nxt")

    def urgent():
        n = length()
        return segment(ACK | URG, rng.choice((0, 0, 500)), n, urg=rng.choice((0, 1, n, n + 50)))

    def sacks():
        starts = rng.choice((-1000, -500, -100, 0, 1000))
        return segment(ACK, 0, 0, rng.choice(("una", "half", "nxt")),
                       blocks=[(starts, starts + rng.choice((1, 100, 500, -10)))])

    def paws():
        return segment(rng.choice((ACK, ACK, FIN | ACK, RST)), rng.choice((0, 0, 100)), rng.choice((0, 10, 100)),
                       ts=rng.choice((-100_000, -500, None)))

    user = (lambda: {"do": "send", "len": rng.choice((1, 10, 500, 1000, 3000))},
            lambda: {"do": "recv", "len": rng.choice((1, 100, 10_000))},
            lambda: {"do": "error"},
            lambda: {"do": "shutdown", "how": rng.choice((0, 1, 1, 2))},
            lambda: {"do": "close"})
    makers = ((in_order, 5), (out_of_order, 4), (old, 3), (beyond, 1), (acks, 4), (fin, 1), (rst, 1), (syn, 1),
              (odd, 1), (urgent, 1), (sacks, 2), (paws, 1 + ("ts" in how)),
              (user[0], 4), (user[1], 4), (user[2], 1), (user[3], 1), (user[4], 0.5))
    for _ in range(rng.randint(4, 12)):
        steps.append(rng.choices([maker for maker, _ in makers], [weight for _, weight in makers])[0]())
    return {"seed": seed, "open": how, "steps": steps}


def show(step):
    if step["do"] != "segment":
        return " ".join(str(value) for value in step.values())
    text = f"{names(step['flags'])} at {step['at']:+} len {step['len']} ack {step['ack']}"
    for name in ("win", "ts", "urg", "blocks"):
        if step[name] != {"win": 65535, "ts": 0, "urg": 0, "blocks": []}[name]:
            text += f" {name} {step[name]}"
    return text


def play(wire, script):
    """Both traces: for each step what came, and what the call said."""
    players = [Player(wire, stack, script) for stack in STACKS]
    traces = ([], [])

    def both(what, wait=SETTLE):
        befores = [len(player.came) for player in players]
        for player, before in zip(players, befores):
            player.before = before
        said = [what(player) for player in players]
        collect(wire, players, wait)
        # What is not there yet in a guest that has just begun, or is busy: each begins with a SYN.
        for _ in range(50):
            if all(player.iss is not None for player in players):
                break
            collect(wire, players, wait)
        for player, trace, before, answer in zip(players, traces, befores, said):
            player.advance(before)
            trace.append((tuple(player.came[before:]), answer))

    labels = ["open", "handshake"]
    both(lambda player: player.open())
    both(lambda player: player.shake())
    for step in script["steps"]:
        labels.append(show(step))
        both(lambda player, step=step: player.step(step))
    labels.append("end")
    both(lambda player: player.finish())
    return labels, traces


# --- differences that have a reason ----------------------------------------------------------------

class Case(typing.NamedTuple):
    """A difference: a step, what the kernel's TCP and ours answered, and what came before."""
    label: str
    kernel: list            # what came, each segment a text
    ours: list
    said: bool              # the call said the same
    before: list            # the labels of the steps until then
    past: list              # what the kernel's TCP sent in them (and ours too, or it would not be the first)
    mss: int                # that the peer offered


def without_sack(text):
    """A segment's text without what SACK says in it."""
    return text.split(" sack ")[0].replace("sack,", "").replace(" <sack>", "")


def numbers(text):
    """The first number of a segment and the one behind its last, and what it acknowledges."""
    _, numbers_, _, ack = text.split()[:4]
    first, end = numbers_.split(":")
    return int(first), int(end), int(ack) if ack != "None" else 0


def carries(text):
    """Whether a segment has data, and neither SYN nor FIN nor RST."""
    first, end, _ = numbers(text)
    return end > first and text.split()[0] in (".", "U.")


def has_flag(label, flag):
    """Whether a step is a segment of the peer's with that flag."""
    return " at " in label and flag in label.split()[0]


def reaches(label):
    """How far a step's data goes beyond what is expected next; 0: it has none, or is no segment."""
    words = label.split()
    if " at " not in label or words[4] == "0":
        return 0
    return int(words[2]) + int(words[4])


def had_fin(case):
    return any(has_flag(label, "F") for label in case.before)


def sent_until(case):
    """One beyond the last number that was sent."""
    return max((numbers(text)[1] for came in case.past for text in came if text.split()[0] != "R"), default=1)


def written(case):
    """Bytes that the user has written."""
    return sum(int(label.split()[1]) for label in case.before + [case.label] if label.startswith("send "))


def alike_but_for_sack(case):
    return case.said and len(case.kernel) == len(case.ours) and \
        all(without_sack(a) == without_sack(b) for a, b in zip(case.kernel, case.ours))


def fin_in_block(case):
    return has_flag(case.label, "F") and alike_but_for_sack(case)


def room_for_blocks(case):
    kernel, ours = case.kernel, case.ours
    if not (case.label.startswith("send") and case.said and kernel and ours and
            "sack" in kernel[0] and "sack" in ours[0]):
        return False
    short = numbers(kernel[-1])[1] - numbers(ours[-1])[1]
    # All of it in other pieces; or no more than one piece, because the window takes no more.
    return short == 0 or len(kernel) == len(ours) == 1 and 0 < short <= 3 * 8


def bytes_for_segments(case):
    """After a partial acknowledgment the kernel sends one or more segments of data more."""
    more = case.kernel[len(case.ours):]
    partly = any("ack half" in label or "ack una" in label for label in case.before + [case.label])
    return case.said and partly and bool(more) and case.kernel[:len(case.ours)] == case.ours and \
        all(carries(text) for text in more) and numbers(more[0])[0] > 1


def data_behind_fin(case):
    return had_fin(case) and reaches(case.label) > 0 and any(text.startswith("R ") for text in case.kernel) and \
        not any("R" in text.split()[0] for text in case.ours)


def answered(case):
    """The kernel says nothing where we acknowledge."""
    return not case.kernel and len(case.ours) == 1 and case.ours[0].startswith(". ") and case.said and \
        not carries(case.ours[0])


def answered_behind_fin(case):
    return answered(case) and had_fin(case) and " at +" in case.label and \
        (" len 0" not in case.label or has_flag(case.label, "F"))


def answered_without_flags(case):
    return answered(case) and case.label.split()[0] in ("-", "U")


def reset_and_answered(case):
    """The kernel resets where we acknowledge."""
    return len(case.kernel) == len(case.ours) == 1 and case.kernel[0].startswith("R ") and \
        case.ours[0].startswith(". ") and not carries(case.ours[0]) and case.said


def half_open_order(case):
    """A SYN of the peer's that came late enough made a new connection of an old one, which waits for its ACK."""
    syn = [n for n, label in enumerate(case.before) if label.startswith("S at +")]
    return reset_and_answered(case) and bool(syn) and numbers(case.ours[0])[2] > 1_000_000 and \
        not has_flag(case.label, "S")


def fin_after_close(case):
    closed = any(label.startswith(("shutdown 2", "close")) for label in case.before)
    words = case.label.split()
    return reset_and_answered(case) and closed and has_flag(case.label, "F") and words[2] != "+0" and words[4] == "0"


def answered_iss(case):
    if not any(f"ack {name}" in case.label for name in ("old", "una", "half")):
        return False
    acked = any(f"ack {name}" in label for label in case.before for name in ("nxt", "half", "near"))
    if reset_and_answered(case) and case.past[0][0].startswith("S ") and not acked:
        return True
    # The kernel's TCP takes what the segment brings besides.
    taken = case.kernel and len(case.kernel) == len(case.ours) and case.said and \
        all(numbers(a)[:2] == numbers(b)[:2] and numbers(a)[2] > numbers(b)[2]
            for a, b in zip(case.kernel, case.ours))
    return bool(taken) or answered(case)


def answered_after_fin(case):
    closed = any(label.startswith(("shutdown 1", "shutdown 2", "close")) for label in case.before)
    return answered(case) and closed and " at -" in case.label


def answered_old_time(case):
    return answered(case) and " ts -" in case.label and " len 0 " in case.label and not has_flag(case.label, "F")


def fin_came_twice(case):
    return had_fin(case) and " at -" in case.label and alike_but_for_sack(case) and len(case.ours) == 1 and \
        " sack " in case.kernel[0] and " sack " not in case.ours[0]


def fin_amid_data(case):
    ahead = [text for text in case.before if " at +" in text and " at +0 " not in text and " len 0 " not in text]
    return has_flag(case.label, "F") and bool(ahead) and case.said and len(case.kernel) == len(case.ours) == 1 and \
        numbers(case.kernel[0])[:2] == numbers(case.ours[0])[:2] and \
        numbers(case.kernel[0])[2] < numbers(case.ours[0])[2]


def probe(case):
    """What was written, and the kernel holds: less than a segment, next to be sent, in one piece."""
    extra = case.ours[len(case.kernel):]
    if not case.said or case.ours[:len(case.kernel)] != case.kernel or len(extra) != 1 or not carries(extra[0]):
        return False
    first, end, _ = numbers(extra[0])
    return first == sent_until(case._replace(past=case.past + [case.kernel])) and end <= 1 + written(case) and \
        end - first < case.mss


def close_forgets(case):
    return case.label.startswith(("close", "shutdown")) and alike_but_for_sack(case)


REASONS = (
    ("a FIN out of order is no byte that a SACK block reports", fin_in_block),
    ("segments leave room for as many SACK blocks as there can be", room_for_blocks),
    ("close() drops what is out of order, and reports it no more", close_forgets),
    ("text behind the peer's FIN is ignored, not reset (RFC 9293, 3.10.7.4)", data_behind_fin),
    ("text behind the peer's FIN is answered by an ACK", answered_behind_fin),
    ("an unacceptable segment is acknowledged without flags, too (RFC 9293, 3.10.7.4, first)",
     answered_without_flags),
    ("an ACK of our first number alone is too old (RFC 5961, 5.2)", answered_iss),
    ("a half-open connection looks at the sequence number first (RFC 9293, 3.10.7.4)", half_open_order),
    ("a FIN that something is missing before is no data that comes after close()", fin_after_close),
    ("an old segment that acknowledges our FIN is answered all the same", answered_after_fin),
    ("an ACK with an old timestamp is answered (RFC 7323, 5.3, R1)", answered_old_time),
    ("the number of a FIN that comes again is no byte that came twice", fin_came_twice),
    ("a FIN amid data that came before it is not the end", fin_amid_data),
    ("a time-out or a tail probe lets out what Nagle held", probe),
    ("the congestion window counts bytes, not segments", bytes_for_segments),
)


def reason_for(script, labels, at, kernel, ours):
    case = Case(labels[at], list(kernel[at][0]), list(ours[at][0]), kernel[at][1] == ours[at][1], labels[:at],
                [list(came) for came, _ in kernel[:at]], script["open"].get("mss", 1220 if peer.V6 else 536))
    return next((name for name, matches in REASONS if matches(case)), None)


def add(path, result):
    """Adds a family's result to those in a file."""
    results = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            results = json.load(file)
    results[peer.FAMILY] = result
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1, sort_keys=True)


def columns(head, rows):
    """A table with a row of names above; the first column is text, the others are numbers."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [head] + rows:
        lines += [f"   {'*' if n == 0 else ' '} - {cell}" for n, cell in enumerate(row)]
    return "\n".join(lines)


def table(path):
    """The page, from the results of one run over each family."""
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    families = [(name, results[key]) for key, name in (("inet", "IPv4"), ("inet6", "IPv6")) if key in results]
    ours = [result for _, result in families]
    rows = [["scripts"] + [str(r["count"]) for r in ours],
            ["alike"] + [str(r["same"]) for r in ours]]
    rows += [[reason] + [str(r["reasons"].get(reason, 0)) for r in ours] for reason, _ in REASONS]
    rows += [["without a reason"] + [str(len(r["faults"])) for r in ours]]
    spans = {f"{r['first']} to {r['first'] + r['count'] - 1}" for r in ours}
    write_page(os.path.dirname(os.path.abspath(__file__)), "differences.rst", {
        "seeds": " and ".join(sorted(spans)),
        "commit": " and ".join(sorted({r["commit"] for r in ours})),
        "result": columns(["What came of a script"] + [name for name, _ in families], rows)})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--table")
    args = parser.parse_args()
    if args.table:
        return table(args.table)
    wire = peer.Wire()
    same, faults = 0, []
    reasons = {}
    print("KTAP version 1")
    for seed in range(args.first, args.first + args.count):
        script = make(seed)
        labels, (kernel, ours) = play(wire, script)
        at = next((n for n, pair in enumerate(zip(kernel, ours)) if pair[0] != pair[1]), None)
        if at is None:
            same += 1
            if not args.verbose:
                continue
        reason = None if at is None else reason_for(script, labels, at, kernel, ours)
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
            if not args.verbose:
                continue
        elif at is not None:
            faults.append(seed)
        print(f"# seed {seed}: {script['open']}{' (' + reason + ')' if reason else ''}")
        for n, label in enumerate(labels[:None if at is None else at + 1]):
            if n == at:
                print(f"#   {n}: {label}\n#      kernel: {kernel[n]}\n#      ours:   {ours[n]}")
            else:
                print(f"#   {n}: {label} -> {kernel[n]}")
        sys.stdout.flush()
    for reason, times in sorted(reasons.items()):
        print(f"# {times} times: {reason}")
    if args.out:
        add(args.out, {"first": args.first, "count": args.count, "same": same, "reasons": reasons,
                       "faults": faults, "commit": os.environ.get("DIFFER_COMMIT", "unknown")})
    print(f"{'not ' if faults else ''}ok 1 - {peer.FAMILY}: {args.count} scripts: {same} alike, "
          f"{sum(reasons.values())} with a reason, {len(faults)} without\n1..1")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
