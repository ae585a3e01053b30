// SPDX-License-Identifier: GPL-2.0
// node nodejs.js serve: servers on ports 8020 to 8023; node nodejs.js PART HOST: a client.
"use strict";
const assert = require("assert");
const cluster = require("cluster");
const http = require("http");
const http2 = require("http2");
const net = require("net");

const data = Buffer.alloc(4000000, (_, i) => i);
for (let i = 0; i < data.length; i += 4)
	data.writeUInt32LE((i * 2654435761) >>> 0, i);

function serve() {
	// Says everything back; "reset" first: resets; "quiet" first: says nothing.
	net.createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
		socket.on("error", () => {});
		socket.once("data", (first) => {
			if (first.toString("latin1", 0, 5) === "reset")
				return socket.resetAndDestroy();
			if (first.toString("latin1", 0, 5) === "quiet")
				return socket.resume();
			socket.write(first);
			socket.pipe(socket);
		});
	}).listen(8020, "::");
	http.createServer((request, response) => {
		if (request.method === "POST")
			return request.pipe(response);
		response.writeHead(200, { "Content-Length": data.length });
		response.end(data);
	}).listen(8021, "10.0.0.2");
	http2.createServer((request, response) => response.end(data)).listen(8022, "10.0.0.2");
	cluster.setupPrimary({ args: ["serve"] });
	let ready = 0;
	cluster.on("listening", () => ++ready === 2 && console.log("ready"));
	cluster.fork();
	cluster.fork();
}

function work() {
	http.createServer((request, response) => {
		response.end(String(process.pid));
	}).listen(8023, "10.0.0.2");
}

function all(stream) {
	return new Promise((resolve, reject) => {
		const parts = [];
		stream.on("data", (part) => parts.push(part));
		stream.on("end", () => resolve(Buffer.concat(parts)));
		stream.on("error", reject);
	});
}

async function echo(host, bytes = data) {
	const socket = net.connect({ host, port: 8020, allowHalfOpen: true });
	socket.setNoDelay(true);
	socket.setKeepAlive(true, 5000);
	socket.on("connect", () => {
		assert.strictEqual(socket.remoteAddress, host);
		assert.strictEqual(socket.remoteFamily, host.includes(":") ? "IPv6" : "IPv4");
	});
	const got = all(socket);
	socket.end(bytes);
	assert((await got).equals(bytes), "the echo is another");
}

function get(host, port, options = {}) {
	return new Promise((resolve, reject) => {
		const request = http.request({ host, port, ...options }, (response) => {
			all(response).then(resolve, reject);
		});
		request.on("error", reject);
		request.end(options.body);
	});
}

const parts = {
	echo,
	async many(host) {
		await Promise.all(Array.from({ length: 100 }, (_, i) =>
			echo(host, data.subarray(i * 1000, i * 1000 + 20000))));
	},
	async abort(host) {
		const socket = net.connect({ host, port: 8020 });
		socket.write("reset");
		await assert.rejects(all(socket), { code: "ECONNRESET" });
		await assert.rejects(all(net.connect({ host, port: 9 })), { code: "ECONNREFUSED" });
	},
	async http(host) {
		assert((await get(host, 8021)).equals(data));
		const sent = await get(host, 8021, { method: "POST", body: data });
		assert(sent.equals(data));
	},
	async agent(host) {
		const agent = new http.Agent({ keepAlive: true, maxSockets: 5 });
		const body = data.subarray(0, 3000);
		const got = await Promise.all(Array.from({ length: 60 }, () =>
			get(host, 8021, { agent, method: "POST", body })));
		assert(got.every((part) => part.equals(body)));
		agent.destroy();
	},
	async http2(host) {
		const session = http2.connect(`http://${host}:8022`);
		const got = await Promise.all(Array.from({ length: 3 }, () => all(session.request({ ":path": "/" }))));
		assert(got.every((part) => part.equals(data)));
		session.close();
	},
	// Two processes serve one port: the first hands them their connections.
	async cluster(host) {
		const seen = new Set();
		for (let i = 0; i < 20; i++)
			seen.add((await get(host, 8023, { agent: false })).toString());
		assert.strictEqual(seen.size, 2);
	},
	async timeout(host) {
		const socket = net.connect({ host, port: 8020 });
		socket.write("quiet");
		socket.setTimeout(300);
		await new Promise((resolve) => socket.on("timeout", resolve));
		socket.destroy();
	},
};

if (!cluster.isPrimary)
	work();
else if (process.argv[2] === "serve")
	serve();
else
	parts[process.argv[2]](process.argv[3]).catch((error) => {
		console.error(process.argv[2], error);
		process.exitCode = 1;
	});
