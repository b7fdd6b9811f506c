// Actors that sleep under open connections: the client sees no close, no second
// open and no lost frame, and everything about its connection is still there.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, newKey, record, soon, until } from "./support/client.mjs";
import { pause, startFixtures } from "./support/server.mjs";
import { Socket, clientFrame, gateway, request } from "./support/wire.mjs";

const server = await startFixtures();

/** Longer than an actor takes to fall asleep once it was told to. */
const FALLS_ASLEEP_MS = 300;

/** Longer than the idle timeout of `hibernationActor` and the falling asleep after it. */
const IDLES_ASLEEP_MS = 900;

/**
 * Gives the actor of `id` the time to sleep, less when the manager reports that it
 * does. Asking the actor itself would wake it. What the tests claim holds also if
 * it is not yet asleep then; that it did sleep, its own counts must say.
 */
async function asleep(id, within = FALLS_ASLEEP_MS) {
	const deadline = Date.now() + within;
	while (Date.now() < deadline) {
		const response = await fetch(`${server.url}/actors?actor_ids=${id}&namespace=default`);
		const { actors } = await response.json();
		if (actors[0]?.sleep_ts) return;
		await pause(20);
	}
}

for (const encoding of ENCODINGS) {
	describe(`hibernation, ${encoding}`, () => {
		const client = clientOf(server, { encoding });

		test("a connection outlives three sleeps: id, state, hooks and open events", async () => {
			const connection = client.hibernationActor.getOrCreate([newKey()]).connect();
			const changes = [];
			assert.equal(await connection.ping(), "pong");
			connection.onStatusChange((status) => changes.push(status));
			const id = connection.connectionId;
			for (let round = 1; round <= 3; round += 1) {
				assert.equal(await connection.connIncrement(), round);
				await connection.triggerSleep();
				await asleep(connection.actorId);
				assert.equal(await soon("an answer after the sleep", connection.getConnCount()), round);
				assert.deepEqual(await connection.getActorCounts(), { sleepCount: round, wakeCount: round + 1 });
			}
			assert.deepEqual(await connection.getConnLifecycleCounts(), { connectCount: 1, disconnectCount: 0 });
			assert.deepEqual(await connection.getConnectionIds(), [id]);
			assert.equal(connection.connectionId, id);
			assert.deepEqual(changes, [], "the client saw the sleep");
			await connection.dispose();
		});

		test("an idle actor sleeps by itself under an open connection", async () => {
			const connection = client.hibernationActor.getOrCreate([newKey()]).connect();
			await connection.connIncrement();
			const counts = await until(
				"it has slept",
				async () => {
					await asleep(connection.actorId, IDLES_ASLEEP_MS);
					const seen = await connection.getActorCounts();
					return seen.sleepCount > 0 && seen;
				},
				8_000,
			);
			assert.equal(counts.wakeCount, counts.sleepCount + 1);
			assert.equal(await connection.getConnCount(), 1);
			await connection.dispose();
		});

		test("two connections keep their own states apart through a sleep", async () => {
			const handle = client.hibernationActor.getOrCreate([newKey()]);
			const [one, two] = [handle.connect(), handle.connect()];
			await one.connIncrement();
			await two.connIncrement();
			await two.connIncrement();
			await one.triggerSleep();
			await asleep(one.actorId);
			assert.equal(await one.connIncrement(), 2);
			assert.equal(await two.connIncrement(), 3);
			assert.deepEqual((await one.getConnectionIds()).sort(), [one.connectionId, two.connectionId].sort());
			await Promise.all([one.dispose(), two.dispose()]);
		});

		test("who closes while the actor sleeps is gone when it wakes", async () => {
			const handle = client.hibernationActor.getOrCreate([newKey()]);
			const sleeper = handle.connect();
			await sleeper.ping();
			await sleeper.triggerSleep();
			await asleep(sleeper.actorId);
			await soon("closing a sleeping connection", sleeper.dispose());
			const fresh = handle.connect();
			await until("only the new one is listed", async () => {
				const ids = await fresh.getConnectionIds();
				return ids.length === 1 && ids[0] === fresh.connectionId;
			});
			await fresh.dispose();
		});

		test("what is called while the actor falls asleep is answered by its next life", async () => {
			for (const delay of [0, 100, 400]) {
				const connection = client.hibernationSleepWindowActor.getOrCreate([newKey()]).connect();
				const sleeping = record(connection, "sleeping");
				await connection.triggerSleep();
				const [[told]] = await sleeping.count(1);
				assert.equal(told, undefined);
				await pause(delay);
				const counts = await soon("an answer after the sleep", connection.getActorCounts(), 3_000);
				assert.deepEqual(counts, { sleepCount: 1, wakeCount: 2 });
				await connection.dispose();
			}
		});

		test("onDisconnect of who closes while the actor sleeps runs in the next life, once", async () => {
			const handle = client.fileSystemHibernationCleanupActor.getOrCreate([newKey()]);
			const sleeper = handle.connect();
			await sleeper.ping();
			await sleeper.triggerSleep();
			await asleep(sleeper.actorId);
			await soon("closing a sleeping connection", sleeper.dispose());
			const fresh = handle.connect();
			const lives = await until("it has run", async () => {
				const seen = await fresh.getDisconnectWakeCounts();
				return seen.length > 0 && seen;
			});
			assert.deepEqual(lives, [2]);
			assert.equal((await fresh.getCounts()).sleepCount, 1);
			await fresh.dispose();
		});
	});
}

