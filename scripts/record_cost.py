#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""record_cost.py COST: what a connection's record costs (Documentation/log.rst), on and off.

COST is the host crate's program of that name. Counts, by valgrind, the instructions that a segment takes where
the record is compiled out, where it is off, and with either kind on: the difference between two runs of
different length, so that what happens once does not count. They are the same each time. Then the time, which is
not: processor time of the two in turns. Writes the table in log.rst; fails if off costs more than MOST.
"""
import os
import re
import resource
import statistics
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PAGE = os.path.join(TOP, "Documentation/log.rst")
MOST = 1.0
SHORT, LONG = 2000, 6000
ROUNDS, TIMES = 15, 100000
WORKS = {"bulk": "bulk, each segment alone", "exchange": "a byte there, a byte back"}
RECORDS = {"out": "compiled out", "off": "off", "events": "events", "inputs": "inputs"}


def instructions(cost, work, record, times):
    """Instructions, and segments."""
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", cost, work, record,
                          str(times)], capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", run.stderr)[1]), int(run.stdout)


def each(cost, work, record):
    """Instructions for a segment."""
    (less, few), (more, many) = (instructions(cost, work, record, times) for times in (SHORT, LONG))
    return (more - less) / (many - few)


def seconds(cost, work, record):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([cost, work, record, str(TIMES)], stdout=subprocess.DEVNULL, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def spread(cost, work):
    """Time with the record off over time without one, of ROUNDS pairs: median and quartiles, in percent."""
    ratios = []
    for n in range(ROUNDS):
        pair = {}
        for record in ("out", "off") if n % 2 else ("off", "out"):
            pair[record] = seconds(cost, work, record)
        ratios.append(100 * (pair["off"] / pair["out"] - 1))
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:+.1f} % ({low:+.1f} to {high:+.1f})"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    cost = sys.argv[1]
    table = [["", *RECORDS.values(), "off, instructions", "off, time"]]
    bad = []
    for work, name in WORKS.items():
        found = {record: each(cost, work, record) for record in RECORDS}
        more = 100 * (found["off"] / found["out"] - 1)
        if more > MOST:
            bad.append(f"{name}: {more:.2f} % more instructions with the record off")
        table.append([name, *(f"{found[record]:.0f}" for record in RECORDS), f"{more:+.2f} %",
                      spread(cost, work)])
    rows = "".join("   * - " + "\n     - ".join(row) + "\n" for row in table)
    with open(PAGE, encoding="utf-8") as page:
        text = page.read()
    begin, end = ".. record-cost\n", ".. end-record-cost\n"
    head, tail = text[:text.index(begin) + len(begin)], text[text.index(end):]
    with open(PAGE, "w", encoding="utf-8") as page:
        page.write(f"{head}\n.. list-table::\n   :header-rows: 1\n\n{rows}\n{tail}")
    for row in table:
        print("\t".join(row))
    sys.exit("\n".join(bad) or 0)


main()
