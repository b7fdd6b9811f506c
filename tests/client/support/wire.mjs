// The wire by hand, for what the published client never sends: gateway URLs,
// bodies and frames of the three encodings, and a plain WebSocket.
import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { Encoder } from "cbor-x";
import WebSocket from "ws";
import { soon } from "./client.mjs";

const cbor = new Encoder({ useRecords: false, mapsAsObjects: true });

/** The version every bare body and frame starts with. */
export const BARE_VERSION = Buffer.from([4, 0]);

export function encodeCbor(value) {
	return Buffer.from(cbor.encode(value));
}

export function decodeCbor(bytes) {
	return cbor.decode(bytes);
}

function uint(value) {
	const bytes = [];
	let rest = BigInt(value);
	do {
		const low = Number(rest & 0x7fn);
		rest >>= 7n;
		bytes.push(rest === 0n ? low : low | 0x80);
	} while (rest !== 0n);
	return Buffer.from(bytes);
}

/** BARE `data`: a length and that many bytes. */
export function data(bytes) {
	return Buffer.concat([uint(bytes.length), bytes]);
}

function str(text) {
	return data(Buffer.from(text, "utf8"));
}

/** Reads BARE values one after the other. */
class Reader {
	constructor(bytes) {
		this.bytes = Buffer.from(bytes);
		this.at = 0;
	}
	byte() {
		return this.bytes[this.at++];
	}
	uint() {
		let value = 0n;
		for (let shift = 0n; ; shift += 7n) {
			const byte = this.byte();
			value |= BigInt(byte & 0x7f) << shift;
			if (byte < 0x80) return Number(value);
		}
	}
	data() {
		const length = this.uint();
		const start = this.at;
		this.at += length;
		return this.bytes.subarray(start, this.at);
	}
	str() {
		return this.data().toString("utf8");
	}
	optional(read) {
		return this.byte() === 1 ? read.call(this) : null;
	}
}

/** The gateway path of an actor by key. `more` adds or replaces `rvt-` parameters. */
export function gateway(name, key, rest, more = {}) {
	const parameters = new URLSearchParams({
		"rvt-namespace": "default",
		"rvt-method": "getOrCreate",
		"rvt-runner": "default",
		"rvt-key": Array.isArray(key) ? key.join(",") : key,
		"rvt-crash-policy": "sleep",
	});
	for (const [parameter, value] of Object.entries(more)) {
		if (value === undefined) parameters.delete(parameter);
		else parameters.set(parameter, value);
	}
	return `/gateway/${name}${rest}?${parameters}`;
}

/** An action's request body in `encoding`. */
export function actionBody(encoding, args) {
	if (encoding === "json") return Buffer.from(JSON.stringify({ args }));
	if (encoding === "cbor") return encodeCbor({ args });
	return Buffer.concat([BARE_VERSION, data(encodeCbor(args))]);
}

/** The error in a response body of `encoding`, or of JSON when the content type says so. */
export function errorBody(encoding, contentType, bytes) {
	if (encoding === "json" || contentType.includes("application/json")) return JSON.parse(bytes.toString());
	if (encoding === "cbor") return decodeCbor(bytes);
	const reader = new Reader(bytes.subarray(2));
	return { group: reader.str(), code: reader.str(), message: reader.str() };
}

/** Sends one request and reads the whole answer. A `stream` body goes out chunked, piece by piece. */
export function request(server, path, { method = "POST", headers = {}, body, chunks } = {}) {
	return soon(
		`${method} ${path} is answered`,
		new Promise((resolve, reject) => {
			const call = http.request(`${server.url}${path}`, { method, headers, agent: false }, (response) => {
				const parts = [];
				response.on("data", (part) => parts.push(part));
				response.on("error", reject);
				response.on("end", () =>
					resolve({
						status: response.statusCode,
						headers: response.headers,
						contentType: response.headers["content-type"] ?? "",
						body: Buffer.concat(parts),
					}),
				);
			});
			call.on("error", reject);
			if (chunks) {
				for (const chunk of chunks) call.write(chunk);
				call.end();
			} else {
				call.end(body);
			}
		}),
		10_000,
	);
}

/** A frame from the client in `encoding`: `tag` is ActionRequest or SubscriptionRequest. */
export function clientFrame(encoding, tag, value) {
	if (encoding === "json") return JSON.stringify({ body: { tag, val: value } });
	if (encoding === "cbor") return encodeCbor({ body: { tag, val: value } });
	if (tag === "ActionRequest") {
		return Buffer.concat([BARE_VERSION, Buffer.from([0]), uint(value.id), str(value.name), data(encodeCbor(value.args))]);
	}
	return Buffer.concat([BARE_VERSION, Buffer.from([1]), str(value.eventName), Buffer.from([value.subscribe ? 1 : 0])]);
}

