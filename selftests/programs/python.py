#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
python.py serve FILE                          echo servers: asyncio's on 8010 and (IPv6) 8011,
                                              socketserver's on 8012 (threads) and 8013 (processes)
python.py http FILE HOST PORT                 a client of http.server
python.py asyncio FILE HOST PORT PART         a client of asyncio's
python.py blocking FILE HOST PORT             a client of socketserver's
"""
import asyncio
import http.client
import socket
import socketserver
import sys
import threading
import urllib.request



async def serve_one(reader, writer):
    """Echoes; "FILE" first: sends the file; "ABORT": resets; "WAIT": says nothing."""
    first = await reader.read(5)
    if first == b"FILE\n":
        with open(sys.argv[2], "rb") as file:
            await asyncio.get_running_loop().sendfile(writer.transport, file)
    elif first == b"ABRT\n":
        writer.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
        return
    elif first == b"WAIT\n":
        await reader.read()
    else:
        while first:
            writer.write(first)
            await writer.drain()
            first = await reader.read(65536)
    writer.close()
    await writer.wait_closed()


async def serve():
    """The asyncio servers; the others run in threads and processes of their own."""
    threading.Thread(target=thread_server.serve_forever, daemon=True).start()
    threading.Thread(target=fork_server.serve_forever, daemon=True).start()
    first = await asyncio.start_server(serve_one, "10.0.0.2", 8010, reuse_port=True, backlog=200)
    second = await asyncio.start_server(serve_one, "fd00::2", 8011)
    await asyncio.gather(first.serve_forever(), second.serve_forever())


class Echo(socketserver.StreamRequestHandler):
    """A line in, the same line out, until the end."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class ThreadServer(socketserver.ThreadingTCPServer):
    """A thread for each connection."""
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 50


class ForkServer(socketserver.ForkingTCPServer):
    """A process for each connection."""
    allow_reuse_address = True
    request_queue_size = 50


def want(condition, what):
    """A check."""
    if not condition:
        raise SystemExit("python.py: " + what)


def http_client(data, host, port):
    """Fetches by urllib, and several times at once."""
    name = "[%s]" % host if ":" in host else host
    url = "http://%s:%d/file" % (name, port)
    with urllib.request.urlopen(url, timeout=60) as answer:
        want(answer.read() == data, "the file is another")
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.request("HEAD", "/file")
    answer = connection.getresponse()
    want(int(answer.headers["Content-Length"]) == len(data), "its length is another")
    answer.read()
    connection.request("GET", "/none")
    want(connection.getresponse().status == 404, "what is not there was found")
    connection.close()
    good = []

    def fetch():
        with urllib.request.urlopen(url, timeout=120) as response:
            good.append(response.read() == data)

    threads = [threading.Thread(target=fetch) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want(good == [True] * 10, "ten at once: %s" % good)


async def echo(data, host, port):
    """Writes and reads at the same time; the end by half-close."""
    reader, writer = await asyncio.open_connection(host, port)
    want(writer.get_extra_info("peername")[:2] == (host, port), "peername is another")

    async def write():
        for at in range(0, len(data), 100000):
            writer.write(data[at:at + 100000])
            await writer.drain()
        writer.write_eof()

    _, got = await asyncio.gather(write(), reader.read(-1))
    want(got == data, "the echo is another: %d bytes" % len(got))
    writer.close()
    await writer.wait_closed()


async def file_(data, host, port):
    """The server uses loop.sendfile()."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"FILE\n")
    want(await reader.read(-1) == data, "the file is another")
    writer.close()


async def timeout(host, port):
    """Nothing comes; the wait is cancelled and the connection goes on."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"WAIT\n")
    try:
        await asyncio.wait_for(reader.read(1), 0.3)
        want(False, "something came")
    except asyncio.TimeoutError:
        pass
    writer.write_eof()
    want(await reader.read() == b"", "not the end")
    writer.close()


async def abort(host, port):
    """The peer resets; and nobody listens."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"ABRT\n")
    try:
        await reader.read()
        want(False, "no reset")
    except ConnectionResetError:
        pass
    writer.close()
    try:
        await asyncio.open_connection(host, 9)
        want(False, "somebody listens")
    except ConnectionRefusedError:
        pass


async def protocol(data, host, port):
    """Flow control by callbacks: pause_writing and resume_writing, buffered reads."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    seen = []

    class Client(asyncio.BufferedProtocol):
        """Collects the echo in a buffer that it owns."""

        def __init__(self):
            self.buffer = bytearray(70000)
            self.got = bytearray()

        def get_buffer(self, sizehint):
            return self.buffer

        def buffer_updated(self, nbytes):
            self.got += self.buffer[:nbytes]

        def connection_made(self, transport):
            transport.set_write_buffer_limits(100000)
            transport.write(data)
            transport.write_eof()

        def pause_writing(self):
            seen.append("pause")

        def resume_writing(self):
            seen.append("resume")

        def connection_lost(self, exc):
            done.set_result((exc, bytes(self.got)))

    await loop.create_connection(Client, host, port)
    error, got = await done
    want(error is None and got == data, "the echo is another")
    want(seen[:2] == ["pause", "resume"], "no flow control: %s" % seen)


async def sock(data, host, port):
    """The loop's calls on plain sockets."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as plain:
        plain.setblocking(False)
        await loop.sock_connect(plain, (host, port))
        part = data[:50000]
        await loop.sock_sendall(plain, part)
        plain.shutdown(socket.SHUT_WR)
        got, into = b"", bytearray(30000)
        while True:
            n = await loop.sock_recv_into(plain, into)
            if not n:
                break
            got += into[:n]
        want(got == part, "the echo is another")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("", 0))
        server.listen(5)
        server.setblocking(False)
        task = asyncio.create_task(loop.sock_accept(server))
        await asyncio.sleep(0.05)
        with socket.create_connection(("127.0.0.1", server.getsockname()[1])) as caller:
            accepted, address = await task
            want(address == caller.getsockname(), "accepted somebody else")
            accepted.close()


async def many(data, host, port):
    """A hundred at the same time."""
    await asyncio.gather(*(echo(data[i * 1000:i * 1000 + 20000], host, port) for i in range(100)))


def blocking_client(data, host, port):
    """Twenty threads, each with lines of its own."""
    good = []

    def talk(number):
        with socket.create_connection((host, port), timeout=60) as plain, plain.makefile("rwb") as file:
            for i in range(20):
                line = b"%d %d " % (number, i) + data[:50].hex().encode() + b"\n"
                file.write(line)
                file.flush()
                if file.readline() != line:
                    return
            good.append(number)

    threads = [threading.Thread(target=talk, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want(len(good) == 20, "%d of 20" % len(good))


def asyncio_client(data, host, port, part):
    """One part."""
    if part in ("timeout", "abort"):
        asyncio.run({"timeout": timeout, "abort": abort}[part](host, port))
    else:
        parts = {"echo": echo, "many": many, "file": file_, "protocol": protocol, "sock": sock}
        asyncio.run(parts[part](data, host, port))


what = sys.argv[1]
if what == "serve":
    thread_server = ThreadServer(("10.0.0.2", 8012), Echo)
    fork_server = ForkServer(("10.0.0.2", 8013), Echo)
    asyncio.run(serve())
else:
    with open(sys.argv[2], "rb") as opened:
        content = opened.read()
    {"http": http_client, "asyncio": asyncio_client, "blocking": blocking_client}[what](
        content, sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
