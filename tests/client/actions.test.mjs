// Actions over HTTP and over connections: answers, defaults, timeouts,
// concurrency, names with dots, and the size limits both ways.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, failure, newKey, refused, soon } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";

const server = await startFixtures();

/** Runs `use` with the stateless handle and then with a connection: both offer the same actions. */
async function bothWays(handle, use) {
	await use(handle, "http");
	await connected(handle, (connection) => use(connection, "socket"));
}

/**
 * The refusal of `call`, whose action waits little longer than it may. On a machine
 * that stands still for that long it may just make it, so it gets a few attempts.
 */
async function timesOut(call) {
	for (let attempt = 1; ; attempt += 1) {
		const error = await call().then(() => null, (failed) => failed);
		if (error) return refused(Promise.reject(error), "actor", "action_timed_out");
		assert.ok(attempt < 5, "it was answered every time");
	}
}

for (const encoding of ENCODINGS) {
	describe(`actions, ${encoding}`, () => {
		const client = clientOf(server, { encoding });

		test("calls with an idempotency key run once, and with another key again", async () => {
			const key = [newKey()];
			const once = async (name) => {
				const named = clientOf(server, { encoding, headers: { "Idempotency-Key": name } });
				return named.syncActionActor.getOrCreate(key).increment(5);
			};
			assert.deepEqual([await once("a"), await once("a"), await once("b"), await once("a")], [5, 5, 10, 5]);
			assert.equal((await client.syncActionActor.getOrCreate(key).getInfo()).currentValue, 10);
			const other = clientOf(server, { encoding, headers: { "Idempotency-Key": "a" } });
			const reused = other.syncActionActor.getOrCreate(key).increment(6);
			await refused(() => reused, "idempotency", "key_reused");
		});

		test("answers, missing trailing arguments and void results", async () => {
			const handle = client.syncActionActor.getOrCreate([newKey()]);
			assert.equal(await handle.increment(), 1);
			assert.equal(await handle.increment(5), 6);
			const before = Date.now();
			const info = await handle.getInfo();
			assert.equal(info.currentValue, 6);
			assert.equal(typeof info.timestamp, "number", "a timestamp must be a plain number");
			assert.ok(Math.abs(info.timestamp - before) < 60_000);
			await bothWays(handle, async (actor) => {
				await actor.increment(3);
				assert.equal((await actor.reset()) ?? undefined, undefined);
				assert.equal((await actor.getInfo()).currentValue, 0);
			});
		});

		test("asynchronous actions, their user errors and their results", async () => {
			await bothWays(client.asyncActionActor.getOrCreate([newKey()]), async (actor) => {
				assert.equal(typeof (await actor.delayedIncrement(2)), "number");
				const data = await actor.fetchData("item-1");
				assert.equal(data.id, "item-1");
				assert.equal(typeof data.timestamp, "number");
				assert.equal(await actor.asyncWithError(false), "Success");
				const error = await refused(() => actor.asyncWithError(true), "user", "user_error");
				assert.equal(error.message, "Intentional error");
			});
			const promises = client.promiseActor.getOrCreate([newKey()]);
			assert.equal(await promises.resolvedPromise(), "resolved value");
			assert.equal(await promises.delayedPromise(), "delayed value");
			assert.equal((await refused(() => promises.rejectedPromise(), "user", "user_error")).message, "promised rejection");
			assert.deepEqual(await promises.getResults(), ["delayed"]);
		});

		test("an action over its timeout is refused, one within it is not", async () => {
			const short = client.shortTimeoutActor.getOrCreate([newKey()]);
			await bothWays(short, async (actor) => {
				assert.equal(await actor.quickAction(), "quick response");
				const error = await timesOut(() => actor.slowAction());
				assert.match(error.message, /Action timed out/i);
				assert.equal(await actor.quickAction(), "quick response", "unusable after a timeout");
			});
			assert.equal(await client.longTimeoutActor.getOrCreate([newKey()]).delayedAction(), "delayed response");
			assert.equal(await client.defaultTimeoutActor.getOrCreate([newKey()]).normalAction(), "normal response");
			assert.equal(await client.syncTimeoutActor.getOrCreate([newKey()]).syncAction(), "sync response");
			const custom = client.customTimeoutActor.getOrCreate([newKey()]);
			assert.equal(await custom.quickAction(), "Quick action completed");
			await timesOut(() => custom.slowAction());
		});

		test("a waiting action does not hold up another, over either transport", async () => {
			for (const open of [false, true]) {
				const handle = client.concurrentActionActor.getOrCreate([newKey()]);
				const actor = open ? handle.connect() : handle;
				await actor.getEvents();
				const slow = actor.runWithDelay("slow", 400);
				await soon(
					"the slow action has started",
					(async () => {
						while ((await handle.getEvents()).length === 0);
					})(),
				);
				const fast = actor.runWithDelay("fast", 0);
				assert.equal(await Promise.race([slow, fast]), "fast");
				assert.equal(await slow, "slow");
				assert.deepEqual(await actor.getEvents(), ["start:slow", "start:fast", "finish:fast", "finish:slow"]);
				if (open) await actor.dispose();
			}
		});

		test("answers on one connection are matched to their callers, whatever their order", async () => {
			await connected(client.concurrentActionActor.getOrCreate([newKey()]), async (connection) => {
				const labels = ["a", "b", "c", "d", "e", "f"];
				const calls = labels.map((label, index) => connection.runWithDelay(label, (labels.length - index) * 20));
				assert.deepEqual(await Promise.all(calls), labels);
			});
		});

		test("names with dots reach nested actions", async () => {
			await bothWays(client.nestedActionActor.getOrCreate([newKey()]), async (actor, way) => {
				const total = await actor.action({ name: "calculator.add", args: [3] });
				assert.equal(total, way === "http" ? 3 : 6);
				const error = await failure(() => actor.action({ name: "calculator.add", args: ["three"] }));
				assert.equal(error.group, "actor");
				assert.equal(error.code, "validation_error");
				assert.equal(await actor.action({ name: "calculator.read", args: [] }), total, "a refused call changed the total");
			});
		});

		test("48 kB pass both ways", async () => {
			await bothWays(client.largePayloadConnActor.getOrCreate([newKey()]), async (actor) => {
				const items = Array.from({ length: 800 }, (_, index) => `Item ${index} with some additional text to increase size`);
				assert.deepEqual(await actor.processLargeRequest({ items }), {
					itemCount: 800,
					firstItem: items[0],
					lastItem: items[799],
				});
				assert.deepEqual((await actor.getLargeResponse(800)).items, items);
			});
			await connected(client.largePayloadConnActor.getOrCreate([newKey()]), async (connection) => {
				await connection.processLargeRequest({ items: ["a", "b", "c"] });
				assert.equal(await connection.getLastRequestSize(), 3);
			});
		});

		test("requests over 64 KiB and answers over 1 MiB are refused by name over HTTP", async () => {
			const handle = client.largePayloadActor.getOrCreate([newKey()]);
			const items = Array.from({ length: 1_500 }, (_, index) => `Item ${index} with some additional text to increase size`);
			await refused(() => handle.processLargeRequest({ items }), "message", "incoming_too_long");
			await refused(() => handle.getLargeResponse(20_000), "message", "outgoing_too_long");
			assert.deepEqual(await handle.echo("still here"), "still here");
		});

		test("an answer over 1 MiB fails its own call only; a request over 64 KiB closes the socket", async () => {
			await connected(client.largePayloadConnActor.getOrCreate([newKey()]), async (connection) => {
				const statuses = [];
				connection.onStatusChange((status) => statuses.push(status));
				const beside = connection.getLargeResponse(1);
				await refused(() => connection.getLargeResponse(20_000), "message", "outgoing_too_long");
				assert.equal((await beside).items.length, 1);
				assert.deepEqual(statuses, [], "the connection was closed by an answer");
				const items = Array.from({ length: 1_500 }, (_, index) => `Item ${index} with some additional text to increase size`);
				await refused(() => connection.processLargeRequest({ items }), "message", "incoming_too_long");
				assert.equal((await connection.getLargeResponse(1)).items.length, 1, "no way back after the close");
				assert.ok(statuses.includes("disconnected"));
			});
		});

		test("a call cancelled by its caller ends at once and hurts nobody", async () => {
			const handle = client.concurrentActionActor.getOrCreate([newKey()]);
			await handle.getEvents();
			const abort = new AbortController();
			const call = handle.action({ name: "runWithDelay", args: ["cancelled", 300], signal: abort.signal });
			setTimeout(() => abort.abort(), 30);
			await failure(() => call);
			assert.equal(await handle.runWithDelay("next", 0), "next");
		});
	});
}