/** A frame from the server as `{tag, val}`, with ids as they came. */
export function serverFrame(encoding, bytes) {
	if (encoding === "json") return JSON.parse(bytes.toString()).body;
	if (encoding === "cbor") return decodeCbor(bytes).body;
	const reader = new Reader(bytes.subarray(2));
	switch (reader.byte()) {
		case 0:
			return { tag: "Init", val: { actorId: reader.str(), connectionId: reader.str() } };
		case 1: {
			const val = { group: reader.str(), code: reader.str(), message: reader.str() };
			val.metadata = reader.optional(reader.data);
			val.actionId = reader.optional(reader.uint);
			return { tag: "Error", val };
		}
		case 2:
			return { tag: "ActionResponse", val: { id: reader.uint(), output: decodeCbor(reader.data()) } };
		default:
			return { tag: "Event", val: { name: reader.str(), args: decodeCbor(reader.data()) } };
	}
}

/** A WebSocket on `path` that keeps every frame and its own end. */
export class Socket {
	frames = [];
	#waiting = new Set();

	constructor(server, path, { encoding = "json", protocols, params, headers } = {}) {
		this.encoding = encoding;
		const offered = protocols ?? ["rivet", `rivet_encoding.${encoding}`];
		if (params !== undefined) offered.push(`rivet_conn_params.${encodeURIComponent(JSON.stringify(params))}`);
		this.ws = new WebSocket(`${server.socketUrl}${path}`, offered, { headers });
		this.opened = new Promise((resolve, reject) => {
			this.ws.once("open", resolve);
			this.ws.once("error", reject);
		});
		this.opened.catch(() => {});
		this.closed = new Promise((resolve) => {
			this.ws.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
		});
		this.ws.on("error", () => {});
		this.ws.on("message", (bytes, binary) => {
			this.frames.push({ binary, ...serverFrame(encoding, bytes) });
			for (const check of this.#waiting) check();
		});
	}

	/** The first frame kept that `matches`, waiting for it if need be. */
	async frame(what, matches) {
		return soon(
			`a frame: ${what}`,
			new Promise((resolve) => {
				const check = () => {
					const found = this.frames.find(matches);
					if (!found) return;
					this.#waiting.delete(check);
					resolve(found);
				};
				this.#waiting.add(check);
				check();
			}),
		);
	}

	async init() {
		return (await this.frame("Init", (frame) => frame.tag === "Init")).val;
	}

	/** Sends an action and returns the frame that answers it. */
	async action(id, name, ...args) {
		this.ws.send(clientFrame(this.encoding, "ActionRequest", { id, name, args }));
		return this.frame(
			`the answer to ${name}`,
			(frame) =>
				(frame.tag === "ActionResponse" && idOf(frame.val.id) === id) ||
				(frame.tag === "Error" && idOf(frame.val.actionId) === id),
		);
	}

	/** The close the server answers or begins. */
	end(within) {
		return soon("the socket is closed", this.closed, within);
	}
}

/** An id as a number, in whatever form its encoding has. */
export function idOf(value) {
	return Array.isArray(value) && value[0] === "$BigInt" ? Number(value[1]) : value === null ? null : Number(value);
}

/** A TCP connection that has done the WebSocket handshake and then never reads again. */
export async function deafSocket(server, path, protocols) {
	const socket = net.connect(server.port, "127.0.0.1");
	const key = randomBytes(16).toString("base64");
	socket.write(
		`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n` +
			`sec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\nsec-websocket-protocol: ${protocols.join(", ")}\r\n\r\n`,
	);
	const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
	await soon(
		"the handshake is answered",
		new Promise((resolve, reject) => {
			let head = "";
			socket.on("error", reject);
			socket.on("data", function read(bytes) {
				head += bytes.toString("latin1");
				if (!head.includes("\r\n\r\n")) return;
				socket.off("data", read);
				socket.pause();
				head.includes("101") && head.includes(accept) ? resolve() : reject(new Error(head));
			});
		}),
	);
	return socket;
}

/** A masked client frame around `payload`, for sockets without a WebSocket library. */
export function maskedFrame(opcode, payload) {
	const mask = randomBytes(4);
	const head =
		payload.length < 126
			? Buffer.from([0x80 | opcode, 0x80 | payload.length])
			: Buffer.from([0x80 | opcode, 0x80 | 126, payload.length >> 8, payload.length & 0xff]);
	const masked = Buffer.from(payload.map((byte, index) => byte ^ mask[index % 4]));
	return Buffer.concat([head, mask, masked]);
}
