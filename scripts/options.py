#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""options.py HEADERS: whether sk_opt asks for every option that the kernel's headers (include/uapi) name."""

import pathlib
import re
import sys

# Names that begin like those of options and are none: values, control messages, lengths, protocol numbers.
NOT = {
    "asm-generic/socket.h": (r"SO_\w+", r"\w+_(OLD|NEW)$|SO_(GET_FILTER|DETACH_BPF)$"),
    "linux/in.h": (r"(?:IP|MCAST)_\w+", r"IP_PMTUDISC_|IP_DEFAULT_|IP_MSFILTER_SIZE|MCAST_(IN|EX)CLUDE|IP_RECVRETOPTS"
                                        r"|IP_ORIGDSTADDR"),
    "linux/in6.h": (r"IPV6_\w+", r"IPV6_(FL_|FLOWINFO_(FLOWLABEL|PRIORITY)|PRIORITY_|TLV_|PMTUDISC_|PREFER_)"
                                 r"|IPV6_ORIGDSTADDR"),
    "linux/tcp.h": (r"TCP_\w+", r"TCP_(FLAG_|MSS_|CM_|REPAIR_O|NO_QUEUE|RECV_QUEUE|SEND_QUEUE|QUEUES_NR|CA_|ACCECN_|NLA_"
                                r"|RESERVED_BITS|DATA_OFFSET|RECEIVE_ZEROCOPY_)|TCP_\w+_(MAXKEYLEN|FLAG_|KEYF_)"),
}


def main():
    source = pathlib.Path("selftests/prog/sk_opt.c").read_text()
    asked = {name.rstrip("_") for name in re.findall(r"\b[SIVT]\((\w+)", source)}
    missing = []
    for header, (names, no_option) in NOT.items():
        text = (pathlib.Path(sys.argv[1]) / header).read_text()
        for name in re.findall(rf"^\s*(?:#define\s+)?({names})\b", text, re.M):
            if name not in asked and not re.match(no_option, name):
                missing.append(name)
    for name in dict.fromkeys(missing):
        print(f"options.py: sk_opt does not ask for {name}", file=sys.stderr)
    return bool(missing)


sys.exit(main())
