#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Goodput over emulated links: AF_RUSTTCP to itself against the kernel's TCP to itself, with the
same congestion control, at the same time on links of their own; then fairness of one flow of each
on one bottleneck. Runs inside the VM (make goodput); writes build/bench/goodput.json.

goodput.py [CELL...]: only the cells whose name contains one of the arguments.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import time

CC = os.environ.get("GOODPUT_CC", "cubic")
ROUNDS = int(os.environ.get("GOODPUT_ROUNDS", "3"))
MTU = 1500
# Emulated CPUs: how many Mbit/s of small packets may be under way at once.
BUDGET = 120


class Cell:
    """A link: Mbit/s, round-trip time in ms, loss in %, buffer in bandwidth-delay products."""

    def __init__(self, rate, rtt, loss=0.0, buffer=1.0, reorder=False):
        self.rate, self.rtt, self.loss, self.buffer, self.reorder = rate, rtt, loss, buffer, reorder
        self.name = f"{rate} Mbit/s, {rtt} ms"
        self.name += f", {loss} % loss" if loss else ""
        self.name += ", reordering" if reorder else ""
        self.name += f", buffer {buffer} BDP" if buffer != 1.0 else ""

    def seconds(self):
        """Long enough for what slow start does to be a small part."""
        return max(10, min(30, self.rtt * 0.15))

    def limits(self):
        """Packets on the way and in the buffer."""
        bdp = self.rate * 1e6 / 8 * self.rtt / 1e3 / MTU
        return int(bdp / 2 + max(8, bdp * self.buffer)) + 1, int(bdp) + 1000


# What a link may have besides its rate and round-trip time.
WAYS = [{}, {"loss": 0.1}, {"loss": 1.0}, {"loss": 3.0}, {"loss": 5.0}, {"reorder": True},
        {"loss": 1.0, "reorder": True}, {"buffer": 0.25}, {"buffer": 4.0}]
CELLS = [Cell(rate, rtt, **way) for rate in (1, 10, 100) for rtt in (1, 20, 100, 200) for way in WAYS]
# Bottlenecks that a flow of each stack shares.
SHARED = [Cell(20, 20), Cell(10, 100), Cell(50, 10, buffer=4.0)]
# What is asked for: the median of the ratios, each of them, and Jain's index on each bottleneck.
MEDIAN, LEAST, JAIN = 1.0, 0.9, 0.95


def sh(command):
    subprocess.run(command, shell=True, check=True)


class Link:
    """Two namespaces and the link between them."""

    number = 0

    def __init__(self, cell):
        Link.number += 1
        self.a, self.b = f"ga{Link.number}", f"gb{Link.number}"
        there, back = cell.limits()
        half = cell.rtt / 2
        loss = f"loss {cell.loss}%" if cell.loss else ""
        # Such a packet goes at once, past those that are delayed.
        order = "reorder 2% 25%" if cell.reorder else ""
        sh(f"""
        ip netns add {self.a}; ip netns add {self.b}
        ip link add va netns {self.a} type veth peer name vb netns {self.b}
        ip -n {self.a} addr add 10.0.0.1/24 dev va; ip -n {self.b} addr add 10.0.0.2/24 dev vb
        for n in "{self.a} va" "{self.b} vb"; do set -- $n
            ip -n $1 link set lo up
            ip netns exec $1 ethtool -K $2 tso off gso off gro off >/dev/null
            ip -n $1 link set $2 up
            ip netns exec $1 sysctl -qw net.ipv4.tcp_congestion_control={CC} net.ipv4.tcp_no_metrics_save=1
        done
        tc -n {self.a} qdisc add dev va root handle 1: netem delay {half}ms {order} {loss} limit 100000
        tc -n {self.a} qdisc add dev va parent 1:1 handle 2: tbf rate {cell.rate}mbit burst 3200 limit {there * 1514}
        tc -n {self.b} qdisc add dev vb root netem delay {half}ms limit {back}
        """)
        self.servers = []

    def server(self, stack, port):
        process = subprocess.Popen(["ip", "netns", "exec", self.b, "perf", "server", stack,
                                    "10.0.0.2", str(port)])
        self.servers.append(process)
        table = "/proc/net/rusttcp" if stack == "rusttcp" else "/proc/net/tcp"
        for _ in range(500):
            listed = subprocess.run(["ip", "netns", "exec", self.b, "cat", table],
                                    capture_output=True, text=True).stdout
            if re.search(f":{port:04X} 00000000:0000 0A", listed):
                return
            time.sleep(0.02)
        raise RuntimeError(f"no {stack} server")

    def client(self, stack, port, seconds):
        return subprocess.Popen(["ip", "netns", "exec", self.a, "perf", "bulk", stack, "10.0.0.2",
                                 str(port), str(int(seconds))], stdout=subprocess.PIPE, text=True)

    def close(self):
        for process in self.servers:
            process.kill()
            process.wait()
        sh(f"ip netns del {self.a}; ip netns del {self.b}")


def figure(process, seconds):
    out, _ = process.communicate(timeout=seconds * 4 + 60)
    if process.returncode:
        raise RuntimeError(f"perf: exit status {process.returncode}")
    return float(out.split()[0]) * 8 / 1e6


