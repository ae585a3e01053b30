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


CELLS = [
    Cell(1, 20), Cell(1, 100), Cell(1, 20, buffer=4.0), Cell(1, 20, loss=1.0), Cell(1, 200),
    Cell(10, 1), Cell(10, 20), Cell(10, 100), Cell(10, 200), Cell(10, 20, buffer=0.25),
    Cell(10, 20, buffer=4.0), Cell(10, 20, loss=0.1), Cell(10, 20, loss=1.0), Cell(10, 20, loss=5.0),
    Cell(10, 100, loss=0.1), Cell(10, 100, loss=1.0), Cell(10, 20, reorder=True),
    Cell(10, 100, reorder=True), Cell(10, 20, loss=1.0, reorder=True),
    Cell(100, 1), Cell(100, 20), Cell(100, 50), Cell(100, 20, buffer=0.25), Cell(100, 20, loss=0.1),
    Cell(100, 20, loss=1.0), Cell(100, 1, loss=1.0), Cell(100, 20, reorder=True),
]


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


def fairness(rounds, seconds=30):
    """Jain's index of one flow of each stack on one bottleneck, who starts first taking turns."""
    cell = Cell(20, 20)
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
        print(f"fairness: {named} Mbit/s, Jain's index {index:.3f}", flush=True)
    return indices


def main():
    wanted = sys.argv[1:]
    cells = [c for c in CELLS if not wanted or any(w in c.name for w in wanted)]
    results = matrix(cells)
    ratios = {name: statistics.median(r["rusttcp"]) / statistics.median(r["inet"])
              for name, r in results.items()}
    indices = fairness(ROUNDS) if not wanted or "fairness" in wanted else []
    with open("build/bench/goodput.json", "w", encoding="ascii") as out:
        json.dump({"cc": CC, "cells": results, "jain": indices}, out, indent=1)
    if ratios:
        worst = min(ratios, key=ratios.get)
        print(f"{CC}: median ratio {statistics.median(ratios.values()):.2f}, "
              f"lowest {ratios[worst]:.2f} ({worst})")
    if indices:
        print(f"fairness: median of Jain's index {statistics.median(indices):.3f}")


main()
