#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Goodput over emulated links: AF_RUSTTCP to itself against the kernel's TCP to itself, with the
same congestion control, on links that lose the same packets; then fairness of one flow of each on one
bottleneck. Runs inside the VM, in virtual time (make goodput).

goodput.py [CELL | fairness | control]...: only the cells whose name contains one of the arguments.

Figures are added to build/bench/goodput-CC.json as they come, and what is there of the same commit is
not measured again: a run may be interrupted. Exit status 75: GOODPUT_MINUTES (of the host) were up.

goodput.py --report, on the host: what the figures come to, as build/bench/goodput-CC.rst, and whether
that is what is asked for.
"""
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netem  # noqa: E402

CC = os.environ.get("GOODPUT_CC", "cubic")
# Runs with each stack: one where nothing is left to chance, else so many at least, then more until chance is below
# that part of the ratio (one standard deviation), and so many at most.
LEAST_RUNS, CHANCE, MOST_RUNS = 5, 0.08, int(os.environ.get("GOODPUT_ROUNDS", "25"))
CONTROL_RUNS = 3
MINUTES = float(os.environ.get("GOODPUT_MINUTES", "0"))
COMMIT = os.environ.get("GOODPUT_COMMIT", "unknown")
FILE = f"build/bench/goodput-{CC}.json"
MTU = 1500
# Linked statically and in memory: a page that is missing would be waited for while the clock runs.
PERF = "/tmp/perf"
NOT_DONE = 75


class Cell:
    """A link: Mbit/s, round-trip time in ms, loss in %, buffer in bandwidth-delay products."""

    def __init__(self, rate, rtt, loss=0.0, buffer=1.0, reorder=False):
        self.rate, self.rtt, self.loss, self.buffer, self.reorder = rate, rtt, loss, buffer, reorder
        self.name = f"{rate} Mbit/s, {rtt} ms"
        self.name += f", {loss} % loss" if loss else ""
        self.name += ", reordering" if reorder else ""
        self.name += f", buffer {buffer} BDP" if buffer != 1.0 else ""

    def is_measured(self, figures, whats):
        """Whether more runs would tell little more. That goes by how far they lie apart, and not by the ratio."""
        runs = [figures.get(what, []) for what in whats]
        done = min(map(len, runs))
        if done >= MOST_RUNS or (done >= 1 and not self.loss and not self.reorder):
            return True
        return done >= min(LEAST_RUNS, MOST_RUNS) and chance(runs) <= CHANCE

    def seconds(self):
        """Long enough for what slow start does to be a small part, and for chance to even out."""
        rate = self.rate * 1e6 / 8 / MTU
        if self.loss:
            # About what RFC 5681's rules make of a random loss, segments a second.
            rate = min(rate, 1.2 / (self.loss / 100) ** 0.5 / (self.rtt / 1000))
        wanted = 6_000 if 0 < self.loss < 1 else 4_000 if self.loss else 3_000
        return int(min(600, max(2, self.rtt * 0.05, wanted / rate)))

    def limits(self):
        """Packets on the way and in the buffer, and on the way back."""
        bdp = self.rate * 1e6 / 8 * self.rtt / 1e3 / MTU
        return int(bdp / 2 + max(8, bdp * self.buffer)) + 1, int(bdp) + 1000


# What a link may have besides its rate and round-trip time.
WAYS = [{}, {"loss": 0.1}, {"loss": 1.0}, {"loss": 3.0}, {"loss": 5.0}, {"reorder": True},
        {"loss": 1.0, "reorder": True}, {"buffer": 0.25}, {"buffer": 4.0}]
CELLS = [Cell(rate, rtt, **way) for rate in (1, 10, 100) for rtt in (1, 20, 100, 200) for way in WAYS]
# Where the kernel's TCP is measured against itself in the same way: what chance does to a ratio.
CONTROL = [Cell(10, 20, loss=1.0), Cell(10, 100, loss=0.1), Cell(1, 200, loss=5.0), Cell(100, 1, loss=3.0),
           Cell(100, 20, loss=1.0), Cell(100, 100, reorder=True), Cell(10, 100, buffer=0.25), Cell(100, 200)]
# Bottlenecks that two flows share, and for how many seconds: a dozen of CUBIC's epochs at least. In the first
# of them a flow has what slow start gave it, and ours ends it later: RFC 9406 goes on slowly where Linux stops.
SHARED = [(Cell(20, 20), 60), (Cell(10, 100), 90), (Cell(50, 10, buffer=4.0), 40)]
# What is asked for: the median of the ratios, each of them, and Jain's index on each bottleneck.
MEDIAN, LEAST, JAIN = 1.0, 0.9, 0.95


def chance(runs):
    """The standard deviation of the ratio of two medians, as part of it, if the runs were normally distributed."""
    parts = ((1.2533 * statistics.stdev(run) / statistics.mean(run)) ** 2 / len(run) for run in runs)
    return math.sqrt(sum(parts))


def sh(command):
    subprocess.run(command, shell=True, check=True)


def host_time():
    """The host's clock, seconds: the guest's jumps. Files that are written are stamped by it."""
    with open("build/bench/clock", "w", encoding="ascii") as file:
        file.write("x")
    return os.stat("build/bench/clock").st_mtime


class Link:
    """Two hosts, a router between them that is the link, and a server of each stack on the second host.

    The bottleneck is a queue of its own machine, as it is in a network: at the sender's own device a packet of
    several segments, which is cut up behind the queue, would be lost or let through as one."""

    # A server takes one client at a time, so there are two of the kernel's.
    SERVERS = [("inet", 9001), ("rusttcp", 9002), ("inet", 9003)]
    ADDRESS = "10.0.1.2"

    def __init__(self):
        self.a, self.router, self.b = "ga", "gr", "gb"
        sh(f"ip netns add {self.router}; ip netns exec {self.router} sysctl -qw net.ipv4.ip_forward=1")
        self.attach(self.a, "va", "10.0.0.1", "ra", "10.0.0.254")
        self.attach(self.b, "vb", self.ADDRESS, "rb", "10.0.1.254")
        for stack, port in self.SERVERS:
            with netem.inside(self.b):
                subprocess.Popen([PERF, "server", stack, self.ADDRESS, str(port)])
            self.await_server(stack, port)

    def attach(self, host, device, address, port, gateway):
        """A host of that address, and its device, behind a port of the router of the address `gateway`."""
        sh(f"""
        ip netns add {host}
        ip link add {device} netns {host} type veth peer name {port} netns {self.router}
        ip -n {host} addr add {address}/24 dev {device}
        ip -n {self.router} addr add {gateway}/24 dev {port}
        for end in "{host} {device}" "{self.router} {port}"; do set -- $end
            ip -n $1 link set lo up
            ip netns exec $1 ethtool -K $2 tso off gso off gro off >/dev/null
            ip -n $1 link set $2 up
        done
        ip netns exec {host} sysctl -qw net.ipv4.tcp_congestion_control={CC} net.ipv4.tcp_no_metrics_save=1
        ip -n {host} route add default via {gateway}
        # No ARP, which could be lost.
        ether() {{ ip -n $1 -o link show $2 | sed 's/.*ether \\([^ ]*\\).*/\\1/'; }}
        ip -n {host} neigh add {gateway} lladdr $(ether {self.router} {port}) dev {device} nud permanent
        ip -n {self.router} neigh add {address} lladdr $(ether {host} {device}) dev {port} nud permanent
        """)

    def await_server(self, stack, port):
        table = "rusttcp" if stack == "rusttcp" else "tcp"
        for _ in range(10000):
            with netem.inside(self.b), open(f"/proc/thread-self/net/{table}", encoding="ascii") as listed:
                if re.search(f":{port:04X} 00000000:0000 0A", listed.read()):
                    return
            time.sleep(0.02)
        raise RuntimeError(f"no {stack} server")

    def shape(self, cell, seed):
        """Makes the link that of the cell."""
        there, back = cell.limits()
        with netem.inside(self.router):
            netem.delay("ra", cell.rtt / 2, back)
            # What is reordered goes at once, past what is delayed.
            netem.delay("rb", cell.rtt / 2, 100_000, cell.loss, (2, 25) if cell.reorder else (0, 0), seed)
            netem.bottleneck("rb", cell.rate, 3200, there * 1514)

    def client(self, stack, seconds, port=None):
        port = port or dict(reversed(self.SERVERS))[stack]
        with netem.inside(self.a):
            return subprocess.Popen([PERF, "bulk", stack, self.ADDRESS, str(port), str(seconds)],
                                    stdout=subprocess.PIPE, text=True)


def figure(process):
    """Mbit/s. (There is no time-out: while the host is waited for the guest's clock runs away.)"""
    out = process.stdout.read()
    if process.wait():
        raise RuntimeError(f"perf: exit status {process.returncode}")
    return float(out.split()[0]) * 8 / 1e6


def alone(link, cell, seed, stack):
    """Mbit/s of a flow on the link."""
    link.shape(cell, seed)
    return figure(link.client(stack, cell.seconds()))


def on_one(link, cell, turn, stacks, seconds):
    """Two flows on one link, who starts first taking turns; Jain's index and their Mbit/s."""
    link.shape(cell, turn)
    order = [(0, stacks[0]), (1, stacks[1])]
    if turn % 2:
        order.reverse()
    started = []
    for n, stack in order:
        port = 9003 if n and stack == "inet" else None
        started.append((n, link.client(stack, seconds, port)))
        time.sleep(0.1 * turn)
    shares = [share for _, share in sorted((n, figure(process)) for n, process in started)]
    return sum(shares) ** 2 / (2 * sum(x * x for x in shares)), *shares


class Run:
    """The figures of a commit, on file: by part, link, and what was measured."""

    PARTS = ("cells", "control", "jain", "jain control")

    def __init__(self):
        self.began = host_time()
        self.data = {part: {} for part in self.PARTS}
        try:
            with open(FILE, encoding="ascii") as file:
                data = json.load(file)
        except FileNotFoundError:
            data = None
        # Each run of ours is beside one of the kernel's TCP in the same boot.
        if data and (data["kernel"], data["commit"]) == (os.uname().release, COMMIT):
            self.data = data
        self.data.update({"cc": CC, "commit": COMMIT, "kernel": os.uname().release})

    def of(self, part, name, what):
        return self.data[part].setdefault(name, {}).setdefault(what, [])

    def add(self, part, name, what, value):
        self.of(part, name, what).append(value)
        with open(FILE + ".new", "w", encoding="ascii") as file:
            json.dump(self.data, file, indent=1)
        os.replace(FILE + ".new", FILE)
        if MINUTES and host_time() - self.began > MINUTES * 60:
            print("goodput: the time is up; what is missing is measured next time")
            sys.exit(NOT_DONE)

    def measure(self, part, cell, turn, whats, link):
        """A run of each on a link."""
        number = 1 + [c.name for c in CELLS].index(cell.name)
        for what in whats:
            if len(self.of(part, cell.name, what)) > turn:
                continue
            # The control's second flow loses other packets.
            seed = number + 1000 * turn + (500 if what == "again" else 0)
            mbit = alone(link, cell, seed, "inet" if what == "again" else what)
            print(f"{cell.name:44} {what:8} {mbit:7.3f}", flush=True)
            self.add(part, cell.name, what, mbit)

    def matrix(self, cells, link):
        whats = ("inet", "rusttcp")
        for turn in range(MOST_RUNS):
            for cell in cells:
                if not cell.is_measured(self.data["cells"].get(cell.name, {}), whats):
                    self.measure("cells", cell, turn, whats, link)

    def control(self, link):
        for turn in range(CONTROL_RUNS):
            for cell in CONTROL:
                self.measure("control", cell, turn, ("inet", "again"), link)

    def fairness(self, part, stacks, link, rounds):
        for cell, seconds in SHARED:
            for turn in range(len(self.of(part, cell.name, "rounds")), rounds):
                index, *shares = on_one(link, cell, turn, stacks, seconds)
                print(f"fairness, {cell.name}: {stacks[0]} {shares[0]:.2f}, {stacks[1]} {shares[1]:.2f} Mbit/s, "
                      f"Jain's index {index:.3f}", flush=True)
                self.add(part, cell.name, "rounds", [index, *shares])


def medians(figures, second="rusttcp"):
    """Of the kernel's figures, of the others, and their ratio."""
    kernel, other = (statistics.median(figures[what]) for what in ("inet", second))
    return kernel, other, other / kernel


def measured(data):
    """The links that were measured with both stacks."""
    return {name: figures for name, figures in data["cells"].items() if figures.get("inet") and figures.get("rusttcp")}


def table(head, rows):
    """A list-table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [head] + rows:
        lines += [f"   {'* -' if n == 0 else '  -'} {text}" for n, text in enumerate(row)]
    return lines + [""]


def of_rate(data, rate):
    """The table of all links of so many Mbit/s: a row for each way, a column for each round-trip time."""
    rtts = sorted({cell.rtt for cell in CELLS})
    rows = []
    for way in WAYS:
        row = [Cell(rate, 1, **way).name.split(", ", 2)[2] if way else "nothing"]
        for rtt in rtts:
            figures = measured(data).get(Cell(rate, rtt, **way).name)
            row.append("**{2:.2f}** ({1:.3g} : {0:.3g})".format(*medians(figures)) if figures else "not measured")
        rows.append(row)
    return table([f"{rate} Mbit/s, and"] + [f"{rtt} ms" for rtt in rtts], rows)


def page(data, ratios, bad):
    """What Documentation/ has of all this."""
    title = "Goodput" if data["cc"] == "cubic" else f"Goodput with {data['cc']}"
    bar = "=" * len(title)
    runs = [len(figures["rusttcp"]) for figures in measured(data).values()]
    counts = ", ".join(f"{n}: {runs.count(n)} links" for n in sorted(set(runs)))
    lines = [".. SPDX-License-Identifier: GPL-2.0", ".. Generated by make goodput.", "", bar, title, bar, "", f"""\
AF_RUSTTCP to itself against the kernel's TCP to itself, both with {data['cc']}: one flow at a time between two
namespaces, Linux {data['kernel']}, ours at commit {data['commit']}. A router between them is the link: netem and tbf, which
lose and reorder by the same seed for both. The guest's clock is virtual (``tools/vm --virtual-time``), so that
nothing of the host's load is in the figures. A run lasts for at least 2 seconds and 50 round trips, with its slow
start and its end, and for 3,000 segments, with loss for about 4,000 (6,000 with 0.1 %), but 10 minutes at most.

Each field: the ratio of goodput, ours to the kernel's, and both in Mbit/s, the medians of the runs. The stacks take
turns in the same boot: once where nothing is lost or reordered by chance; else at least {LEAST_RUNS} times, and then until
the runs of both lie so close that the standard deviation of the ratio is {CHANCE * 100:.0f} % or less, but {MOST_RUNS} times at most
({counts}). A buffer is one
bandwidth-delay product, and eight packets at least, if nothing else is said; what is reordered (2 %, correlated by
25 %) overtakes by half of a round-trip time.

Median of the ratios of {len(ratios)} of {len(CELLS)} links: **{statistics.median(ratios.values()):.3f}**; the lowest is {min(ratios.values()):.3f} \
({min(ratios, key=ratios.get)}),
the highest {max(ratios.values()):.3f} ({max(ratios, key=ratios.get)}). Asked for are a median of at least {MEDIAN}, no ratio
below {LEAST}, and a median of Jain's index of at least {JAIN} on each bottleneck below.
Less than that: {'; '.join(bad) if bad else 'nothing'}.
"""]
    for rate in sorted({cell.rate for cell in CELLS}):
        lines += of_rate(data, rate)
    if data["control"]:
        lines += ["What chance does", "================", "", """\
The kernel's TCP against itself, measured the same way: how far from 1 a ratio is without a reason,
if the second flow loses other packets than the first. Each run's ratio, and that of the medians.
"""]
        rows = [[name, ", ".join(f"{b / a:.3f}" for a, b in zip(figures["inet"], figures["again"])),
                 f"{medians(figures, 'again')[2]:.3f}"]
                for name, figures in data["control"].items() if figures.get("again")]
        lines += table(["Link", "Runs", "Medians"], rows)
    if data["jain"]:
        lines += ["Fairness", "========", "", """\
Two flows on one bottleneck for 40 to 90 seconds, which is a dozen of CUBIC's epochs: Jain's index, each run and
the median; who begins takes turns. In the first seconds ours has more than its half, since HyStart++ (RFC 9406)
leaves slow start later than Linux' HyStart does.
"""]
        rows = []
        for name, figures in data["jain"].items():
            row = [name]
            for part in ("jain", "jain control"):
                indices = [index for index, *_ in data[part].get(name, {}).get("rounds", [])]
                row.append(", ".join(f"{index:.3f}" for index in indices)
                           + f"; **{statistics.median(indices):.3f}**" if indices else "not measured")
            shares = [statistics.median(column) for column in list(zip(*figures["rounds"]))[1:]]
            rows.append(row + [f"{shares[1]:.2f} : {shares[0]:.2f}"])
        lines += table(["Link", "Ours and the kernel's", "Two of the kernel's", "Mbit/s, ours : the kernel's"], rows)
    return "\n".join(lines)


def report():
    """The page, the sum of it, and the exit status."""
    with open(FILE, encoding="ascii") as file:
        data = json.load(file)
    ratios = {name: medians(figures)[2] for name, figures in measured(data).items()}
    middle, worst = statistics.median(ratios.values()), min(ratios, key=ratios.get)
    print(f"{data['cc']}, commit {data['commit']}, {len(ratios)} of {len(CELLS)} links: median ratio {middle:.3f}, "
          f"lowest {ratios[worst]:.3f} ({worst})")
    bad = [f"{name}: {ratio:.3f}" for name, ratio in ratios.items() if ratio < LEAST]
    bad += [f"the median of the ratios: {middle:.7f}"] if middle < MEDIAN else []
    for name, figures in data["jain"].items():
        jain = statistics.median(index for index, *_ in figures["rounds"])
        print(f"fairness, {name}: median of Jain's index {jain:.3f}")
        bad += [f"fairness, {name}: {jain:.3f}"] if jain < JAIN and data["cc"] == "cubic" else []
    with open(FILE.replace(".json", ".rst"), "w", encoding="ascii") as out:
        out.write(page(data, ratios, bad))
    for line in bad:
        print(f"too low: {line}")
    return bool(bad)


def main():
    wanted = sys.argv[1:]
    if wanted == ["--report"]:
        sys.exit(report())
    os.makedirs("build/bench", exist_ok=True)
    shutil.copy("build/bench/perf", PERF)
    link = Link()
    run = Run()
    for name in wanted or ["Mbit/s", "fairness", "control"]:
        if name == "fairness":
            run.fairness("jain", ("inet", "rusttcp"), link, 2)
            run.fairness("jain control", ("inet", "inet"), link, 1)
        elif name == "control":
            run.control(link)
        else:
            run.matrix([cell for cell in CELLS if name in cell.name], link)


if __name__ == "__main__":
    main()
