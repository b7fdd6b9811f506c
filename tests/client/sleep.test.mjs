// What keeps an actor awake, what a stop waits for, and what outlives it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, newKey, record, soon, until } from "./support/client.mjs";
import { pause, startFixtures } from "./support/server.mjs";

const server = await startFixtures();

/** The idle timeout of most actors here, and what falling asleep may take besides. */
const IDLE_MS = 1_000;
const SLACK_MS = 250;

for (const encoding of ENCODINGS) {
	describe(`sleep, ${encoding}`, { concurrency: true }, () => {
		const client = clientOf(server, { encoding });

		test("an actor sleeps when told to, and the next call wakes it", async () => {
			const actor = client.sleep.getOrCreate([newKey()]);
			assert.deepEqual(await actor.getCounts(), { startCount: 1, sleepCount: 0 });
			await actor.triggerSleep();
			await pause(SLACK_MS);
			assert.deepEqual(await actor.getCounts(), { startCount: 2, sleepCount: 1 });
		});

		test("an actor sleeps by itself, and every call puts that off", async () => {
			const actor = client.sleep.getOrCreate([newKey()]);
			for (let call = 0; call < 3; call += 1) {
				assert.deepEqual(await actor.getCounts(), { startCount: 1, sleepCount: 0 });
				await pause(IDLE_MS - SLACK_MS);
			}
			await actor.getCounts();
			await pause(IDLE_MS + SLACK_MS);
			assert.deepEqual(await actor.getCounts(), { startCount: 2, sleepCount: 1 });
		});

		test("an action that waits keeps its actor awake", async () => {
			const actor = client.sleepWithLongRpc.getOrCreate([newKey()]);
			await connected(actor, async (connection) => {
				const waiting = record(connection, "waiting");
				const rpc = connection.longRunningRpc();
				assert.deepEqual(await waiting.count(1), [[]]);
				await pause(IDLE_MS + SLACK_MS);
				assert.deepEqual(await connection.getCounts(), { startCount: 1, sleepCount: 0 });
				await connection.finishLongRunningRpc();
				await soon("the long call returns", rpc);
			});
			await actor.getCounts();
			await pause(IDLE_MS + SLACK_MS);
			assert.deepEqual(await actor.getCounts(), { startCount: 2, sleepCount: 1 });
		});

		test("wait-until work sends its message and is saved before the sleep is over", async () => {
			const actor = client.sleepWithWaitUntilMessage.getOrCreate([newKey()]);
			await connected(actor, async (connection) => {
				const sleeping = record(connection, "sleeping");
				await connection.triggerSleep();
				const [[message]] = await sleeping.count(1);
				assert.equal(message.startCount, 1);
			});
			await pause(SLACK_MS);
			assert.deepEqual(await actor.getCounts(), {
				startCount: 2,
				sleepCount: 1,
				waitUntilMessageCount: 1,
			});
		});

		test("wait-until work may begin in onWake", async () => {
			const actor = client.sleepWithWaitUntilInOnWake.getOrCreate([newKey()]);
			const status = await until("it is done", async () => {
				const seen = await actor.getStatus();
				return seen.waitUntilCompleted && seen;
			});
			const counts = { startCount: 1, sleepCount: 0 };
			assert.deepEqual(status, { ...counts, waitUntilCalled: true, waitUntilCompleted: true });
			await actor.triggerSleep();
			await pause(SLACK_MS);
			assert.equal((await actor.getStatus()).startCount, 2);
		});

		test("work in the background may come to anything", async () => {
			const actor = client.counterWaitUntilProbe.getOrCreate([newKey()]);
			assert.equal(await actor.triggerWaitUntilVoid(), 1);
			assert.equal(await actor.triggerWaitUntilWithValue(), 2);
			assert.equal(await actor.triggerKeepAwakeVoid(), 3);
			assert.equal(await actor.triggerKeepAwakeWithValue(), 4);
			assert.equal(await actor.triggerWaitUntilRejectVoid(), 5);
			await until(
				"the log tells of the failure",
				() => /actor wait_until promise rejected.*reject-with-error-ok/.test(server.log),
				1_000,
			);
			assert.equal(await actor.getCount(), 5);
		});

		test("a request that is under way keeps its actor awake", async () => {
			const actor = client.sleepWithRawHttp.getOrCreate([newKey()]);
			assert.equal((await actor.getCounts()).startCount, 1);
			const response = await actor.fetch(`long-request?duration=${IDLE_MS + 2 * SLACK_MS}`);
			assert.deepEqual(await response.json(), { completed: true });
			assert.deepEqual(await actor.getCounts(), { startCount: 1, sleepCount: 0, requestCount: 1 });
			const missing = await actor.fetch("elsewhere");
			assert.equal(missing.status, 404);
			assert.equal(await missing.text(), "Not Found");
			await pause(IDLE_MS + SLACK_MS);
			assert.deepEqual(await actor.getCounts(), { startCount: 2, sleepCount: 1, requestCount: 2 });
		});

		test("an actor that never sleeps does not", async () => {
			const actor = client.sleepWithNoSleepOption.getOrCreate([newKey()]);
			assert.deepEqual(await actor.getCounts(), { startCount: 1, sleepCount: 0 });
			await pause(2_500 + SLACK_MS);
			assert.deepEqual(await actor.getCounts(), { startCount: 1, sleepCount: 0 });
		});

		test("work that begins while the actor stops has the time of its grace", async () => {
			const actor = client.sleepWaitUntilVarsDuringGrace.getOrCreate([newKey()]);
			await actor.triggerSleep();
			await pause(2 * SLACK_MS);
			const status = await actor.getStatus();
			assert.equal(status.waitUntilStarted, status.sleepCount);
			assert.equal(status.startCount, status.sleepCount + 1);
			assert.ok(status.sleepCount >= 1);
		});

		test("what is set is there after a sleep, the rest has its default", async () => {
			const actor = client.stateZodCoercionActor.getOrCreate([newKey()]);
			assert.deepEqual(await actor.getState(), { count: 0, label: "default" });
			await actor.setCount(7);
			await actor.triggerSleep();
			await pause(SLACK_MS);
			assert.deepEqual(await actor.getState(), { count: 7, label: "default" });
			await actor.setLabel("own");
			await actor.triggerSleep();
			await pause(SLACK_MS);
			assert.deepEqual(await actor.getState(), { count: 7, label: "own" });
		});
	});
}
