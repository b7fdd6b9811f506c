// Raw WebSockets by the published client's `handle.webSocket(path)`: what passes, how
// messages are numbered, what a sleep costs, how they close.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, newKey, soon, until } from "./support/client.mjs";
import { pause, startFixtures } from "./support/server.mjs";
import { actionBody, gateway, request } from "./support/wire.mjs";

const server = await startFixtures();
const client = clientOf(server);
const PROBE = "__rivetkitTestHibernatableAckStateV1";

/** The socket of `handle` at `path`: what it hears waits to be read. */
class Raw {
	/** Heard so far: one when it opened, one at each wake since. */
	welcomes = 0;
	#heard = [];
	#readers = [];

	static async open(handle, path) {
		const socket = await soon("the socket is made", handle.webSocket(path));
		return new Raw(socket);
	}

	constructor(socket) {
		this.socket = socket;
		socket.binaryType = "arraybuffer";
		this.opened = new Promise((resolve, reject) => {
			if (socket.readyState === 1) resolve();
			socket.addEventListener("open", resolve);
			socket.addEventListener("close", (event) => reject(new Error(`closed ${event.code} ${event.reason}`)));
		});
		this.opened.catch(() => {});
		this.closed = new Promise((resolve) => {
			socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
		});
		socket.addEventListener("message", ({ data }) => {
			const reader = this.#readers.shift();
			if (reader) reader(data);
			else this.#heard.push(data);
		});
	}

	send(message) {
		this.socket.send(typeof message === "string" || ArrayBuffer.isView(message) ? message : JSON.stringify(message));
	}

