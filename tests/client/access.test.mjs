// Who may connect, call, hear and send to queues, as the published client is told.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, newKey, record, refused } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";

const server = await startFixtures();

for (const encoding of ENCODINGS) {
	describe(`access, ${encoding}`, { concurrency: true }, () => {
		const client = clientOf(server, { encoding });

		test("what is allowed is done", async () => {
			const actor = client.accessControlActor.getOrCreate([newKey()]);
			assert.equal(await actor.allowedAction("a"), "allowed:a");
			const status = await actor.fetch("status");
			assert.deepEqual(await status.json(), { ok: true });
			assert.equal((await actor.fetch("elsewhere")).status, 404);
		});

		test("an event that may be heard is, and the check knows who asked", async () => {
			const actor = client.accessControlActor.getOrCreate([newKey()]);
			await connected(actor, async (connection) => {
				const allowed = record(connection, "allowedEvent");
				const other = record(connection, "undefinedEvent");
				assert.equal(await connection.allowedAction("ready"), "allowed:ready");
				await connection.allowedBroadcastAllowedEvent("one");
				await connection.allowedBroadcastUndefinedEvent("two");
				assert.deepEqual(await allowed.count(1), [[{ value: "one" }]]);
				assert.deepEqual(await other.count(1), [[{ value: "two" }]]);
				const asked = await connection.allowedGetLastCanSubscribeConnId();
				assert.equal(asked, connection.connectionId);
			});
		});

		test("asking for an event that may not be heard ends the connection", async () => {
			const actor = client.accessControlActor.getOrCreate([newKey()]);
			const connection = actor.connect();
			await connection.ready;
			record(connection, "blockedEvent");
			const error = await connection.allowedAction("next").then(
				() => assert.fail("the action was answered"),
				(it) => it,
			);
			assert.equal(error.code, "forbidden");
			await connection.dispose();
			assert.equal(await actor.allowedAction("others"), "allowed:others");
		});

		test("a message gets into the queue that it may get into, and the check knows who asked", async () => {
			const actor = client.accessControlActor.getOrCreate([newKey()]);
			await actor.send("allowedQueue", { n: 1 });
			assert.notEqual(await actor.allowedGetLastCanPublishConnId(), "");
			assert.deepEqual(await actor.allowedReceiveQueue(), { n: 1 });
			await refused(() => actor.send("blockedQueue", { n: 2 }), "auth", "forbidden");
			await refused(() => actor.send("blockedQueue", { n: 3 }, { wait: true }), "auth", "forbidden");
			assert.equal(await actor.allowedReceiveAnyQueue(), null);
		});

		test("a message to no queue is dropped, and answered", async () => {
			const actor = client.accessControlActor.getOrCreate([newKey()]);
			const none = client.accessControlNoQueuesActor.getOrCreate([newKey()]);
			for (const it of [actor, none]) {
				assert.equal(await it.send("nowhere", 1), undefined);
				const waited = await it.send("nowhere", 1, { wait: true, timeout: 5_000 });
				assert.equal(waited.status, "completed");
			}
			assert.equal(await actor.allowedReceiveAnyQueue(), null);
			assert.equal(await none.readAnyQueue(), null);
		});

		test("raw requests and sockets are refused before they begin", async () => {
			const key = newKey();
			const refusing = client.accessControlActor.getOrCreate([key], {
				params: { allowRequest: false },
			});
			const response = await refusing.fetch("status");
			assert.equal(response.status, 403);
			await refused(() => refusing.allowedAction("x"), "auth", "forbidden");
			const closing = client.accessControlActor.getOrCreate([key], {
				params: { allowWebSocket: false },
			});
			const socket = await closing.webSocket();
			const code = await new Promise((resolve) => {
				socket.addEventListener("close", (event) => resolve(event.code));
				socket.addEventListener("error", () => resolve("not opened"));
			});
			assert.ok(code === 1011 || code === "not opened", `${code}`);
		});
	});
}
