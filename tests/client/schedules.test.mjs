// What an actor does later: at its time, in order, awake or asleep, also in another process.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, newKey, record, until } from "./support/client.mjs";
import { pause, startFixtures } from "./support/server.mjs";

const server = await startFixtures();

/** How late an alarm may be. */
const SLACK_MS = 250;

for (const encoding of ENCODINGS) {
	describe(`schedules, ${encoding}`, { concurrency: true }, () => {
		const client = clientOf(server, { encoding });

		test("a task runs after a while, and says so to who listens", async () => {
			const actor = client.scheduled.getOrCreate([newKey()]);
			await connected(actor, async (connection) => {
				const ran = record(connection, "scheduled");
				await connection.getScheduledCount();
				const due = await connection.scheduleTaskAfter(300);
				const [[event]] = await ran.count(1);
				assert.equal(event.count, 1);
				const late = event.time - due;
				assert.ok(-20 <= late && late <= SLACK_MS, `${late} ms late`);
				assert.equal(await connection.getLastRun(), event.time);
			});
		});

		test("a task runs at a time, and one whose time is over runs at once", async () => {
			const actor = client.scheduled.getOrCreate([newKey()]);
			assert.equal(await actor.getScheduledCount(), 0);
			const at = Date.now() + 300;
			assert.equal(await actor.scheduleTaskAt(at), at);
			await until("it ran", async () => (await actor.getScheduledCount()) === 1);
			const late = (await actor.getLastRun()) - at;
			assert.ok(0 <= late && late <= SLACK_MS, `${late} ms late`);
			await actor.scheduleTaskAt(Date.now() - 1_000);
			await actor.scheduleTask(0);
			await until("both ran", async () => (await actor.getScheduledCount()) === 3);
		});

		test("tasks run in the order of their times", async () => {
			const actor = client.scheduled.getOrCreate([newKey()]);
			await connected(actor, async (connection) => {
				const ran = record(connection, "scheduledWithId");
				await connection.getScheduledCount();
				const waits = { third: 450, first: 150, second: 300 };
				for (const [id, ms] of Object.entries(waits)) {
					const task = await connection.scheduleTaskAfterWithId(id, ms);
					assert.equal(task.taskId, id);
					assert.ok(Date.now() < task.scheduledFor + ms);
				}
				await ran.count(3);
				assert.deepEqual(ran.seen.map(([it]) => [it.taskId, it.count]), [
					["first", 1],
					["second", 2],
					["third", 3],
				]);
			});
			assert.deepEqual(await actor.getTaskHistory(), ["first", "second", "third"]);
			assert.equal(await actor.clearHistory(), true);
			assert.equal(await actor.getScheduledCount(), 0);
		});

		test("a task writes into the actor's database", async () => {
			const actor = client.scheduledDb.getOrCreate([newKey()]);
			await actor.scheduleDbWrite(100);
			await until("it is written", async () => (await actor.getLogCount()) === 1);
			assert.equal(await actor.getScheduledCount(), 1);
		});

		test("an alarm is activity, which puts sleep off", async () => {
			const actor = client.sleep.getOrCreate([newKey()]);
			await actor.setAlarm(750);
			await pause(1_250);
			assert.deepEqual(await actor.getCounts(), { startCount: 1, sleepCount: 0 });
		});

		test("an alarm wakes an actor that sleeps", async () => {
			const actor = client.sleep.getOrCreate([newKey()]);
			await actor.setAlarm(1_250);
			await pause(1_200);
			assert.deepEqual(await actor.getCounts(), { startCount: 2, sleepCount: 1 });
		});

		test("an alarm that is due while its actor falls asleep comes with the next life", async () => {
			const actor = client.scheduled.getOrCreate([newKey()]);
			await actor.scheduleTaskAfter(100);
			const sleep = `${server.url}/actors/${await actor.resolve()}/sleep?namespace=default`;
			await fetch(sleep, { method: "POST", body: "{}" });
			await pause(100 + SLACK_MS);
			assert.equal(await actor.getScheduledCount(), 1);
		});
	});
}
