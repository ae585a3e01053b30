#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
guest.py STACKS SUITE [PATTERN...]: in the VM, runs a suite (kernel, python, rust) on stacks (inet,
rusttcp); "RESULT" and JSON for each test: [stack, test, part, outcome, what it said].
"""
import json
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(TOP, "build/upstream")
KTAP = re.compile(r"^#?\s*(not )?ok \d+ (?:- )?(.*?)(?: *# (SKIP|XFAIL).*)?$")
# What the scripts say that have a log_test() of their own.
LOG_TEST = re.compile(r"^\s*TEST: (.*?)\s*\[ ?(OK|FAIL|SKIP) ?\]$")


def lines(name):
    """The lines of a list."""
    with open(os.path.join(HERE, name)) as file:
        return [line.rstrip("\n") for line in file if line.strip() and line[0] != "#"]


def tests(suite):
    """[(name, command, folder, seconds)] of a suite."""
    if suite == "kernel":
        found = []
        for line in lines("kernel.list"):
            name, command, _, seconds = (line + "\t\t\t").split("\t")[:4]
            found.append((name, command, os.path.join(OUT, "selftests/net"), int(seconds or 300)))
        return found
    # The limits are for a guest in emulation on a host that has other things to do.
    if suite == "python":
        return [(name, "exec /usr/bin/python3 %s/unittests.py %s" % (HERE, name), "/tmp", 1500)
                for name in lines("python.list")]
    return [("std::net", "exec %s/std_net --test-threads=1" % OUT, "/tmp", 600)]


def outcomes(suite, said):
    """{part: outcome} of what a test said about its parts."""
    found = {}

    def add(part, outcome):
        # A script may give several parts one name.
        name, count = part, 1
        while name in found:
            count += 1
            name = "%s (%d)" % (part, count)
        found[name] = outcome

    for line in said.splitlines():
        if suite == "python":
            match = re.match(r"RESULT (ok|failed|skipped) (.*)", line)
            if match:
                add(match.group(2), match.group(1))
        elif suite == "rust":
            match = re.match(r"test (\S+) \.\.\. (ok|FAILED|ignored)", line)
            if match:
                add(match.group(1), {"ok": "ok", "FAILED": "failed"}.get(match.group(2), "skipped"))
        else:
            match = KTAP.match(line)
            if match:
                add(match.group(2), "skipped" if match.group(3) == "SKIP" else
                    "failed" if match.group(1) else "ok")
            match = LOG_TEST.match(line)
            if match:
                add(match.group(1), {"OK": "ok", "FAIL": "failed", "SKIP": "skipped"}[match.group(2)])
    return found


def run(stack, suite, name, command, folder, seconds):
    """One test on one stack."""
    prefix = ["unshare", "-n", "sh", "-c", "ip link set lo up; exec \"$@\"", "-"]
    if stack == "rusttcp":
        prefix.append(os.path.join(TOP, "tools/rusttcp-run"))
    with subprocess.Popen(prefix + ["bash", "-c", command], cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                          universal_newlines=True, errors="replace") as process:
        try:
            said = process.communicate(timeout=seconds)[0]
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            said = process.communicate()[0] + "\n(no end after %d s)" % seconds
            status = -1
    parts = outcomes(suite, said)
    whole = {0: "ok", 4: "skipped"}.get(status, "failed")
    for part, outcome in parts.items():
        print("RESULT " + json.dumps([stack, name, part, outcome, ""]), flush=True)
    # The status says nothing of its own if a part has failed.
    if suite == "python":
        whole = "ok" if status == 0 else "failed"
    elif status > 0 and "failed" in parts.values():
        whole = None
    said = "".join(line for line in said.splitlines(True) if not line.startswith("RESULT ok"))
    kept = said[-6000:] if whole == "failed" or "failed" in parts.values() else ""
    print("RESULT " + json.dumps([stack, name, "", whole or "ok", kept]), flush=True)


def main():
    stacks, suite, patterns = sys.argv[1].split(","), sys.argv[2], sys.argv[3:]
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.environ["HOME"] = "/tmp"
    if suite == "kernel":
        # What is late in emulation is told, but no failure.
        os.environ["KSFT_MACHINE_SLOW"] = "yes"
        os.environ["PATH"] = os.path.join(OUT, "bin") + ":" + os.environ["PATH"]
    for name, command, folder, seconds in tests(suite):
        if patterns and not any(re.search(p, name) for p in patterns):
            continue
        for stack in stacks:
            run(stack, suite, name, command, folder, seconds)
    print("ENDED", flush=True)


main()
