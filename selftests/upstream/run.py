#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Runs the tests of others in the VM, over the kernel's TCP and under rusttcp-run, and compares.

run.py [--out FILE] [--timeout S] [SUITE [PATTERN...]]    kernel, python or rust; results are added
run.py --table FILE                                       writes Documentation/upstream.rst from it

Results come as KTAP; the status is 0 if each test has the same result over both, and it isn't that
it failed: what fails over the kernel's TCP compares nothing. reasons.txt names what may be otherwise.
"""
import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from report import TOP, by_reason, reasons, write_page
SUITES = {
    "kernel": "The kernel's selftests (tools/testing/selftests/net)",
    "python": "CPython's tests (libpython3.N-testsuite)",
    "rust": "The tests of std::net of Rust's library",
}


def run(suite, patterns, timeout):
    """{stack: {test: {part: [outcome, said]}}}; part "" is the test itself."""
    results, ended = {"inet": {}, "rusttcp": {}}, False
    command = [os.path.join(TOP, "tools/vm"), "--timeout", str(timeout), "--memory", "4G", "--",
               os.path.join(HERE, "guest.py"), "inet,rusttcp", suite] + patterns
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=TOP,
                          universal_newlines=True, errors="replace") as vm:
        for line in vm.stdout:
            line = line.strip()
            if line.startswith("RESULT "):
                stack, test, part, outcome, said = json.loads(line[7:])
                results[stack].setdefault(test, {})[part] = [outcome, said]
                if not part:
                    mine = results[stack][test]
                    print("# %s %s: %s, %d parts, %d failed" % (
                        stack, test, outcome, len(mine) - 1,
                        sum(v[0] == "failed" for k, v in mine.items() if k)), flush=True)
            elif line == "ENDED":
                ended = True
            elif line:
                print("# " + line, flush=True)
        vm.wait()
    if vm.returncode or not ended:
        print("# tools/vm: status %d" % vm.returncode)
    return results, vm.returncode == 0 and ended


def judge(suite, mine):
    """[(name, outcome over the kernel's, over ours)] of a suite."""
    rows = []
    for test, parts in sorted(mine["inet"].items()):
        ours = mine["rusttcp"].get(test, {})
        for part in sorted(set(parts) | set(ours)):
            # A test without parts is one itself; of one with parts only its failure as a whole counts.
            pair = [parts.get(part, ["missing"])[0], ours.get(part, ["missing"])[0]]
            if part or len(parts) == 1 or pair != ["ok", "ok"]:
                name = "%s: %s" % (suite, test if not part else
                                   part if part.startswith(test) else "%s: %s" % (test, part))
                rows.append((name, *pair))
    return rows


def fine(name, kernel, ours, reason_of):
    """Whether a row says that the two are alike, or why they aren't is known."""
    return kernel == ours != "failed" or reason_of(name) is not None


def table(results):
    """Writes Documentation/upstream.rst."""
    counts, differences, neither, reason_of = [], [], [], reasons(HERE)
    for suite, title in SUITES.items():
        if suite not in results:
            continue
        rows = judge(suite, results[suite])
        counts += ["   *  - " + title] + ["      - %d" % n for n in (
            len(rows), sum(r[1] == "ok" for r in rows), sum(r[2] == "ok" for r in rows),
            sum(r[1] == r[2] == "skipped" for r in rows),
            sum(r[1] == r[2] == "failed" for r in rows), sum(r[1] != r[2] for r in rows))]
        for name, kernel, ours in rows:
            if kernel != ours:
                differences.append((name, "``%s`` (%s, %s)" % (name, kernel, ours)))
            elif kernel == "failed":
                neither.append((name, "``%s``" % name))
    write_page(HERE, "upstream.rst", {
        "counts": "\n".join(counts),
        "differences": by_reason(differences, reason_of),
        "neither": by_reason(neither, reason_of),
    })


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(TOP, "build/upstream.json"))
    parser.add_argument("--timeout", type=int, default=9000)
    parser.add_argument("--table")
    parser.add_argument("suite", nargs="?")
    parser.add_argument("patterns", nargs="*")
    args = parser.parse_args()
    if args.table:
        with open(args.table) as file:
            table(json.load(file))
        return 0
    results, whole = {}, True
    if os.path.exists(args.out):
        with open(args.out) as file:
            results = json.load(file)
    print("KTAP version 1")
    count = bad = 0
    reason_of = reasons(HERE)
    for suite in [args.suite] if args.suite else SUITES:
        mine, ended = run(suite, args.patterns, args.timeout)
        whole = whole and ended
        for name, kernel, ours in judge(suite, mine):
            count += 1
            good = fine(name, kernel, ours, reason_of)
            bad += not good
            print("%sok %d - %s%s" % ("" if good else "not ", count, name, "" if kernel == ours == "ok"
                                      else " (%s, %s)" % (kernel, ours)))
        for stack, tests in mine.items():
            for test, parts in tests.items():
                if parts.get("", ["", ""])[1]:
                    print("# %s %s said:" % (stack, test))
                    print("".join("# %s\n" % line for line in parts[""][1].splitlines()[-60:]), end="")
        # A whole run has nothing of what was once in the list.
        if not args.patterns:
            results.pop(suite, None)
        for stack in mine:
            results.setdefault(suite, {"inet": {}, "rusttcp": {}})[stack].update(mine[stack])
    with open(args.out, "w") as file:
        json.dump(results, file, indent=1, sort_keys=True)
    print("1..%d" % count)
    return 1 if bad or not whole else 0


sys.exit(main())
