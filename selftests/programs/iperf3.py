#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""iperf3.py FILE EXPRESSION: judges what `iperf3 -J` said; status 0 if the expression holds."""
import json
import sys


def facts(said):
    """What an expression may speak of."""
    end = said["end"]
    senders = [s["sender"] for s in end["streams"] if "retransmits" in s["sender"]]
    rows = [row for i in said["intervals"] for row in i["streams"] if "snd_cwnd" in row]
    # With -R it is the server that sends, and knows.
    for i in (said.get("server_output_json") or {}).get("intervals", []):
        rows += [row for row in i["streams"] if "snd_cwnd" in row]
    cwnd = [row["snd_cwnd"] for row in rows]
    rtt = [row["rtt"] for row in rows if row.get("rtt")]
    pmtu = {row["pmtu"] for row in rows if "pmtu" in row}
    received = end["sum_received"]["bytes"]
    sent = end["sum_sent"]["bytes"]
    return {
        "total": sent,
        "seconds": end["sum_sent"]["seconds"],
        "streams": len(end["streams"]),
        # What is under way at the end was not received.
        "sent": sent > 100000 and 0.5 * sent <= received <= sent,
        "retransmits": sum(s["retransmits"] for s in senders),
        "info": bool(rows) and bool(senders) and min(cwnd) >= 1000 and max(cwnd) < 1 << 28 and
                bool(rtt) and pmtu <= {1500},
        # Where nothing is lost, next to nothing is sent again.
        "clean": sum(s["retransmits"] for s in senders) * 100 < sent / 1448,
        "delayed": bool(rtt) and 9500 <= min(rtt) and max(rtt) < 1000000,
        "congestion": end.get("sender_tcp_congestion"),
        "cwnd": (min(cwnd), max(cwnd)) if cwnd else None,
        "rtt": (min(rtt), max(rtt)) if rtt else None,
        "received": received,
        "pmtu": pmtu,
    }


def main():
    with open(sys.argv[1]) as file:
        said = json.load(file)
    if "error" in said:
        print(said["error"])
        return 1
    known = facts(said)
    print(" ".join("%s=%s" % item for item in known.items()))
    return not eval(sys.argv[2], {}, known)  # pylint: disable=eval-used


sys.exit(main())
