// What a database sees of its actor going to sleep: hooks, background work, calls on the way.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, newKey, record, until } from "./support/client.mjs";
import { pause, startFixtures } from "./support/server.mjs";

const server = await startFixtures();

for (const encoding of ENCODINGS) {
	describe(`databases and sleep, ${encoding}`, { concurrency: true }, () => {
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

		test("an alarm is logged, in this life or the next", async () => {
			const actor = client.sleepWithDb.getOrCreate([newKey()]);
			await actor.setAlarm(300);
			await until("the alarm is logged", async () => (await events(actor)).includes("alarm"));
			assert.deepEqual(await events(actor), ["wake", "alarm"]);
			// Time enough for a busy machine to ask for the sleep first.
			await actor.setAlarm(300);
			await actor.triggerSleep();
			await pause(700);
			const seen = await until("the alarm woke it", async () => {
				const it = await events(actor);
				return it.length === 5 && it;
			});
			assert.deepEqual(seen, ["wake", "alarm", "sleep", "wake", "alarm"]);
			const { startCount, sleepCount, onSleepDbWriteSuccess, onSleepDbWriteError } = await actor.getCounts();
			assert.deepEqual([startCount, sleepCount, onSleepDbWriteSuccess, onSleepDbWriteError], [2, 1, true, null]);
		});

		test("no sleep before a slow alarm is over", async () => {
			const actor = client.sleepWithSlowScheduledDb.getOrCreate([newKey()]);
			await actor.scheduleSlowAlarm(50, 1_500);
			await pause(3_000);
			assert.deepEqual((await events(actor)).slice(0, 4), ["wake", "slow-alarm-start", "slow-alarm-finish", "sleep"]);
		});

		test("what on_sleep schedules runs once, after the wake", async () => {
			const actor = client.sleepScheduleAfter.getOrCreate([newKey()]);
			await actor.getCounts();
			await actor.triggerSleep();
			await pause(3_500);
			const counts = await until("it has run", async () => {
				const it = await actor.getCounts();
				return it.scheduledActionCount && it;
			});
			assert.deepEqual(counts, { startCount: 2, sleepCount: 1, scheduledActionCount: 1 });
			assert.deepEqual(await events(actor), ["wake", "sleep", "wake", "scheduled-action"]);
		});

		test("a message sent on the way to sleep is kept", async () => {
			const actor = client.sleepEnqueue.getOrCreate([newKey()]);
			const counts = await cycle(actor);
			assert.deepEqual(counts, { startCount: 2, sleepCount: 1, enqueueSuccess: true, enqueueError: null });
			assert.deepEqual(await events(actor), ["wake", "sleep", "wake"]);
			const id = await actor.resolve();
			const answer = await fetch(`${server.url}/gateway/${id}/inspector/queue`, {
				headers: { authorization: "Bearer token" },
			});
			const { size, messages } = await answer.json();
			assert.deepEqual([size, messages.map((it) => it.name)], [1, ["work"]]);
		});

		/** A raw socket that has said it is connected, and what it says after. */
		async function socketOf(actor) {
			const socket = await actor.webSocket("/");
			const heard = [];
			socket.addEventListener("message", ({ data }) => heard.push(JSON.parse(data)));
			const says = (type) => until(`it says ${type}`, () => heard.some((it) => it.type === type));
			await says("connected");
			return { socket, heard, says, send: (it) => socket.send(typeof it === "string" ? it : JSON.stringify(it)) };
		}

		test("a socket opened on the way to sleep is served after it, or not at all", async () => {
			const actor = client.sleepWithRawWs.getOrCreate([newKey()]);
			await actor.getCounts();
			await actor.triggerSleep();
			// What follows is sent while on_sleep waits its half a second.
			const asked = Date.now();
			const socket = await actor.webSocket("/");
			const outcome = await new Promise((resolve) => {
				for (const type of ["message", "close", "error"]) socket.addEventListener(type, () => resolve(type));
			});
			if (outcome === "message") assert.ok(400 <= Date.now() - asked, `served after ${Date.now() - asked} ms`);
			socket.close();
			await until("it slept once and woke", async () => (await actor.getCounts()).startCount === 2);
			assert.deepEqual((await events(actor)).slice(0, 3), ["wake", "sleep", "wake"]);
		});

		test("a socket's close is over before the sleep", async () => {
			for (const name of ["sleepWithRawWsCloseDb", "sleepWithRawWsCloseDbListener"]) {
				const actor = client[name].getOrCreate([newKey()]);
				const { socket } = await socketOf(actor);
				socket.close();
				await pause(1_000);
				const { closeStarted, closeFinished } = await actor.getStatus();
				assert.deepEqual([closeStarted, closeFinished], [1, 1]);
				assert.deepEqual((await events(actor)).slice(0, 5), ["wake", "close-start", "close-finish", "sleep", "wake"]);
			}
		});

		test("a handler that outlives its grace writes no more", async () => {
			const actor = client.sleepWsMessageExceedsGrace.getOrCreate([newKey()]);
			const { send, says } = await socketOf(actor);
			send("slow-db-work");
			await says("started");
			await actor.triggerSleep();
			await pause(2_600);
			const { messageStarted, messageFinished } = await actor.getStatus();
			assert.deepEqual([messageStarted, messageFinished], [1, 0]);
			assert.ok(!(await events(actor)).includes("msg-finish"));
		});

		test("nor do many with handles they took before", async () => {
			const actor = client.sleepWsConcurrentDbExceedsGrace.getOrCreate([newKey()]);
			const { heard, send } = await socketOf(actor);
			for (let index = 0; index < 4; index += 1) send({ type: "slow-db-work", index });
			await until("all have started", () => heard.filter((it) => it.type === "started").length === 4);
			await actor.triggerSleep();
			await pause(2_600);
			const { handlerStarted, handlerFinished, handlerErrors } = await actor.getStatus();
			assert.equal(handlerStarted, 4);
			assert.ok(handlerFinished < 4);
			assert.deepEqual(handlerErrors, []);
		});

		test("exactly what was written before the end is there", async () => {
			const actor = client.sleepWsActiveDbExceedsGrace.getOrCreate([newKey()]);
			const { heard, send, says } = await socketOf(actor);
			send({ type: "start-writes" });
			await says("started");
			for (let index = 0; index < 3; index += 1) send({ type: "continue-write" });
			await until("three writes", () => heard.filter((it) => it.type === "write").length === 3);
			await actor.triggerSleep();
			await pause(500);
			assert.deepEqual(await events(actor), ["write-0", "write-1", "write-2"]);
			assert.equal((await actor.getStatus()).writesCompleted, 3);
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
