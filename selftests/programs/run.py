#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Runs unmodified programs in the VM, in each pairing of the kernel's TCP and ours.

run.py [--out FILE] [PROGRAM...]     each program in a boot of its own; results are added to FILE
run.py --table FILE                  writes Documentation/programs.rst from it

Results come as KTAP; the status is 0 if all passed.
"""
import argparse
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from report import TOP, indented, write_page
PAIRS = ["inet-inet", "rusttcp-inet", "inet-rusttcp", "rusttcp-rusttcp"]
# Title, and what says the version.
PROGRAMS = {
    "nginx": ("nginx and curl", ["nginx -v", "curl --version"]),
    "iperf3": ("iperf3", ["iperf3 --version"]),
    "redis": ("redis with redis-benchmark", ["redis-server --version"]),
    "postgresql": ("PostgreSQL with pgbench", ["pgbench --version"]),
    "openssh": ("OpenSSH with scp", ["ssh -V"]),
    "socat": ("socat", ["socat -V"]),
    "python": ("Python: http.server, asyncio, socketserver", ["/usr/bin/python3 --version"]),
    "nodejs": ("Node.js: net, http, http2, cluster", ["node --version"]),
    "tokio": ("Rust: an echo pair on tokio", ["tokio"]),
}


def version(command):
    """The version that a program says it has."""
    if command == "tokio":
        with open(os.path.join(HERE, "tokio/Cargo.lock")) as file:
            return re.search(r'name = "tokio"\nversion = "([^"]+)"', file.read()).group(1)
    said = subprocess.run(command.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False).stdout
    found = re.search(r"[0-9]+\.[0-9]+[0-9.p]*", said)
    return found.group(0) if found else "?"


def run(program):
    """The checks of a program in each pairing: {pair: [[ok, what, [said]]...]}."""
    results = {pair: [] for pair in PAIRS}
    ended, last = False, None
    command = [os.path.join(TOP, "tools/vm"), "--timeout", "1500", "--memory", "3G", "--",
               os.path.join(HERE, "guest.sh"), program]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=TOP,
                          universal_newlines=True, errors="replace") as vm:
        for line in vm.stdout:
            line = line.strip()
            found = re.match(r"(not )?ok \d+ - %s (\S+?):? (.*)" % program, line)
            if found and found.group(2) in results:
                last = [not found.group(1), found.group(3), []]
                results[found.group(2)].append(last)
                print("%sok %d - %s %s: %s" % (found.group(1) or "", sum(map(len, results.values())),
                                               program, found.group(2), found.group(3)), flush=True)
            elif line.startswith("#") and last and not last[0]:
                last[2].append(line[1:].strip())
                print(line, flush=True)
            elif line and not re.match(r"1\.\.|KTAP", line):
                print("# " + line.lstrip("# "), flush=True)
            ended = ended or line == "# programs finished"
        vm.wait()
    if vm.returncode or not ended:
        print("not ok 0 - %s: tools/vm: status %d" % (program, vm.returncode))
        results[PAIRS[-1]].append([False, "the run came to its end, with nothing in the kernel's log", []])
    return results


def table(results):
    """Writes Documentation/programs.rst."""
    def cell(text, first=False):
        return "%s  - %s" % ("   *" if first else "    ", text)

    rows, checks, failures = [], [], []
    for name, (title, commands) in PROGRAMS.items():
        if name not in results:
            continue
        rows.append(cell(title, True))
        rows.append(cell(", ".join(results[name]["versions"][c] for c in commands)))
        for pair in PAIRS:
            mine = results[name]["pairs"][pair]
            rows.append(cell("%d of %d" % (sum(r[0] for r in mine), len(mine))))
            failures += ["- %s, %s: %s" % (title, pair, r[1]) for r in mine if not r[0]]
        checks.append("%s\n%s" % (title, indented("; ".join(
            r[1] for r in results[name]["pairs"][PAIRS[0]] if "of its stack" not in r[1]) + ".")))
    write_page(HERE, "programs.rst", {
        "rows": "\n".join(rows),
        "checks": "\n\n".join(checks),
        "failures": "\n".join(failures) or "Nothing.",
    })


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(TOP, "build/programs.json"))
    parser.add_argument("--table")
    parser.add_argument("programs", nargs="*")
    args = parser.parse_args()
    if args.table:
        with open(args.table) as file:
            table(json.load(file))
        return 0
    unknown = [p for p in args.programs if p not in PROGRAMS]
    if unknown:
        sys.exit("run.py: no such program: " + " ".join(unknown))
    results, bad, count = {}, 0, 0
    if os.path.exists(args.out):
        with open(args.out) as file:
            results = json.load(file)
    for program in args.programs or PROGRAMS:
        pairs = run(program)
        results[program] = {
            "versions": {c: version(c) for c in PROGRAMS[program][1]},
            "pairs": pairs,
        }
        for mine in pairs.values():
            count += len(mine)
            bad += sum(not r[0] for r in mine) + (not mine)
        with open(args.out, "w") as file:
            json.dump(results, file, indent=1, sort_keys=True)
    print("1..%d" % count)
    print("# %d of %d" % (count - bad, count))
    return 1 if bad else 0


sys.exit(main())
