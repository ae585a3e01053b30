#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draws a time-sequence plot of the server's data in a capture: plot.py CAPTURE PNG."""
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def main(capture, png):
    fields = ["frame.time_relative", "tcp.srcport", "tcp.seq", "tcp.ack", "tcp.len", "tcp.stream"]
    text = subprocess.run(
        ["tshark", "-r", capture, "-T", "fields"] + [a for f in fields for a in ("-e", f)],
        check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in text.splitlines()]
    rows = [r for r in rows if len(r) == 6 and all(r)]
    if not rows:
        sys.exit(f"{capture}: no TCP in it")
    data, again, acks = [], [], []
    top = 0
    for time, port, seq, ack, length, _ in rows:
        time, seq, ack, length = float(time), int(seq), int(ack), int(length)
        if port == "8001" and length > 0:
            (again if seq < top else data).append((time, seq / 1e6))
            top = max(top, seq + length)
        elif port != "8001":
            acks.append((time, ack / 1e6))
    figure, axes = plt.subplots(figsize=(10, 6))
    for points, style, label in ((data, "b.", "data"), (acks, "g-", "acknowledged"),
                                 (again, "r.", "sent again, or late")):
        if points:
            axes.plot(*zip(*points), style, markersize=2, linewidth=0.7, label=label)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("sequence number (MB)")
    axes.set_title("nginx on AF_RUSTTCP: 1 % loss, 10 ms delay each way, reordering")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(png, dpi=120)


main(*sys.argv[1:])
