// WebSockets by hand: the handshake, frames byte by byte, refusals after the
// upgrade, limits, and clients that misbehave.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import WebSocket from "ws";
import { ENCODINGS, clientOf, newKey, record, soon, until } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";
import { Socket, clientFrame, deafSocket, gateway, idOf, maskedFrame } from "./support/wire.mjs";

const server = await startFixtures();

function counter(key = newKey(), more = {}) {
	return gateway("counter", key, "/connect", more);
}

for (const encoding of ENCODINGS) {
	describe(`frames, ${encoding}`, () => {
		test("Init comes first and alone, then answers and events, ids in the form the client reads", async () => {
			const socket = new Socket(server, counter(), { encoding });
			await socket.opened;
			assert.equal(socket.ws.protocol, "rivet");
			assert.equal(socket.ws.extensions, "");
			const init = await socket.init();
			assert.ok(init.actorId && init.connectionId);
			socket.ws.send(clientFrame(encoding, "SubscriptionRequest", { eventName: "newCount", subscribe: true }));
			const answer = await socket.action(7, "increment", 5);
			assert.equal(answer.tag, "ActionResponse");
			assert.equal(answer.val.output, 5);
			assert.equal(answer.binary, encoding !== "json");
			if (encoding === "json") assert.deepEqual(answer.val.id, ["$BigInt", "7"]);
			if (encoding === "cbor") assert.equal(answer.val.id, 7n, "cbor ids must have the 8-byte form");
			assert.deepEqual(socket.frames.map((frame) => frame.tag), ["Init", "Event", "ActionResponse"]);
			assert.deepEqual(socket.frames[1].val, { name: "newCount", args: [5] });
			const missing = await socket.action(8, "nothing");
			assert.equal(missing.tag, "Error");
			assert.equal(`${missing.val.group}.${missing.val.code}`, "actor.action_not_found");
			socket.ws.close(1000, "Disposed");
			assert.deepEqual(await socket.end(), { code: 1000, reason: "Disposed" }, "the close is not echoed");
		});

		test("a frame that does not decode closes with 1011 actor.invalid_request", async () => {
			const broken = {
				json: ["{", "[]", '{"body":{"tag":"Nothing","val":{}}}', '{"body":{"tag":"ActionRequest","val":{}}}', ""],
				cbor: ["ff", "", "a164626f6479a0", "81818181"].map((text) => Buffer.from(text, "hex")),
				bare: ["", "04", "0400", "040009", "040000", "04000000096e6f", "0900000009696e6372656d656e74028101", "0400ffffffffffffffffffffff"].map((text) => Buffer.from(text, "hex")),
			};
			for (const frame of broken[encoding]) {
				const socket = new Socket(server, counter(), { encoding });
				await socket.init();
				socket.ws.send(frame);
				assert.deepEqual(await socket.end(), { code: 1011, reason: "actor.invalid_request" }, Buffer.from(frame).toString("hex"));
			}
		});

		test("a frame over 64 KiB closes with 1011 message.incoming_too_long, one within passes", async () => {
			const socket = new Socket(server, gateway("largePayloadActor", newKey(), "/connect"), { encoding });
			await socket.init();
			const fits = await socket.action(1, "echo", "x".repeat(60_000));
			assert.equal(fits.tag, "ActionResponse");
			socket.ws.send(clientFrame(encoding, "ActionRequest", { id: 2, name: "echo", args: ["x".repeat(70_000)] }));
			const end = await socket.end();
			assert.equal(end.code, 1011);
			assert.match(end.reason, /^message\.incoming_too_long/);
		});

		test("refused parameters: 101, an Error without action id, then 1011 with the name", async () => {
			const socket = new Socket(server, gateway("connErrorSerializationActor", newKey(), "/connect"), {
				encoding,
				params: { shouldThrow: true },
			});
			await socket.opened;
			const refusal = await socket.frame("Error", (frame) => frame.tag === "Error");
			assert.equal(`${refusal.val.group}.${refusal.val.code}`, "connection.custom_error");
			assert.equal(refusal.val.message, "Test error from createConnState");
			assert.ok("actionId" in refusal.val, "the key actionId is required");
			assert.equal(refusal.val.actionId, null);
			assert.deepEqual(await socket.end(), { code: 1011, reason: "connection.custom_error" });
			assert.ok(!socket.frames.some((frame) => frame.tag === "Init"));
		});

		test("ids given as the other client gives them are taken too", async () => {
			const socket = new Socket(server, counter(), { encoding });
			await socket.init();
			const id = encoding === "json" ? ["$BigInt", "3"] : encoding === "cbor" ? 3n : 3;
			socket.ws.send(clientFrame(encoding, "ActionRequest", { id, name: "increment", args: [1] }));
			const answer = await socket.frame("the answer", (frame) => frame.tag === "ActionResponse");
			assert.equal(idOf(answer.val.id), 3);
			socket.ws.close();
		});
	});
}

