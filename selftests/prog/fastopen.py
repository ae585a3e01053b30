#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
fastopen.py server ADDRESS PORT QLEN COUNT: answers COUNT connections, each line in upper case;
    says for each whether there was data on its SYN.
fastopen.py client ADDRESS PORT COUNT: one connection after the other with MSG_FASTOPEN; says for
    each whether data on the SYN was acknowledged, and checks the answer.
"""
import socket
import sys

TCPI_OPT_SYN_DATA = 32


def syn_data(sock):
    """Whether there was data on the SYN, as TCP_INFO has it (tcpi_options: the sixth byte)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return "data" if info[5] & TCPI_OPT_SYN_DATA else "plain"


def server(address, port, qlen, count):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, int(port)))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, int(qlen))
    listener.listen(16)
    for _ in range(int(count)):
        sock, _ = listener.accept()
        with sock:
            said = b""
            while not said.endswith(b"\n"):
                part = sock.recv(4096)
                if not part:
                    break
                said += part
            print(syn_data(sock), len(said), flush=True)
            sock.sendall(said.upper())


def client(address, port, count):
    for n in range(int(count)):
        with socket.socket() as sock:
            text = b"hello number %d\n" % n
            sent = sock.sendto(text, socket.MSG_FASTOPEN, (address, int(port)))
            sock.sendall(text[sent:])
            answer = b""
            while len(answer) < len(text):
                part = sock.recv(4096)
                if not part:
                    sys.exit("the connection ended")
                answer += part
            if answer != text.upper():
                sys.exit("%r for %r" % (answer, text))
            print(syn_data(sock), flush=True)


{"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
