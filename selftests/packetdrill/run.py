#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Runs the kernel's packetdrill scripts in the VM, on the kernel's TCP and on ours.

run.py [--stacks tcp,rusttcp] [--modes ipv4,...] [--shards N/M] [--out FILE] [PATTERN...]
run.py --table FILE...    writes Documentation/packetdrill.rst from what --out wrote

PACKETDRILL is the program (Google's, built elsewhere: no part of this project), LINUX_SRC the
kernel source, whose scripts are run. The guest's clock is virtual (tools/vm --virtual-time) and
everything that the scripts start is in its memory: neither the host's load nor its disk changes
when something happens. Results come as KTAP; the status is 0 if nothing failed on ours that
passes on the kernel's and has no reason in reasons.txt.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from report import TOP, by_reason, listed, reasons, write_page
SCRIPTS = "tools/testing/selftests/net/packetdrill"
# What the scripts and the runner start.
PROGRAMS = ["bash", "sh", "env", "cat", "grep", "chmod", "rm", "mkdir", "sleep", "sysctl", "ip",
            "tc", "nstat", "ss", "ethtool", "unshare", "readlink", "dirname", "sed", "id",
            "python3", "mount", "umount", "head", "tail", "tr", "dd",
            "ifconfig"]


def which(name):
    for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    return None


def libraries(path):
    """The shared objects that a program needs."""
    said = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          universal_newlines=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", said)


def pack(to, program, source):
    """Makes the guest's root: the programs with their libraries, Python, the scripts."""
    preload = os.path.join(TOP, "build/librusttcp-preload.so")
    python = os.path.realpath(which("python3"))
    library = "/usr/lib/" + os.path.basename(python)
    found = {}

    def add(path, real=None):
        if path not in found:
            found[path] = os.path.realpath(real or path)

    for path in [p for p in map(which, PROGRAMS) if p] + [program]:
        name = "/usr/bin/" + os.path.basename(path)
        add(name, path)
        for lib in libraries(path):
            add(lib)
    for path in (preload, os.path.join(TOP, "tools/rusttcp-run"),
                 os.path.join(HERE, "guest.py")):
        add(path)
    folder = os.path.join(source, SCRIPTS)
    for name in os.listdir(folder):
        if os.path.isfile(os.path.join(folder, name)):
            add("/scripts/" + name, os.path.join(folder, name))

    def lean(info):
        unwanted = ("/test", "/idlelib", "/tkinter", "/lib2to3", "/distutils", "/ensurepip",
                    "/config-", "/pydoc_data", "/dist-packages")
        return None if any(u in info.name[len(library) - 1:] for u in unwanted) else info

    with tarfile.open(to, "w") as tar:
        for name in ("bin", "sbin", "usr/sbin"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/usr/bin"
            tar.addfile(link)
        for path, real in sorted(found.items()):
            tar.add(real, path.lstrip("/"))
        tar.add(library, library.lstrip("/"), filter=lean)
        for extension in subprocess.run(
                ["find", library + "/lib-dynload", "-name", "*.so"], check=True,
                stdout=subprocess.PIPE, universal_newlines=True).stdout.split():
            for lib in libraries(extension):
                if lib not in found:
                    found[lib] = os.path.realpath(lib)
                    tar.add(found[lib], lib.lstrip("/"))


def guest(args, program, source):
    """Runs the scripts in the VM; gives {"stack/mode/script": [status, seconds, text]}."""
    root = os.path.join(TOP, "build/packetdrill-%d.tar" % os.getpid())
    pack(root, program, source)
    command = [os.path.join(TOP, "tools/vm"), "--virtual-time", "--timeout", str(args.timeout),
               "--", os.path.join(HERE, "guest.sh"), root, os.path.join(HERE, "guest.py"),
               args.stacks, args.modes, args.shards] + args.patterns
    results, plan = {}, None
    open(root + ".out", "w").close()
    print("KTAP version 1")

    def take(line):
        nonlocal plan
        if line.startswith("PLAN "):
            if plan is None:
                plan = int(line.split()[1])
                print("1..%d" % plan)
        elif line.startswith("RESULT "):
            name, status, seconds, said = json.loads(line[7:])
            if name in results:
                return
            results[name] = [status, seconds, said]
            print("%s %d %s" % ("ok" if status == 0 else "not ok", len(results), name), flush=True)
            if status and args.verbose:
                print("".join("# %s\n" % text for text in said.splitlines()), end="")
        elif line:
            print("# " + line, flush=True)

    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          universal_newlines=True, errors="replace") as vm:
        for line in vm.stdout:
            take(line.strip())
        vm.wait()
        status = vm.returncode
    with open(root + ".out") as file:
        for line in file:
            take(line.strip())
    for path in (root, root + ".out"):
        os.unlink(path)
    if plan != len(results) or status:
        print("# tools/vm: status %d, %d of %s results" % (status, len(results), plan))
    return results, status


def judge(results):
    """The scripts by outcome: (both pass, only the kernel's, only ours, none)."""
    groups = ([], [], [], [])
    for name in sorted(k[4:] for k in results if k.startswith("tcp/")):
        ours = results.get("rusttcp/" + name)
        if ours is not None:
            kernel = results["tcp/" + name][0] == 0
            groups[(0 if ours[0] == 0 else 1) if kernel else (2 if ours[0] == 0 else 3)].append(name)
    return groups


def share(groups):
    both, kernel_only = len(groups[0]), len(groups[1])
    total = both + kernel_only
    return "%d of the %d runs that the kernel's TCP passes (%.1f %%)" % (
        both, total, 100.0 * both / total if total else 0.0)


def table(results):
    """Writes Documentation/packetdrill.rst."""
    groups = judge(results)
    write_page(HERE, "packetdrill.rst", {
        "share": share(groups),
        "modes": "\n".join("- ``%s``: %s" % (mode, share([
            [n for n in group if n.startswith(mode + "/")] for group in groups]))
            for mode in sorted({n.split("/")[0] for group in groups for n in group})),
        "total": str(sum(map(len, groups))),
        "neither": listed(groups[3]),
        "ours": listed(groups[2]),
        "failures": by_reason([(n, "``%s``" % n) for n in groups[1]], reasons(HERE)),
    })


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stacks", default="tcp,rusttcp")
    parser.add_argument("--modes", default="ipv4")
    parser.add_argument("--shards", default="0/1", help="N/M: the Nth of M parts")
    parser.add_argument("--timeout", type=int, default=3000)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("patterns", nargs="*")
    args = parser.parse_args()
    if args.table:
        results = {}
        for name in args.patterns:
            with open(name) as file:
                results.update(json.load(file))
        table(results)
        print(share(judge(results)))
        return 0
    program = os.environ.get("PACKETDRILL") or which("packetdrill")
    source = os.environ.get("LINUX_SRC")
    if not program or not os.access(program, os.X_OK) or not source:
        sys.exit("run.py: PACKETDRILL=path of the program, LINUX_SRC=path of the kernel source")
    results, status = guest(args, program, source)
    if args.out:
        with open(args.out, "w") as file:
            json.dump(results, file, indent=1, sort_keys=True)
    groups = judge(results)
    for stack in args.stacks.split(","):
        mine = [v for k, v in results.items() if k.startswith(stack + "/")]
        print("# %s: %d of %d" % (stack, sum(v[0] == 0 for v in mine), len(mine)))
    if groups[0] or groups[1]:
        print("# " + share(groups))
    reason_of = reasons(HERE)
    unexplained = [name for name in groups[1] if not reason_of(name)]
    for name in unexplained:
        print("# without a reason: " + name)
    return 1 if status or unexplained else 0


sys.exit(main())