def run_batch(batch):
    """Each (cell, round) of the batch on both stacks at once; gives Mbit/s by cell and stack."""
    runs = []
    for cell, stack in ((c, s) for c in batch for s in ("inet", "rusttcp")):
        link = Link(cell)
        link.server(stack, 9000)
        runs.append((cell, stack, link))
    started = [(c, s, link, link.client(s, 9000, c.seconds())) for c, s, link in runs]
    for cell, stack, link, process in started:
        yield cell, stack, figure(process, cell.seconds())
        link.close()


def matrix(cells):
    results = {cell.name: {"inet": [], "rusttcp": []} for cell in cells}
    todo = [cell for _ in range(ROUNDS) for cell in cells]
    todo.sort(key=lambda cell: (cell.seconds(), cell.rate))
    while todo:
        batch, rate = [], 0
        while todo and (not batch or rate + 2 * todo[0].rate <= BUDGET and len(batch) < 5):
            rate += 2 * todo[0].rate
            batch.append(todo.pop(0))
        for cell, stack, mbit in run_batch(batch):
            results[cell.name][stack].append(mbit)
    for name, by_stack in results.items():
        ours, kernel = (statistics.median(by_stack[s]) for s in ("rusttcp", "inet"))
        print(f"{name:44} kernel {kernel:7.2f}  rusttcp {ours:7.2f}  ratio {ours / kernel:.2f}", flush=True)
    return results


def fairness(cell, rounds, seconds=30):
    """Jain's index of one flow of each stack on one bottleneck, who starts first taking turns."""
    indices = []
    for turn in range(rounds):
        link = Link(cell)
        link.server("inet", 9001)
        link.server("rusttcp", 9002)
        order = [("inet", 9001), ("rusttcp", 9002)]
        if turn % 2:
            order.reverse()
        clients = [link.client(stack, port, seconds) for stack, port in order]
        shares = [figure(process, seconds) for process in clients]
        link.close()
        index = sum(shares) ** 2 / (2 * sum(x * x for x in shares))
        indices.append(index)
        named = ", ".join(f"{stack} {share:.2f}" for (stack, _), share in zip(order, shares))
        print(f"fairness, {cell.name}: {named} Mbit/s, Jain's index {index:.3f}", flush=True)
    return indices


def page(results, ratios, indices):
    """What is told of all this in Documentation/."""
    title = "Goodput"
    lines = [".. SPDX-License-Identifier: GPL-2.0", ".. Generated by make goodput.", "", "=" * len(title), title,
             "=" * len(title), "",
             f"AF_RUSTTCP to itself against the kernel's TCP to itself, both with {CC}, each on a link of its own",
             f"in one guest ({os.uname().release}): the median of {ROUNDS} rounds, Mbit/s of payload. A buffer is one",
             "bandwidth-delay product and eight packets if nothing else is said.", "",
             f"Median of the ratios: {statistics.median(ratios.values()):.3f}; lowest {min(ratios.values()):.3f}, "
             f"highest {max(ratios.values()):.3f}.", "",
             ".. list-table::", "   :header-rows: 1", "", "   * - Link", "     - Kernel's TCP", "     - AF_RUSTTCP",
             "     - Ratio"]
    for name, ratio in ratios.items():
        kernel, ours = (statistics.median(results[name][stack]) for stack in ("inet", "rusttcp"))
        lines += [f"   * - {name}", f"     - {kernel:.2f}", f"     - {ours:.2f}", f"     - {ratio:.2f}"]
    lines += ["", "Fairness", "========", "",
              "One flow of each stack on one bottleneck for 30 seconds: Jain's index, the median of the rounds.", "",
              ".. list-table::", "   :header-rows: 1", "", "   * - Link", "     - Jain's index"]
    for name, index in indices.items():
        lines += [f"   * - {name}", f"     - {statistics.median(index):.3f}"]
    return "\n".join(lines) + "\n"


def main():
    wanted = sys.argv[1:]
    cells = [c for c in CELLS if not wanted or any(w in c.name for w in wanted)]
    results = matrix(cells)
    ratios = {name: statistics.median(r["rusttcp"]) / statistics.median(r["inet"])
              for name, r in results.items()}
    indices = {}
    if not wanted or "fairness" in wanted:
        indices = {cell.name: fairness(cell, ROUNDS) for cell in SHARED}
    with open("build/bench/goodput.json", "w", encoding="ascii") as out:
        json.dump({"cc": CC, "cells": results, "jain": indices}, out, indent=1)
    bad = []
    if ratios:
        median = statistics.median(ratios.values())
        worst = min(ratios, key=ratios.get)
        print(f"{CC}: median ratio {median:.3f}, lowest {ratios[worst]:.2f} ({worst})")
        bad += [f"{name}: {ratio:.2f}" for name, ratio in ratios.items() if ratio < LEAST]
        if median < MEDIAN:
            bad.append(f"the median of the ratios: {median:.3f}")
    for name, index in indices.items():
        jain = statistics.median(index)
        print(f"fairness, {name}: median of Jain's index {jain:.3f}")
        if jain < JAIN and CC == "cubic":
            bad.append(f"fairness, {name}: {jain:.3f}")
    if not wanted:
        with open("build/bench/goodput.rst", "w", encoding="ascii") as out:
            out.write(page(results, ratios, indices))
    for line in bad:
        print(f"too low: {line}")
    sys.exit(bool(bad))


main()
