#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The servers of source_route.sh, of the families sys.argv[2:], and their clients in namespace sys.argv[1]."""
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import stack  # noqa: E402

IP_OPTIONS = 4
OUTGOING = 4
BYTES = 30_000
# By the addresses of both routers; RFC 791, 3.1: each notes the address by which it sent the packet on. The way
# back goes to the second one's, and in the option are the first one's and the client's.
THERE = bytes([131, 11, 4, 10, 1, 0, 2, 10, 2, 0, 2])
BACK = bytes([131, 11, 4, 10, 3, 0, 1, 10, 2, 0, 1, 0])
ON_THE_WIRE = (bytes([10, 3, 0, 1]), bytes([131, 11, 4, 10, 2, 0, 1, 10, 1, 0, 1, 0]))

CLIENT = f"""
import socket, sys
client = socket.socket()
client.settimeout(20)
client.setsockopt(socket.IPPROTO_IP, {IP_OPTIONS}, {THERE!r})
client.connect(("10.3.0.2", int(sys.argv[1])))
client.send(b"x")
total = 0
while data := client.recv(65536):
    total += len(data)
client.close()
sys.exit(total != {BYTES})
"""


def sent(packets, port):
    """Where the server's packets went, their IP options and their TCP flags."""
    while True:
        try:
            packet, address = packets.recvfrom(65536)
        except BlockingIOError:
            return
        length = (packet[0] & 15) * 4
        if address[2] == OUTGOING and address[1] == 0x800 and packet[9] == socket.IPPROTO_TCP \
                and packet[length:length + 2] == port.to_bytes(2, "big"):
            yield packet[16:20], packet[20:length], packet[length + 13]


def test(family):
    server = stack.new_socket(family)
    server.bind(("::" if family.endswith("6") else "0.0.0.0", 0))
    server.listen()
    port = server.getsockname()[1]
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    packets.setblocking(False)
    client = subprocess.Popen(["ip", "netns", "exec", sys.argv[1], "python3", "-c", CLIENT, str(port)])
    server.settimeout(20)
    peer, _ = server.accept()
    peer.settimeout(20)
    peer.recv(1)
    options = peer.getsockopt(socket.IPPROTO_IP, IP_OPTIONS, 40)
    print(f"{int(options != BACK)} {family}: the socket has the way back: {options.hex()}")
    peer.sendall(bytes(BYTES))
    peer.close()
    print(f"{client.wait()} {family}: every byte comes")
    ways = list(sent(packets, port))
    # SYN and ACK, data, FIN, and TIME-WAIT's ACK of the client's.
    kinds = {flags & 0x13 for _, _, flags in ways}
    other = [way for *way, _ in ways if tuple(way) != ON_THE_WIRE]
    print(f"{int(bool(other) or not kinds >= {0x12, 0x10, 0x11})} {family}: {len(ways)} packets, {len(other)} by another way")
    for destination, options in other[:3]:
        print(f"# to {socket.inet_ntoa(destination)}, options {options.hex()}", file=sys.stderr)
    server.close()


for name in sys.argv[2:]:
    test(name)