describe("what goes over the wire around a sleep", () => {
	test("no frame while it sleeps, no second Init after; a call over HTTP wakes it too", async () => {
		const key = newKey();
		const handle = clientOf(server).hibernationActor.getOrCreate([key]);
		const socket = new Socket(server, gateway("hibernationActor", key, "/connect"));
		const { actorId, connectionId } = await socket.init();
		await socket.action(1, "triggerSleep");
		const before = socket.frames.length;
		await asleep(actorId);
		assert.equal(socket.frames.length, before, "the sleep was sent to the client");
		assert.equal((await handle.getActorCounts()).sleepCount, 1);
		const ids = await socket.action(2, "getConnectionIds");
		assert.deepEqual(ids.val.output, [connectionId]);
		assert.equal(socket.frames.filter((frame) => frame.tag === "Init").length, 1);
		socket.ws.close(1000, "Disposed");
		assert.deepEqual(await socket.end(), { code: 1000, reason: "Disposed" });
	});

	test("frames sent together with the request to sleep are all answered", async () => {
		const socket = new Socket(server, gateway("hibernationActor", newKey(), "/connect"));
		await socket.init();
		socket.ws.send(clientFrame("json", "ActionRequest", { id: 0, name: "triggerSleep", args: [] }));
		const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => socket.action(index + 1, "connIncrement")));
		assert.deepEqual(
			answers.map((answer) => answer.val.output),
			Array.from({ length: 20 }, (_, index) => index + 1),
		);
		socket.ws.close();
	});

	test("a close during the sleep is echoed", async () => {
		const socket = new Socket(server, gateway("hibernationActor", newKey(), "/connect"));
		const { actorId } = await socket.init();
		await socket.action(1, "triggerSleep");
		await asleep(actorId);
		socket.ws.close(1000, "Disposed");
		assert.deepEqual(await socket.end(), { code: 1000, reason: "Disposed" });
	});
});

describe("subscriptions", () => {
	/** Puts the actor of `id` to sleep from outside, as an operator would. */
	async function putToSleep(id) {
		const response = await fetch(`${server.url}/actors/${id}/sleep?namespace=default`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: "{}",
		});
		assert.ok(response.ok, `status ${response.status}`);
		await asleep(id);
	}

	/** Adds one over HTTP and returns which life of the actor did it. */
	async function incrementFromOutside(key) {
		const answer = await request(server, gateway("counter", key, "/action/increment"), { body: '{"args":[1]}' });
		assert.equal(answer.status, 200);
		return Number(answer.headers["x-rivet-actor-generation"]);
	}

	for (const encoding of ENCODINGS) {
		test(`taken before a sleep they hear events after it, ${encoding}`, async () => {
			const key = newKey();
			const connection = clientOf(server, { encoding }).counter.getOrCreate([key]).connect();
			const counts = record(connection, "newCount");
			await connection.getCount();
			const first = await incrementFromOutside(key);
			await counts.count(1);
			await putToSleep(connection.actorId);
			const second = await incrementFromOutside(key);
			assert.ok(second > first, `the actor never slept: it is still in life ${second}`);
			assert.deepEqual(await counts.count(2), [[1], [2]]);
			await putToSleep(connection.actorId);
			assert.equal(await soon("an answer", connection.increment(1)), 3);
			assert.deepEqual(counts.seen, [[1], [2], [3]]);
			counts.stop();
			await connection.getCount();
			await putToSleep(connection.actorId);
			await incrementFromOutside(key);
			assert.equal(await soon("an answer", connection.getCount()), 4);
			assert.equal(counts.seen.length, 3, "an ended subscription came back with the actor");
			await connection.dispose();
		});
	}
});
