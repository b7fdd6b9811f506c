// Queues: sent to by the published client, received by actors in every way.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, newKey, refused, soon, until } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";
import { gateway, request } from "./support/wire.mjs";

const server = await startFixtures();

for (const encoding of ENCODINGS) {
	describe(`queues, ${encoding}`, () => {
		const client = clientOf(server, { encoding });
		const fresh = () => client.queueActor.getOrCreate([newKey()]);

		test("a message is received as it was sent", async () => {
			const actor = fresh();
			const body = { hello: "world", list: [1, null, "✓"] };
			await actor.send("greeting", body);
			assert.deepEqual(await actor.receiveOne("greeting"), { name: "greeting", body });
			assert.equal(await actor.receiveOne("greeting", { timeout: 50 }), null);
		});

		test("messages come in the order they were sent, over the queues selected", async () => {
			const actor = fresh();
			for (const [name, body] of [["a", 1], ["b", 2], ["c", 3], ["a", 4]]) await actor.send(name, body);
			const bodies = (messages) => messages.map((it) => it.body);
			assert.deepEqual(bodies(await actor.receiveMany(["b", "a"], { count: 2 })), [1, 2]);
			assert.deepEqual(bodies(await actor.receiveRequest({ count: 5 })), [3, 4]);
			assert.deepEqual(await actor.receiveMany(["missing"], { timeout: 50 }), []);
			assert.deepEqual(await actor.tryReceiveMany({}), []);
			await actor.send("one", 5);
			assert.deepEqual(await actor.tryReceiveMany({ names: ["two"] }), []);
			assert.deepEqual(bodies(await actor.tryReceiveMany({ names: ["one"] })), [5]);
		});

		test("a receive waits for what comes", async () => {
			const actor = fresh();
			const waits = actor.receiveOne("tasks");
			await actor.send("tasks", "now");
			assert.deepEqual(await soon("the message", waits), { name: "tasks", body: "now" });
			const iterates = actor.receiveWithIterator("tasks");
			await actor.send("tasks", "next");
			assert.deepEqual(await soon("the message", iterates), { name: "tasks", body: "next" });
			await actor.send("two", 2);
			assert.deepEqual(await actor.receiveWithAsyncIterator(), { name: "two", body: 2 });
		});

		test("an actor sends to itself", async () => {
			const actor = fresh();
			assert.equal(await actor.sendToSelf("self", { n: 1 }), true);
			assert.deepEqual(await actor.receiveOne("self"), { name: "self", body: { n: 1 } });
		});

		test("a wait ends with its actor, or its signal", async () => {
			await refused(fresh().waitForAbort(), "actor", "aborted");
			const aborted = { group: "actor", code: "aborted" };
			assert.deepEqual(await fresh().waitForActorAbortWithSignal(), aborted);
			assert.deepEqual(await fresh().waitForSignalAbort(), aborted);
			assert.deepEqual(await fresh().iterWithSignalAbort(), { ok: true });
		});

		test("whoever waits hears what a message was completed with", async () => {
			const actor = fresh();
			const sends = actor.send("tasks", { value: 7 }, { wait: true, timeout: 5_000 });
			assert.deepEqual(await actor.receiveAndComplete("tasks"), { name: "tasks", body: { value: 7 } });
			assert.deepEqual(await soon("the completion", sends), {
				status: "completed",
				response: { echo: { value: 7 } },
			});
			const late = await fresh().send("timeout", 1, { wait: true, timeout: 50 });
			assert.equal(late.status, "timedOut");
			assert.equal(await actor.send("nowait", 1), undefined);
		});

		test("a message that is not completed is offered again", async () => {
			const actor = fresh();
			const shown = { name: "tasks", body: "again" };
			await actor.send("tasks", "again");
			assert.deepEqual(await actor.receiveWithoutComplete("tasks"), shown);
			assert.deepEqual(await actor.receiveWithoutCompleteMethod("tasks"), { hasComplete: true });
			assert.deepEqual(await actor.receiveAndComplete("tasks"), shown);
			assert.equal(await actor.receiveOne("tasks", { timeout: 0 }), null);
		});

		test("one message at a time, completed once", async () => {
			const actor = fresh();
			await actor.send("twice", 1);
			const twice = await actor.receiveAndCompleteTwice("twice");
			assert.deepEqual(twice, { group: "queue", code: "already_completed" });
			await actor.send("twice", 2);
			const next = await actor.receiveManualThenNextWithoutComplete("twice");
			assert.deepEqual(next, { group: "queue", code: "previous_message_not_completed" });
		});

		test("what is too much is refused with its limit", async () => {
			const actor = client.queueLimitedActor.getOrCreate([newKey()]);
			await actor.send("message", 1);
			const full = await refused(actor.send("message", 2), "queue", "full");
			assert.equal(full.message, "Queue is full. Limit is 1 messages.");
			assert.deepEqual(full.metadata, { limit: 1 });
			const large = client.queueLimitedActor.getOrCreate([newKey()]);
			const error = await refused(large.send("oversize", "x".repeat(200)), "queue", "message_too_large");
			assert.equal(error.metadata.limit, 64);
			assert.ok(error.metadata.size > 200 && error.metadata.size < 300, `size ${error.metadata.size}`);
		});

		test("an actor that was destroyed leaves no message to the next of its key", async () => {
			const key = [newKey()];
			const first = client.destroyActor.getOrCreate(key);
			await first.send("values", "old");
			await first.destroy();
			const next = client.destroyActor.getOrCreate(key);
			await until("the old messages are gone", async () => (await next.receiveValue()) === null);
			await next.send("values", "new");
			assert.equal(await next.receiveValue(), "new");
		});

		test("`run` consumes, lets the actor sleep while nothing comes, and wakes with a message", async () => {
			const actor = client.runWithQueueConsumer.getOrCreate([newKey()]);
			assert.equal(await actor.sendMessage({ n: 1 }), true);
			const consumed = (count) => async () => {
				const state = await actor.getState();
				return state.messagesReceived.length === count && state;
			};
			const awake = await until("the first message is consumed", consumed(1));
			assert.deepEqual(awake.messagesReceived, [{ name: "messages", body: { n: 1 } }]);
			await new Promise((done) => setTimeout(done, 1_500));
			await actor.send("messages", { n: 2 });
			const again = await until("the second message is consumed", consumed(2));
			assert.equal(again.wakeCount, awake.wakeCount + 1);
		});
	});
}

