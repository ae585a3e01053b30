#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turns the guest's figures into results.json, table.md and a plot: report.py TSV DIR."""
import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

# A bulk transfer whose median is a smaller part of the kernel's is a failure.
LEAST_BULK = 0.5
# Name in the file -> what it says in the table, divisor, unit.
ROWS = {
    "bulk-loopback": ("bulk, loopback", 1e9 / 8, "Gbit/s"),
    "bulk-veth": ("bulk, veth between namespaces", 1e9 / 8, "Gbit/s"),
    "request-response": ("request-response, 1 byte, loopback", 1e3, "thousand/s"),
    "request-response-veth": ("request-response, 1 byte, veth", 1e3, "thousand/s"),
    "connect": ("connect, exchange, close, loopback", 1e3, "thousand/s"),
}


def main(tsv, folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = {}
    for line in Path(tsv).read_text().splitlines():
        name, stack, figure = line.split("\t")
        figures.setdefault(name, {}).setdefault(stack, []).append(float(figure))
    results, table = {}, ["| | kernel's TCP | AF_RUSTTCP | ratio | lowest and highest of a round |",
                          "| --- | --- | --- | --- | --- |"]
    for name, (label, unit, word) in ROWS.items():
        ours, theirs = figures.get(name, {}).get("rusttcp"), figures.get(name, {}).get("inet")
        if not ours or not theirs:
            sys.exit(f"{tsv}: nothing measured for {name}")
        # A round's two figures were taken one right after the other.
        rounds = [a / b for a, b in zip(ours, theirs)]
        mine, kernel = statistics.median(ours), statistics.median(theirs)
        results[name] = {"unit": word, "inet": [f / unit for f in theirs],
                         "rusttcp": [f / unit for f in ours], "ratio": mine / kernel}
        table.append(f"| {label} | {kernel / unit:.2f} {word} | {mine / unit:.2f} {word} | "
                     f"{mine / kernel:.2f} | {min(rounds):.2f} to {max(rounds):.2f} |")
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "table.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))

    names = list(results)
    figure, axes = plt.subplots(figsize=(9, 4))
    axes.barh([ROWS[n][0] for n in names], [results[n]["ratio"] for n in names], color="tab:orange")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("AF_RUSTTCP as a ratio to the kernel's TCP (median of the rounds, same boot)")
    axes.invert_yaxis()
    figure.tight_layout()
    figure.savefig(folder / "ratios.png", dpi=120)
    print(f"written: {folder}/results.json table.md ratios.png")
    low = [f"{ROWS[n][0]}: {results[n]['ratio']:.2f}" for n in names
           if n.startswith("bulk") and results[n]["ratio"] < LEAST_BULK]
    if low:
        sys.exit(f"bench: below {LEAST_BULK} of the kernel's TCP: {'; '.join(low)}")


main(*sys.argv[1:])
