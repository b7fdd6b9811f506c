// A SQLite database for each actor: values, transactions, migrations, and what is left
// of them by a sleep, a failure, a destroy.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, newKey, soon, until } from "./support/client.mjs";
import { pause, startFixtures } from "./support/server.mjs";

const server = await startFixtures();

/** What the server has logged since it started, as far as it is kept. */
const logged = (text) => until(`the log has "${text}"`, () => server.log.includes(text));

for (const encoding of ENCODINGS) {
	describe(`databases, ${encoding}`, () => {
		const client = clientOf(server, { encoding });
		const raw = () => client.dbActorRaw.getOrCreate([newKey()]);

		test("rows are inserted, changed, read and deleted", async () => {
			const actor = raw();
			const { id } = await actor.insertValue("one");
			assert.deepEqual(await actor.updateValue(id, "two"), { success: true });
			assert.equal(await actor.getValue(id), "two");
			const [row] = await actor.getValues();
			assert.deepEqual({ ...row, created_at: 0 }, { id, value: "two", payload: "", created_at: 0 });
			assert.ok(Math.abs(Date.now() - row.created_at) < 60_000, `created_at is ${row.created_at}`);
			await actor.deleteValue(id);
			assert.equal(await actor.getValue(id), null);
			assert.deepEqual(await actor.insertMany(25), { count: 25 });
			assert.deepEqual(await actor.insertMany(0), { count: 0 });
			assert.equal(await actor.getCount(), 25);
			await actor.reset();
			assert.equal(await actor.rawSelectCount(), 0);
		});

		test("text with a NUL comes back whole", async () => {
			const { value, hex_value, sqlite_length } = await raw().insertValueAndReadBack("a\0b");
			assert.deepEqual({ value, hex_value, sqlite_length }, { value: "a\0b", hex_value: "610062", sqlite_length: 1 });
		});

		test("each actor has a database of its own", async () => {
			const [one, other] = [raw(), raw()];
			await one.insertValue("mine");
			assert.equal(await other.getCount(), 0);
		});

		test("a transaction is all or nothing", async () => {
			const actor = raw();
			await actor.transactionRollback("undone");
			await actor.transactionCommit("kept");
			await actor.transactionWithTimeout(5_000);
			assert.deepEqual(await actor.transactionExec(), ["kept", "exec-first", "exec-second"]);
			assert.deepEqual(await actor.transactionAutomaticRollback(), [{ id: 2, value: "after" }]);
		});

		test("a statement waits for a transaction that is held", async () => {
			const actor = raw();
			await actor.insertValue("one");
			assert.equal(await actor.isTransactionHolding(), false);
			const held = actor.holdTransaction();
			await until("the transaction is held", () => actor.isTransactionHolding());
			let counted = false;
			const count = actor.getCountWithSubmissionBarrier().finally(() => (counted = true));
			await until("the count was asked for", () => actor.isSqlOperationSubmitted());
			await pause(50);
			assert.equal(counted, false);
			assert.equal(await actor.isSqlOperationSubmitted(), true);
			await actor.releaseHeldTransaction();
			await held;
			assert.equal(await count, 1);
			assert.equal(await actor.isTransactionHolding(), false);
			assert.equal(await actor.isSqlOperationSubmitted(), false);
		});

		test("an action that is held keeps its actor awake", async () => {
			const watching = newKey();
			const observer = client.lifecycleObserver.getOrCreate([watching]);
			const sleeps = async () => (await observer.getEvents()).filter((it) => it.event === "sleep").length;
			const actor = raw();
			await actor.configureLifecycleObserver(watching);
			const held = actor.holdActorAwake();
			await until("the action is held", () => actor.isActorAwakeHeld());
			const before = await sleeps();
			// Three times as long as it stays awake with nothing to do.
			await pause(300);
			assert.equal(await sleeps(), before);
			await actor.releaseActorAwake();
			await held;
			await until("it slept", async () => (await sleeps()) > before);
		});

		test("transactions and statements go one after another", async () => {
			const values = await raw().concurrentTransactions();
			assert.deepEqual(values.slice(0, 2), ["first-start", "first-end"]);
			assert.deepEqual(values.slice(2).sort(), ["second", "third"]);
			assert.deepEqual(await raw().transactionParksOrdinarySql(), ["tx-start", "tx-end", "ordinary"]);
		});

		test("a transaction that waits for itself says so", async () => {
			const actor = raw();
			for (const nested of [true, false]) {
				const message = await actor.transactionDeadlockDiagnostic(nested);
				for (const word of ["safety backstop", "timeout", "nested transaction", "outer `db`"]) {
					assert.ok(message.includes(word), `${word} in ${message}`);
				}
			}
			assert.equal(await actor.getCount(), 0);
		});

		test("a transaction that expires takes along who waits for it", async () => {
			const { ownerMessage, parkedResult, leakedMessage, values } = await raw().transactionExpiryDiagnostics();
			assert.equal(parkedResult.status, "rejected");
			for (const message of [ownerMessage, parkedResult.message, leakedMessage]) {
				assert.match(message, /expired after 50 ms/);
			}
			assert.deepEqual(values, []);
			assert.match(await raw().terminalTransactionDiagnostic(), /already committed/);
		});

		test("several statements are one call", async () => {
			const actor = raw();
			assert.equal(await actor.multiStatementInsert("v"), "v-updated");
			const { id } = await actor.insertValue("x");
			assert.deepEqual(await actor.repeatUpdate(id, 50), { value: "Updated 49" });
			assert.deepEqual(await actor.roundRobinUpdateValues([id], 3), [{ id, value: "v-2" }]);
			assert.deepEqual(await actor.roundRobinUpdateValues([], 3), []);
		});

		test("payloads, churn, vacuum", async () => {
			const actor = raw();
			const { id, size } = await actor.insertPayloadOfSize(200_000);
			assert.equal(size, 200_000);
			assert.equal(await actor.getPayloadSize(id), 200_000);
			assert.equal(await actor.getPayloadSize(id + 1), 0);
			assert.deepEqual(await actor.insertPayloadRows(40, 4_096), { count: 40 });
			const pages = await actor.getPageCount();
			await actor.runMixedWorkload(30, 60);
			await actor.reset();
			await actor.vacuum();
			assert.ok((await actor.getPageCount()) < pages);
			assert.equal(await actor.integrityCheck(), "ok");
		});

		test("rows outlive sleeps", async () => {
			const actor = raw();
			for (let round = 1; round <= 3; round += 1) {
				await actor.insertValue(`round ${round}`);
				await actor.triggerSleep();
				await pause(50);
				assert.equal(await actor.getCount(), round);
			}
			assert.equal(await actor.ping(), "pong");
		});

		test("a sleep and the wake after it are reported", async () => {
			const [key, watching] = [newKey(), newKey("observer")];
			const actor = client.dbActorRaw.getOrCreate([key]);
			await actor.configureLifecycleObserver(watching);
			const observer = client.lifecycleObserver.getOrCreate([watching]);
			const events = async () => (await observer.getEvents()).map((it) => [it.actorKey, it.event]);
			await actor.triggerSleep();
			await until("it reports its sleep", async () => (await events()).length >= 1);
			await actor.ping();
			assert.deepEqual((await events()).slice(0, 2), [[key, "sleep"], [key, "wake"]]);
			await actor.configureLifecycleObserver(null);
		});

		test("a row of on_disconnect is there", async () => {
			const actor = raw();
			await actor.configureDisconnectInsert(true, 50);
			const connection = actor.connect();
			await connection.ping();
			await connection.dispose();
			await until("both disconnects are rows", async () => (await actor.getDisconnectInsertCount()) >= 2);
		});

		test("a destroyed actor's rows are gone", async () => {
			const key = newKey();
			const actor = client.dbActorRaw.getOrCreate([key]);
			await actor.insertValue("gone");
			await actor.destroy();
			const count = await until("it is there anew", () => client.dbActorRaw.getOrCreate([key]).getCount().then((it) => it + 1, () => 0));
			assert.equal(count, 1);
		});

		test("the log warns of transactions over several calls, once and unless told", async () => {
			assert.equal(await raw().manualTransactionCompatibility(), 1);
			await logged("Manual cross-call SQLite transactions can interleave");
			const marker = newKey("marker");
			const quiet = client.dbActorManualWarningsDisabled.getOrCreate([newKey()]);
			const { log } = server;
			assert.equal(await quiet.manualTransactionCompatibility(marker), true);
			await logged(marker);
			const since = server.log.slice(server.log.indexOf(log.slice(-200)) + 200);
			assert.ok(!since.includes("Manual cross-call"), since);
		});

		test("a migration that fails is undone", async () => {
			const actor = client.dbActorDrizzleMigrationRollback.getOrCreate([newKey()]);
			await assert.rejects(actor.migrationRolledBack(), /intentional drizzle migration failure/);
			assert.equal(await actor.migrationRolledBack(), true);
			const failing = client.dbLifecycleFailing.getOrCreate([newKey()]);
			await soon("it fails", assert.rejects(failing.ping()));
		});

		test("migrations run at each start, steps once", async () => {
			const actor = client.dbPragmaMigrationActor.getOrCreate([newKey()]);
			const { id } = await actor.insertItem("a");
			await actor.triggerSleep();
			await pause(50);
			await actor.insertItemWithStatus("b", "done");
			assert.deepEqual(await actor.getItems(), [
				{ id, name: "a", status: "active" },
				{ id: id + 1, name: "b", status: "done" },
			]);
			assert.equal(await actor.getSchemaVersion(), 2);
			assert.deepEqual(await actor.getColumns(), ["id", "name", "status"]);
		});

		test("twelve databases through sleep, wake and destroy", async () => {
			const actors = Array.from({ length: 12 }, () => client.dbLifecycle.getOrCreate([newKey()]));
			await Promise.all(actors.map((it) => it.insertValue("a")));
			const id = await actors[0].getActorId();
			await Promise.all(actors.map((it) => it.triggerSleep()));
			await pause(100);
			await Promise.all(actors.map((it) => it.insertValue("b")));
			await Promise.all(actors.slice(6).map((it) => it.triggerDestroy()));
			const counts = await Promise.all(actors.slice(0, 6).map((it) => it.getCount()));
			assert.deepEqual(counts, [2, 2, 2, 2, 2, 2]);
			const { migrate } = await client.dbLifecycleObserver.getOrCreate(["observer"]).getCounts(id);
			assert.ok(migrate >= 2, `${migrate} migrations`);
		});

		test("every hook finds the database migrated and open", async () => {
			for (const name of ["dbInitOrderCreateStateActor", "dbInitOrderOnCreateActor", "dbInitOrderCreateVarsActor"]) {
				assert.equal(await client[name].getOrCreate([newKey()]).getInitialCount(), 0, name);
			}
			const wakes = client.dbInitOrderOnWakeActor.getOrCreate([newKey()]);
			assert.equal(await wakes.getWakeCount(), 1);
			await wakes.triggerSleep();
			await pause(50);
			assert.equal(await wakes.getWakeCount(), 2);

			const observer = client.dbInitOrderObserver.getOrCreate(["observer"]);
			const sleeps = client.dbInitOrderOnSleepActor.getOrCreate([newKey()]);
			const slept = await sleeps.getActorId();
			assert.equal(await observer.getOnSleepCount(slept), -1);
			await sleeps.insert("a");
			await sleeps.triggerSleep();
			await until("on_sleep has counted", async () => (await observer.getOnSleepCount(slept)) >= 1);
			assert.ok((await sleeps.getSleepEventCount()) >= 1);

			const goes = client.dbInitOrderOnDestroyActor.getOrCreate([newKey()]);
			const gone = await goes.getActorId();
			await goes.insert("a");
			await goes.insert("b");
			await goes.triggerDestroy();
			await until("on_destroy has counted", async () => (await observer.getOnDestroyCount(gone)) === 2);
		});

		test("many writes, beside each other and through a destroy", async () => {
			const actor = client.dbStressActor.getOrCreate([newKey()]);
			assert.deepEqual(await actor.insertBatch(500), { count: 500 });
			assert.equal(await actor.upsertMetaRows(40), 32);
			assert.equal(await actor.writeAndVerify(20), 20);
			assert.equal((await actor.measureEventLoopHealth(20)).insertCount, 20);
			assert.equal(await actor.getCount(), 540);
			await actor.reset();
			const [smoke] = await Promise.all([actor.kitchenSinkSmoke(12), actor.upsertMetaRows(10), actor.upsertMetaRows(10)]);
			assert.equal(smoke.dataCount, 12 + 12 - 4);
			assert.equal(smoke.payloadCount, 11);
			assert.equal(smoke.integrity, "ok");
			assert.equal(await actor.integrityCheck(), "ok");
			const late = Array.from({ length: 5 }, () => actor.insertBatch(1_000));
			await actor.destroy();
			await soon("all calls end", Promise.allSettled(late));
		});
	});
}
