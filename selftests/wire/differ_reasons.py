#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Whether differ.py would notice: answers that are missing, or are too many, have no reason."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import differ

SYN_ACK = "S. 0:0 ack 1 mss 1460 <mss>"
OPEN = [([SYN_ACK], None), ([], None)]
DATA = ". at +0 len 100 ack nxt"

# What it is, the steps before, the step, what the kernel's TCP sends and what ours does.
FAULTS = (
    ("data in order is not acknowledged", [], DATA, [". 1:1 ack 101"], []),
    ("data in order is not acknowledged, after a part of ours was", ["send 1000", ". at +0 len 0 ack half"], DATA,
     [". 1001:1001 ack 101"], []),
    ("no challenge ACK", [], "S at +0 len 0 ack nxt", [". 1:1 ack 1"], []),
    ("a FIN is not sent", [], "shutdown 1", ["F. 1:1 ack 1"], []),
    ("data is not sent", [], "send 500", [". 1:501 ack 1"], []),
    ("data is sent twice as far", [], "send 500", [". 1:501 ack 1"], [". 1:501 ack 1", ". 501:1001 ack 1"]),
    ("data out of nothing", [], DATA, [". 1:1 ack 101"], [". 1:1 ack 101", ". 1:11 ack 101"]),
    ("no reset", [], "close", ["R 1:1 ack None"], []),
    ("no reset of what came after close()", ["close"], DATA, ["R 2:2 ack None"], [". 2:2 ack 1"]),
    ("no reset in a connection that is not half-open", ["shutdown 1"], ". at +0 len 0 ack future", ["R 2:2 ack None"],
     [". 2:2 ack 1"]),
    ("an answer to what needs none", [], ". at +0 len 0 ack nxt", [], [". 1:1 ack 1"]),
    ("another number", [], DATA, [". 1:1 ack 101"], [". 1:1 ack 100"]),
)


def main():
    print("KTAP version 1")
    failed = 0
    for n, (what, before, step, kernel, ours) in enumerate(FAULTS, 1):
        labels = ["open", "handshake"] + before + [step]
        past = OPEN + [([], None)] * len(before)
        reason = differ.reason_for({"open": {"mss": 1000}}, labels, len(labels) - 1, past + [(kernel, None)],
                                   past + [(ours, None)])
        failed += reason is not None
        print(f"{'not ' if reason else ''}ok {n} - {what}{': ' + reason if reason else ''}")
    print(f"1..{len(FAULTS)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
