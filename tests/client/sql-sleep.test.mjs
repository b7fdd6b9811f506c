// What a database sees of its actor going to sleep: hooks, background work, calls on the way.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, newKey, record, until } from "./support/client.mjs";
import { pause, startFixtures } from "./support/server.mjs";

const server = await startFixtures();

for (const encoding of ENCODINGS) {
	describe(`databases and sleep, ${encoding}`, () => {
		const client = clientOf(server, { encoding });
		const events = async (actor) => (await actor.getLogEntries()).map((it) => it.event);

		/** One sleep and wake, as the actor's own counts have it. */
		async function cycle(actor) {
			await actor.getCounts();
			await actor.triggerSleep();
			await pause(250);
			return until("it slept and woke", async () => {
				const counts = await actor.getCounts();
				return counts.startCount === 2 && counts;
			});
		}

		for (const [name, expected] of [
			["sleepWaitUntil", ["wake", "sleep-start", "waituntil-write", "wake"]],
			["sleepNestedWaitUntil", ["wake", "sleep-start", "outer-waituntil", "nested-waituntil", "wake"]],
			["sleepOnSleepThrows", ["wake", "sleep-before-throw", "wake"]],
			["sleepWaitUntilRejects", ["wake", "sleep", "waituntil-after-reject", "wake"]],
			["sleepWaitUntilState", ["wake", "waituntil-state", "wake"]],
		]) {
			test(`${name} writes before the sleep is over`, async () => {
				const actor = client[name].getOrCreate([newKey()]);
				const { startCount, sleepCount, waitUntilRan } = await cycle(actor);
				assert.deepEqual([startCount, sleepCount], [2, 1]);
				assert.deepEqual(await events(actor), expected);
				if (name === "sleepWaitUntilState") assert.equal(waitUntilRan, true);
			});
		}

		test("asked twice, it sleeps once; who leaves meanwhile is logged", async () => {
			const actor = client.sleepWithDbConn.getOrCreate([newKey()]);
			const connection = actor.connect();
			await connection.insertLogEntry("here");
			await connection.triggerSleepTwice();
			await connection.dispose();
			await until("both are logged", async () => {
				const seen = await events(actor);
				return seen.includes("sleep") && seen.includes("disconnect");
			});
			assert.deepEqual(await actor.getCounts(), { startCount: 2, sleepCount: 1 });
		});

		test("a call on the way to sleep runs after it, or not at all", async () => {
			const actor = client.sleepWithDbAction.getOrCreate([newKey()]);
			const connection = actor.connect();
			const sleeping = record(connection, "sleeping");
			await connection.getCounts();
			await actor.triggerSleep();
			await sleeping.count(1);
			const late = await actor.insertLogEntry("late").then(() => true, (error) => error);
			if (late !== true) assert.equal(`${late.group}.${late.code}`, "actor.stopping");
			const expected = ["wake", "sleep-start", "sleep-end", "wake"];
			if (late === true) expected.push("late");
			assert.deepEqual(await events(actor), expected);
			await connection.dispose();
		});

		test("work keeps it awake, and the idle time comes after", async () => {
			const actor = client.sleepKeepAwakeUntilIdle.getOrCreate([newKey()]);
			await actor.startSingleKeepAwake();
			await actor.startNestedKeepAwake();
			const status = await until("all is finished", async () => {
				const it = await actor.getStatus();
				return it.nestedSecondFinished && it;
			});
			assert.equal(status.sleepCount, 0);
			assert.equal(status.singleFinished + status.nestedFirstFinished, 2);
			await pause(1_500);
			const { startCount, sleepCount } = await actor.getStatus();
			assert.deepEqual([startCount, sleepCount], [2, 1]);
			const seen = await events(actor);
			assert.deepEqual(seen.slice(-2), ["sleep-1", "wake-2"]);
			assert.equal(seen.length, 9);
		});
	});
}