describe("many queues", () => {
	const client = clientOf(server);

	test("128 messages to 32 queues are all completed while a socket is open", async () => {
		for (const spawn of [
			(key) => client.manyQueueActionParentActor.getOrCreate([newKey()]).spawnChild(key),
			(key) => client.manyQueueRunParentActor.getOrCreate([newKey()]).queueSpawn(key),
		]) {
			const key = newKey();
			assert.ok(await spawn(key));
			const child = client.manyQueueChildActor.get([key]);
			const connection = child.connect();
			assert.deepEqual(await connection.ping(), { label: key, pong: true });
			const sends = Array.from({ length: 128 }, (_, index) =>
				child.send(`cmd.${index % 32}`, { index }, { wait: true, timeout: 6_000 }),
			);
			const done = await soon("all are completed", Promise.all(sends), 6_000);
			done.forEach(({ status, response }, index) => {
				assert.deepEqual({ status, response }, { status: "completed", response: { ok: true, index } });
			});
			const snapshot = await child.getSnapshot();
			assert.equal(snapshot.processed.length, 128);
			assert.equal(new Set(snapshot.processed).size, 32);
			await connection.dispose();
		}
	});
});

describe("queues over plain HTTP", () => {
	const send = (actor, name, body, headers = {}) =>
		request(server, gateway(actor, newKey(), `/queue/${name}`), { headers, body });

	test("the recorded bytes get the recorded kind of answer", async () => {
		const body = Buffer.from("040006b90001616e010104" + "6a6f6273" + "010000", "hex");
		const bare = { "x-rivet-encoding": "bare" };
		const answer = await send("queueActor", "tasks", body, bare);
		assert.equal(answer.body.toString("hex"), `040009${Buffer.from("completed").toString("hex")}00`);
		assert.equal((await send("queueActor", "tasks", '{"body":1}')).body.toString(), '{"status":"completed"}');
	});

	test("an undeclared queue drops what comes and says nothing", async () => {
		for (const actor of ["queueActor", "counter"]) {
			const answer = await send(actor, "nowhere", '{"body":1,"wait":true,"timeout":1}');
			assert.equal(answer.body.toString(), '{"status":"completed"}');
		}
	});

	test("a hostile body is refused, and the actor stays usable", async () => {
		for (const body of ["", "[]", "{", '{"wait":1}', '{"timeout":-1}', '{"timeout":"1"}', "x".repeat(70_000)]) {
			const answer = await send("queueActor", "tasks", body);
			assert.equal(answer.status, 400, `${body.slice(0, 20)}: ${answer.body}`);
		}
	});
});
