#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
guest.py STACKS MODES N/M [PATTERN...]: in the VM's own root (see run.py): runs the scripts one
by one, each in a namespace of its own, and says "RESULT [name, status, seconds, text]" for each.
"""
import json
import os
import re
import subprocess
import sys
import time

FOLDER = "/scripts"
# As the kernel's own runner (ksft_runner.sh) has them: facts about the scripts.
COOKIES4 = "-D TFO_COOKIE=3021b9d889017eeb -D TFO_COOKIE_ZERO=b7c12350a90dc8f5"
COOKIES6 = "-D TFO_COOKIE=c1d1e9742a47a9bc -D TFO_COOKIE_ZERO=82af1a8f9a205c34"
NET4 = ("--local_ip=192.168.0.1 --gateway_ip=192.168.0.1 --netmask_ip=255.255.0.0"
        " --remote_ip=192.0.2.1 ")
LEVEL6 = " -D CMSG_LEVEL_IP=SOL_IPV6 -D CMSG_TYPE_RECVERR=IPV6_RECVERR"
MODES = {
    "ipv4": "--ip_version=ipv4 " + NET4 + COOKIES4 +
            " -D CMSG_LEVEL_IP=SOL_IP -D CMSG_TYPE_RECVERR=IP_RECVERR",
    "ipv4-mapped-ipv6": "--ip_version=ipv4-mapped-ipv6 " + NET4 + COOKIES4 + LEVEL6,
    "ipv6": "--ip_version=ipv6 --mtu=1520 --local_ip=fd3d:0a0b:17d6::1"
            " --gateway_ip=fd3d:0a0b:17d6:8888::1 --remote_ip=fd3d:fa7b:d17d::1 " +
            COOKIES6 + LEVEL6,
}


def versions(name):
    """The modes that a script is for: all, unless it names one."""
    with open(os.path.join(FOLDER, name)) as file:
        named = re.findall(r"^--ip_version=(\S+)", file.read(), re.M)
    return named or list(MODES)


def run(stack, mode, name):
    command = ["unshare", "-n"]
    env = dict(os.environ)
    if stack == "rusttcp":
        command += [os.environ["RUSTTCP_TOP"] + "/tools/rusttcp-run"]
        # nstat tells of the TCP that the script is about.
        env["PROC_NET_NETSTAT"] = env["PROC_NET_SNMP"] = "/proc/net/rusttcp_stat"
    command += ["packetdrill"] + MODES[mode].split() + [name]
    start = time.time()
    try:
        done = subprocess.run(command, cwd=FOLDER, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        status, said = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        status, said = 124, late.stdout or b""
    text = "\n".join(said.decode(errors="replace").strip().splitlines()[-12:])
    return status, round(time.time() - start, 2), text


def main():
    stacks, modes, shards = sys.argv[1].split(","), sys.argv[2].split(","), sys.argv[3]
    patterns = sys.argv[4:]
    part, parts = map(int, shards.split("/"))
    names = [n for n in sorted(os.listdir(FOLDER)) if n.endswith(".pkt")
             and (not patterns or any(re.search(p, n) for p in patterns))][part::parts]
    jobs = [(stack, mode, name) for name in names for mode in modes if mode in versions(name)
            for stack in stacks]
    print("PLAN %d" % len(jobs), flush=True)
    # Everything that the scripts need has been used once.
    subprocess.run(["unshare", "-n", "bash", "-c", "cd %s; ip link set lo up; ./defaults.sh;"
                    " nstat; ss -tn; ethtool lo; id" % FOLDER], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for stack, mode, name in jobs:
        status, seconds, said = run(stack, mode, name)
        print("RESULT " + json.dumps(["%s/%s/%s" % (stack, mode, name[:-4]), status, seconds,
                                      said]), flush=True)


main()