describe("actor context", () => {
	const client = clientOf(server);

	test("an actor knows its name, and keeps what it was told", async () => {
		const handle = client.metadataActor.getOrCreate([newKey()]);
		assert.equal(await handle.getActorName(), "metadataActor");
		assert.equal(await handle.getStoredActorName(), "metadataActor");
		assert.deepEqual(await handle.setupTestTags({ env: "test", size: "big" }), { env: "test", size: "big" });
		assert.equal(await handle.setupTestRegion("eu"), "eu");
		assert.equal(await handle.getTag("env"), "test");
		assert.equal(await handle.getTag("nothing"), null);
		assert.deepEqual(await handle.getMetadata(), { name: "metadataActor", tags: { env: "test", size: "big" }, region: "eu" });
		assert.equal((await handle.getLastMetadata()).region, "eu");
	});

	test("variables are made per actor and shared with none", async () => {
		assert.deepEqual(await client.staticVarActor.getOrCreate([newKey()]).getVars(), { counter: 42, name: "test-actor" });
		const one = client.nestedVarActor.getOrCreate([newKey()]);
		const two = client.nestedVarActor.getOrCreate([newKey()]);
		assert.equal((await one.modifyNested()).nested.value, "modified");
		assert.deepEqual((await one.getVars()).nested.array, [1, 2, 3, 4]);
		assert.deepEqual((await two.getVars()).nested, { value: "original", array: [1, 2, 3], obj: { key: "value" } });
		const dynamic = await client.dynamicVarActor.getOrCreate([newKey()]).getVars();
		assert.ok(dynamic.random >= 0 && dynamic.random < 1);
		assert.match(dynamic.computed, /^Actor-\d{1,3}$/);
		const unique = client.uniqueVarActor.getOrCreate([newKey()]);
		assert.deepEqual(await unique.getVars(), await unique.getVars());
	});

	test("an actor without state or database says so", async () => {
		const handle = client.statelessActor.getOrCreate([newKey()]);
		assert.equal(await handle.ping(), "pong");
		assert.equal(await handle.echo("hi"), "hi");
		assert.equal(await handle.getActorId(), await handle.resolve());
		const state = await handle.tryGetState();
		assert.equal(state.success, false);
		assert.match(state.error, /state/);
		const database = await handle.tryGetDb();
		assert.equal(database.success, false);
		assert.match(database.error, /database/);
	});
});