describe("the handshake", () => {
	test("the subprotocol answered is rivet, and json the default encoding", async () => {
		const socket = new Socket(server, counter(), { protocols: ["rivet"] });
		await socket.opened;
		assert.equal(socket.ws.protocol, "rivet");
		assert.ok((await socket.init()).connectionId);
		socket.ws.close();
	});

	test("unknown tokens beside the known ones are ignored", async () => {
		const socket = new Socket(server, counter(), {
			protocols: ["rivet", "rivet_encoding.json", "rivet_test_ack_hook.5f0c", "rivet_conn.old-id", "rivet_token.t", "rivet_skip_ready_wait"],
		});
		await socket.opened;
		assert.equal(socket.ws.protocol, "rivet");
		assert.ok(await socket.init());
		socket.ws.close();
	});

	test("an unknown encoding is upgraded and then closed with 1003", async () => {
		const socket = new Socket(server, counter(), { protocols: ["rivet", "rivet_encoding.xml"] });
		await socket.opened;
		const end = await socket.end();
		assert.equal(end.code, 1003);
		assert.match(end.reason, /^actor\.unsupported_websocket_encoding/);
	});

	test("a missing actor and a bad query are upgraded and then closed with 1011 and the name", async () => {
		const paths = {
			"guard.query_invalid_params": counter(newKey(), { "rvt-method": "find" }),
			"guard.query_missing_pool": counter(newKey(), { "rvt-runner": undefined }),
			"actor.not_found": counter(newKey(), { "rvt-method": "get", "rvt-runner": undefined, "rvt-crash-policy": undefined }),
		};
		for (const [name, path] of Object.entries(paths)) {
			const socket = new Socket(server, path);
			await socket.opened;
			const end = await socket.end();
			assert.equal(end.code, 1011, name);
			assert.equal(end.reason.split("#")[0], name);
			assert.ok(Buffer.byteLength(end.reason) <= 123);
		}
	});

	test("an unregistered name is upgraded and closed with 1011", async () => {
		const socket = new Socket(server, gateway("noSuchActor", newKey(), "/connect"));
		await socket.opened;
		const end = await socket.end(10_000);
		assert.equal(end.code, 1011);
		assert.match(end.reason, /^[a-z_]+\.[a-z_]+/);
	});

	test("parameters that are not JSON are upgraded and refused", async () => {
		const socket = new Socket(server, counter(), { protocols: ["rivet", "rivet_encoding.json", "rivet_conn_params.%7B"] });
		await socket.opened;
		assert.equal((await socket.end()).code, 1011);
		assert.ok(!socket.frames.some((frame) => frame.tag === "Init"));
	});

	test("an actor is reached by id, with and without a token, and by subprotocol", async () => {
		const handle = clientOf(server).counter.getOrCreate([newKey()]);
		const id = await handle.resolve();
		for (const [path, protocols] of [
			[`/gateway/${id}/connect`, ["rivet", "rivet_encoding.json"]],
			[`/gateway/${id}@token/connect`, ["rivet", "rivet_encoding.json"]],
			["/connect", ["rivet", "rivet_encoding.json", "rivet_target.actor", `rivet_actor.${id}`]],
		]) {
			const socket = new Socket(server, path, { protocols });
			assert.equal((await socket.init()).actorId, id, path);
			socket.ws.close();
		}
	});
});