	/** The next message as it came. */
	next() {
		if (this.#heard.length > 0) return Promise.resolve(this.#heard.shift());
		return soon("a message", new Promise((resolve) => this.#readers.push(resolve)));
	}

	/** The next message of another type than `welcome`, which comes with each wake: a pause of 250 ms is enough. */
	async answer() {
		for (;;) {
			const message = await this.next();
			if (!isWelcome(message)) return message;
			this.welcomes += 1;
		}
	}

	async json() {
		return JSON.parse(await this.answer());
	}

	async ask(message) {
		this.send(message);
		return this.json();
	}

	async close(code, reason) {
		this.socket.close(code, reason);
		return soon("the close", this.closed);
	}
}

function isWelcome(message) {
	return typeof message === "string" && message.startsWith('{') && JSON.parse(message).type === "welcome";
}

/** How many connections an actor has counted, and in which of its lives. */
async function counted(key) {
	const path = gateway("rawWebSocketActor", key, "/action/getStats");
	const { body, headers } = await request(server, path, { body: actionBody("json", []) });
	return { count: JSON.parse(body).output.connectionCount, life: Number(headers["x-rivet-actor-generation"]) };
}

/** Waits until one connection fewer is counted than `before`. Those that are open count once more in each life. */
async function oneFewer(key, before) {
	await until("the count is down", async () => {
		const now = await counted(key);
		return now.count < before.count + now.life - before.life;
	});
}

describe("what passes", () => {
	test("text, bytes and JSON, at any path", async () => {
		for (const path of [undefined, "", "custom/path", "/slash"]) {
			const key = newKey();
			const raw = await Raw.open(client.rawWebSocketActor.getOrCreate([key]), path);
			await raw.opened;
			raw.send("plain text");
			assert.equal(await raw.answer(), "plain text");
			raw.send(new Uint8Array([1, 2, 255]));
			assert.deepEqual([...new Uint8Array(await raw.answer())], [1, 2, 255]);
			assert.deepEqual(await raw.ask({ any: ["json"] }), { any: ["json"] });
			assert.equal((await raw.ask({ type: "ping" })).type, "pong");
			const stats = await raw.ask({ type: "getStats" });
			assert.notEqual(raw.welcomes, 0);
			assert.deepEqual(stats, { type: "stats", connectionCount: raw.welcomes, messageCount: 5 });
			const before = await counted(key);
			await raw.close(1000, "done");
			await oneFewer(key, before);
		}
	});

	test("frames sent before the actor looks are kept", async () => {
		const raw = await Raw.open(client.rawWebSocketActor.getOrCreate([newKey()]));
		await raw.opened;
		raw.send({ type: "indexedEcho", payload: "first" });
		assert.deepEqual(await raw.json(), { type: "indexedEcho", payload: "first", rivetMessageIndex: 1 });
		await raw.close();
	});

	test("the actor sees the URL of the upgrade", async () => {
		for (const [path, pathname, search] of [
			["a/b?x=1&y=%20", "/websocket/a/b", "?x=1&y=%20"],
			["?a=b", "/websocket/", "?a=b"],
			["", "/websocket/", ""],
		]) {
			const raw = await Raw.open(client.rawWebSocketActor.getOrCreate([newKey()]), path);
			await raw.opened;
			const seen = await raw.ask({ type: "getRequestInfo" });
			assert.deepEqual(
				[seen.type, seen.pathname, seen.search, seen.url],
				["requestInfo", pathname, search, `${server.url}${pathname}${search}`],
			);
			await raw.close();
		}
	});

	test("half a megabyte in one text", async () => {
		const raw = await Raw.open(client.rawWebSocketActor.getOrCreate([newKey()]));
		await raw.opened;
		const payload = "x".repeat(508 * 1024);
		const answer = await raw.ask({ type: "indexedAckProbe", payload });
		assert.deepEqual(answer, { type: "indexedAckProbe", rivetMessageIndex: 1, payloadSize: payload.length });
		await raw.close();
	});

	test("bytes of an actor that takes nothing else", async () => {
		const raw = await Raw.open(client.rawWebSocketBinaryActor.getOrCreate([newKey()]));
		await raw.opened;
		raw.send("ignored");
		raw.send(new Uint8Array([1, 2, 3]));
		assert.deepEqual([...new Uint8Array(await raw.next())], [3, 2, 1]);
		await raw.close();
	});

	test("the connection's id and state are there as it opens", async () => {
		const raw = await Raw.open(client.rawWebSocketConnContextActor.getOrCreate([newKey()]));
		const { type, connId, state } = await raw.json();
		assert.equal(type, "conn-context");
		assert.deepEqual(state, { opened: true, connId });
		await raw.close();
	});

	for (const encoding of ENCODINGS) {
		test(`params reach the hooks, ${encoding}`, async () => {
			const tracking = clientOf(server, { encoding }).requestAccessActor.getOrCreate([newKey()], {
				params: { trackRequest: true },
			});
			const raw = await Raw.open(tracking, "seen?by=me");
			const told = JSON.parse(await raw.next());
			assert.equal(told.requestMethod, "GET");
			assert.equal(told.requestUrl, `${server.url}/websocket/seen?by=me`);
			assert.match(told.requestHeaders["sec-websocket-protocol"], /rivet/);
			raw.send("echo");
			assert.equal(await raw.next(), "echo");
			const infos = await tracking.getRequestInfo();
			assert.deepEqual(infos.onWebSocket, told);
			await raw.close();
		});
	}
});

describe("sleep", () => {
	test("messages of a hibernating socket are numbered and taken once, across sleeps", async () => {
		const handle = client.rawWebSocketActor.getOrCreate([newKey()]);
		const raw = await Raw.open(handle);
		await raw.opened;
		assert.equal((await raw.ask({ type: "indexedEcho", payload: 1 })).rivetMessageIndex, 1);
		assert.deepEqual(await raw.ask({ [PROBE]: true }), {
			[PROBE]: true,
			lastSentIndex: 1,
			lastAckedIndex: 1,
			pendingIndexes: [],
		});
		assert.equal((await raw.ask({ type: "scheduleSleep" })).type, "sleepScheduled");
		await pause(400);
		raw.send({ type: "indexedEcho", payload: 4 });
		raw.send({ type: "indexedEcho", payload: 5 });
		assert.equal((await raw.json()).rivetMessageIndex, 4);
		assert.equal((await raw.json()).rivetMessageIndex, 5);
		const { order } = await raw.ask({ type: "getIndexedMessageOrder" });
		assert.deepEqual(order, [1, 4, 5]);
		await raw.close();
	});

	test("closing a sleeping socket wakes the actor for it", async () => {
		const key = newKey();
		const handle = client.rawWebSocketActor.getOrCreate([key]);
		const raw = await Raw.open(handle);
		await raw.opened;
		const before = await counted(key);
		await handle.triggerSleep();
		await pause(200);
		await raw.close(4001, "bye");
		await oneFewer(key, before);
	});

	test("an open socket that does not hibernate keeps the actor awake", async () => {
		const handle = client.sleepWithRawWebSocket.getOrCreate([newKey()]);
		const raw = await Raw.open(handle);
		assert.deepEqual(await raw.json(), { type: "connected", connectionCount: 1 });
		await pause(1_400);
		assert.deepEqual(await raw.ask({ type: "getCounts" }), {
			type: "counts",
			startCount: 1,
			sleepCount: 0,
			connectionCount: 1,
		});
		assert.deepEqual(await raw.ask({ type: "keepAlive" }), { type: "ack" });
		raw.send("echo");
		assert.equal(await raw.next(), "echo");
		await raw.close();
		await pause(1_400);
		assert.deepEqual(await handle.getCounts(), { startCount: 2, sleepCount: 1, connectionCount: 0 });
	});

	for (const name of ["sleepRawWsSendOnSleep", "sleepRawWsDelayedSendOnSleep"]) {
		test(`${name}: what onSleep sends comes before the close`, async () => {
			const handle = client[name].getOrCreate([newKey()]);
			const raw = await Raw.open(handle);
			assert.deepEqual(await raw.json(), { type: "connected" });
			await handle.triggerSleep();
			assert.deepEqual(await raw.json(), { type: "sleeping", sleepCount: 1 });
			assert.deepEqual(await soon("the close", raw.closed), { code: 1000, reason: "actor.stopped" });
			assert.deepEqual(await handle.getCounts(), { startCount: 2, sleepCount: 1 });
		});
	}

	for (const name of ["sleepRawWsAddEventListenerMessage", "sleepRawWsOnMessage"]) {
		test(`${name}: a message's handler keeps the actor awake after the close`, async () => {
			const handle = client[name].getOrCreate([newKey()]);
			const raw = await Raw.open(handle);
			await raw.json();
			assert.deepEqual(await raw.ask("track-message"), { type: "message-started" });
			await raw.close();
			await pause(500);
			await until("it has slept once its handler was over", async () => {
				const { startCount, messageStarted, messageFinished } = await handle.getStatus();
				assert.equal(messageStarted, 1);
				if (startCount > 1) assert.equal(messageFinished, 1);
				else await pause(300);
				return startCount > 1;
			});
		});
	}

	for (const name of ["sleepRawWsAddEventListenerClose", "sleepRawWsOnClose"]) {
		test(`${name}: a close's handler keeps the actor awake`, async () => {
			const handle = client[name].getOrCreate([newKey()]);
			const raw = await Raw.open(handle);
			await raw.json();
			await raw.close();
			await pause(500);
			await until("it has slept once its handler was over", async () => {
				const { startCount, closeStarted, closeFinished } = await handle.getStatus();
				assert.equal(closeStarted, 1);
				if (startCount > 1) assert.equal(closeFinished, 1);
				else await pause(300);
				return startCount > 1;
			});
		});
	}

	test("a handler that outlasts the grace is aborted, and nothing else is", async () => {
		const handle = client.sleepRawWsVarsExceedsGrace.getOrCreate([newKey()]);
		const raw = await Raw.open(handle);
		await raw.json();
		assert.deepEqual(await raw.ask("slow-vars-work"), { type: "started" });
		await handle.triggerSleep();
		assert.equal((await soon("the close", raw.closed)).code, 1000);
		await pause(2_600);
		const status = await handle.getStatus();
		assert.ok(status.sleepCount >= 1);
		assert.deepEqual([status.handlerStarted, status.handlerFinished], [1, 0]);
		assert.doesNotMatch(server.log, /panicked/);
	});

	test("who listens for the stop still has what the life kept in memory", async () => {
		const handle = client.sleepAbortListenerVarsActor.getOrCreate([newKey()]);
		for (let cycle = 1; cycle <= 3; cycle++) {
			const raw = await Raw.open(handle);
			assert.deepEqual(await raw.json(), { type: "connected" });
			await handle.triggerSleep();
			await soon("the close", raw.closed);
		}
		const status = await until("it woke again", async () => {
			const it = await handle.getStatus();
			return it.startCount === 4 && it;
		});
		assert.equal(status.sleepCount, 3);
		assert.deepEqual(status.abortVarsSeenPerWake, ["object", "object", "object", "unset"]);
	});

	test("a sleep that is forced closes with a code", async () => {
		const handle = client.rawWebSocketAsyncOpenActor.getOrCreate([newKey()]);
		const raw = await Raw.open(handle);
		assert.deepEqual(await raw.json(), { type: "async-open", openCount: 1 });
		const id = await handle.resolve();
		const forced = await fetch(`${server.url}/actors/${id}/sleep?namespace=default`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: "{}",
		});
		assert.ok(forced.ok);
		assert.notEqual((await soon("the close", raw.closed)).code, 1006);
		assert.equal(await handle.getOpenCount(), 1);
	});
});

test("a connection's action and a raw socket's message reach the same actor", async () => {
	const handle = client.rawWebSocketActor.getOrCreate([newKey()]);
	const raw = await Raw.open(handle);
	await raw.opened;
	await connected(handle, async (connection) => {
		raw.send("one");
		await until("it is counted", async () => (await connection.getStats()).messageCount === 1);
	});
	await raw.close();
});