describe("clients that misbehave", () => {
	test("frames sent before Init has arrived are served in order", async () => {
		const socket = new Socket(server, counter());
		await socket.opened;
		for (let id = 0; id < 50; id += 1) {
			socket.ws.send(clientFrame("json", "ActionRequest", { id, name: "increment", args: [1] }));
		}
		const last = await socket.frame("the last answer", (frame) => frame.tag === "ActionResponse" && idOf(frame.val.id) === 49);
		assert.equal(last.val.output, 50);
		socket.ws.close();
	});

	test("a binary frame holding JSON is read as JSON", async () => {
		const socket = new Socket(server, counter());
		await socket.init();
		socket.ws.send(Buffer.from(clientFrame("json", "ActionRequest", { id: 1, name: "increment", args: [1] })));
		await socket.frame("the answer", (frame) => frame.tag === "ActionResponse");
		socket.ws.close();
	});

	test("subscribing twice is one subscription; unsubscribing what never was is nothing", async () => {
		const socket = new Socket(server, counter());
		await socket.init();
		socket.ws.send(clientFrame("json", "SubscriptionRequest", { eventName: "other", subscribe: false }));
		for (let round = 0; round < 2; round += 1) {
			socket.ws.send(clientFrame("json", "SubscriptionRequest", { eventName: "newCount", subscribe: true }));
		}
		await socket.action(1, "increment", 1);
		assert.equal(socket.frames.filter((frame) => frame.tag === "Event").length, 1);
		socket.ws.close();
	});

	test("a handshake never finished and a silent connection leave the server usable", async () => {
		const half = new WebSocket(`${server.socketUrl}${counter()}`, ["rivet"], { finishRequest: (request) => request.write("") });
		half.on("error", () => {});
		const socket = new Socket(server, counter());
		assert.ok(await socket.init());
		half.terminate();
		socket.ws.close();
	});

	test("a client that opens and never reads is closed alone", async () => {
		const key = newKey();
		const handle = clientOf(server).largePayloadConnActor.getOrCreate([key]);
		const reader = handle.connect();
		await reader.ready;
		const deaf = await deafSocket(server, gateway("largePayloadConnActor", key, "/connect"), ["rivet", "rivet_encoding.json"]);
		let dropped = false;
		deaf.on("close", () => (dropped = true));
		deaf.on("error", () => (dropped = true));
		let id = 0;
		const flood = setInterval(() => {
			if (dropped) return;
			for (let round = 0; round < 4; round += 1) {
				const call = clientFrame("json", "ActionRequest", { id: (id += 1), name: "getLargeResponse", args: [8_000] });
				deaf.write(maskedFrame(1, Buffer.from(call)));
			}
		}, 20);
		try {
			await until("the deaf client is dropped", () => dropped, 20_000);
		} finally {
			clearInterval(flood);
			deaf.destroy();
		}
		assert.equal((await soon("the reader is served", reader.getLargeResponse(1))).items.length, 1);
		await reader.dispose();
	});

	test("sockets cut without a close are forgotten, and the others are told", async () => {
		const key = newKey();
		const handle = clientOf(server).connStateActor.getOrCreate([key]);
		const one = handle.connect();
		const left = record(one, "userDisconnected");
		await one.getConnectionState();
		const cut = new Socket(server, gateway("connStateActor", key, "/connect"));
		const { connectionId } = await cut.init();
		cut.ws.terminate();
		await until("the cut one is gone", () => left.seen.some(([event]) => event.id === connectionId));
		assert.deepEqual(await one.getConnectionIds(), [one.connectionId]);
		await one.dispose();
	});
});
