// Hooks of a life, the run handler, saves on request, and the end: what the
// published client sees of each.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, newKey, refused, soon, until } from "./support/client.mjs";
import { pause, startFixtures } from "./support/server.mjs";

const server = await startFixtures();

for (const encoding of ENCODINGS) {
	const client = clientOf(server, { encoding });

	/** The events that the lifecycle observer `key` was told of `actor`. */
	async function told(key, actor) {
		const events = await client.lifecycleObserver.getOrCreate([key]).getEvents();
		return events.filter((it) => it.actorKey === actor).map((it) => it.event);
	}

	describe(`hooks, ${encoding}`, { concurrency: true }, () => {
		test("a connection may be refused before it is one, in public and in private", async () => {
			const rejecting = client.beforeConnectRejectActor.getOrCreate([newKey()], {
				params: { shouldReject: true },
			});
			const error = await refused(() => rejecting.ping(), "user", "connection_rejected");
			assert.equal(error.message, "Connection rejected by policy");
			assert.deepEqual(error.metadata, { reason: "test" });
			const failing = client.beforeConnectGenericErrorActor.getOrCreate([newKey()], {
				params: { shouldFail: true },
			});
			await refused(() => failing.ping(), "rivetkit", "internal_error");
			const admitted = client.beforeConnectRejectActor.getOrCreate([newKey()]);
			assert.equal(await admitted.ping(), "pong");
		});

		test("onBeforeConnect has its own timeout", async () => {
			const actor = client.beforeConnectTimeoutActor.getOrCreate([newKey()]);
			await refused(() => actor.ping(), "actor", "callback_timed_out");
		});

		test("what is derived from the state is there, and deriving it changes nothing", async () => {
			const actor = client.stateChangeRecursionActor.getOrCreate([newKey()]);
			for (let n = 1; n <= 3; n += 1) {
				assert.equal(await actor.setValue(n * 10), n * 10);
				assert.equal(await actor.getDerivedValue(), n * 20);
				assert.equal(await actor.getOnStateChangeCallCount(), n);
			}
			assert.deepEqual(await actor.getAll(), { value: 30, derivedValue: 60, callCount: 3 });
		});

		test("a hook that changes the state it is told of is refused", async () => {
			const actor = client.stateChangeReentrantMutationActor.getOrCreate([newKey()]);
			assert.equal(await actor.setValue(5), 5);
			assert.deepEqual(await actor.getResult(), {
				value: 5,
				derivedValue: 0,
				callCount: 1,
				errorGroup: "actor",
				errorCode: "state_mutation_reentrant",
			});
		});

		test("onStateChange runs once per action that changes, and never for others", async () => {
			const actor = client.onStateChangeActor.getOrCreate([newKey()]);
			assert.equal(await actor.getChangeCount(), 0);
			await actor.setValue(10);
			assert.equal(await actor.getChangeCount(), 1);
			assert.equal(await actor.incrementMultiple(5), 15);
			assert.equal(await actor.getChangeCount(), 2);
			assert.equal(await actor.getValue(), 15);
			assert.equal(await actor.getDoubled(), 30);
			await connected(actor, (connection) => connection.getValue());
			assert.equal(await actor.getChangeCount(), 2);
			await actor.resetChangeCount();
			assert.equal(await actor.getChangeCount(), 0);
			assert.equal(await actor.stateIdentityStable(), true);
			assert.equal(await actor.seedLarge(20_000), 20_000);
			assert.ok((await actor.churn(200)) < 250);
		});

		test("a call before destroy is answered, and after it the actor is gone", async () => {
			const key = newKey();
			const actor = client.startStopRaceActor.getOrCreate([key]);
			const id = await actor.resolve();
			const ping = actor.ping();
			// Two requests may overtake each other on their way.
			await pause(30);
			await actor.destroy();
			assert.equal(await ping, "pong");
			assert.deepEqual(await told("observer", key), ["started", "destroy"]);
			await refused(() => client.startStopRaceActor.getForId(id).ping(), "actor", "not_found");
			const again = await client.startStopRaceActor.create([key]);
			assert.equal((await again.getState()).destroyCalled, false);
			assert.notEqual(await again.resolve(), id);
		});

		test("a destroy while the actor starts waits for the start, and runs onDestroy", async () => {
			const key = newKey();
			const actor = await client.startStopRaceActor.create([key]);
			const start = performance.now();
			await actor.destroy();
			assert.ok(performance.now() - start > 90, "the start takes 100 ms");
			assert.deepEqual(await told("observer", key), ["started", "destroy"]);
		});
	});

	describe(`run, ${encoding}`, { concurrency: true }, () => {
		test("run keeps its actor awake and is told when it stops", async () => {
			const actor = client.runWithTicks.getOrCreate([newKey()]);
			const first = await until("it runs", async () => {
				const seen = await actor.getState();
				return seen.tickCount > 0 && seen;
			});
			assert.equal(first.runStarted, true);
			await pause(1_500);
			const later = await actor.getState();
			assert.ok(later.tickCount >= first.tickCount + 15, `${later.tickCount} ticks`);
			assert.ok(Math.abs(Date.now() - later.lastTickAt) < 300);
			assert.equal(later.runExited, false, "it was awake all the time");
			const id = await actor.resolve();
			await fetch(`${server.url}/actors/${id}/sleep?namespace=default`, { method: "POST", body: "{}" });
			const woken = await until("the next life", async () => {
				const seen = await actor.getState();
				return seen.runExited && seen;
			});
			assert.ok(woken.tickCount >= later.tickCount);
		});

		test("a run that ends leaves an actor that sleeps and wakes", async () => {
			const actor = client.runWithEarlyExit.getOrCreate([newKey()]);
			const id = await actor.resolve();
			await actor.getState();
			await pause(400);
			const early = await actor.getState();
			assert.equal(early.runStarted && early.runExited, true);
			assert.deepEqual([early.sleepCount, early.wakeCount], [0, 1]);
			await pause(1_400);
			const woken = await actor.getState();
			assert.deepEqual([woken.sleepCount, woken.wakeCount], [1, 2]);
			assert.equal(woken.destroyCalled, false);
			assert.deepEqual(await told("run-with-early-exit", id), ["sleep"]);
			await actor.destroy();
			assert.deepEqual(await told("run-with-early-exit", id), ["sleep", "destroy"]);
		});

		test("a run that fails leaves an actor that sleeps and wakes", async () => {
			const actor = client.runWithError.getOrCreate([newKey()]);
			assert.equal((await actor.getState()).wakeCount, 1);
			await pause(1_600);
			const woken = await actor.getState();
			assert.ok(woken.sleepCount >= 1 && woken.wakeCount >= 2);
			assert.equal(woken.destroyCalled, false);
			await until("the log tells of it", () => server.log.includes("intentional error in run handler"), 1_000);
		});

		test("run may ask for a sleep", async () => {
			const actor = client.runSelfInitiatedSleep.getOrCreate([newKey()]);
			const state = await until("it has slept", async () => {
				const seen = await actor.getState();
				return seen.sleepCount > 0 && seen.runCount > 1 && seen;
			});
			assert.equal(state.sleepCount, 1);
			assert.equal(state.marker, "slept");
			assert.equal(state.wakeCount, 2);
			assert.equal(state.runCount, 2);
		});

		test("run may ask for the end", async () => {
			const actor = client.runSelfInitiatedDestroy.getOrCreate([newKey()]);
			const id = await actor.resolve();
			await actor.getState().catch(() => undefined);
			await until("it is gone", async () =>
				(await told("self-initiated-destroy", id)).length > 0,
			);
			await refused(() => client.runSelfInitiatedDestroy.getForId(id).getState(), "actor", "not_found");
		});

		test("a run that does not listen holds no destroy up", async () => {
			const actor = client.runIgnoresAbortStopTimeout.getOrCreate([newKey()]);
			assert.deepEqual(await actor.getState(), { wakeCount: 1, destroyCount: 0 });
			await pause(400);
			assert.equal((await actor.getState()).wakeCount, 1, "it keeps awake all the same");
			const start = performance.now();
			await actor.destroy();
			assert.ok(performance.now() - start < 1_500);
		});

		test("no run is needed", async () => {
			const actor = client.runWithoutHandler.getOrCreate([newKey()]);
			assert.deepEqual(await actor.getState(), { wakeCount: 1 });
		});
	});

	describe(`saves and destroys, ${encoding}`, { concurrency: true }, () => {
		test("what is saved on request is there though the handler never returns", async () => {
			const observer = client.saveStateObserver.getOrCreate(["observer"]);
			for (const [phase, save] of [
				["immediate", (it) => it.saveImmediateAndBlock(5)],
				["deferred", (it) => it.saveDeferredAndBlock(5, 50)],
			]) {
				const key = newKey();
				const actor = client.saveStateActor.getOrCreate([key]);
				save(actor).catch(() => undefined);
				await until("it has come that far", async () => (await observer.getPhase(key)) === phase);
				assert.equal(await actor.getValue(), 5);
			}
		});

		test("a destroyed actor is gone by id, and its key is free for a new one", async () => {
			const key = newKey();
			const handle = client.destroyActor.getOrCreate([key]);
			const older = client.destroyActor.get([key]);
			assert.equal(await handle.setValue(42), 42);
			assert.equal(await handle.setEphemeral("stale"), "stale");
			const first = await handle.resolve();
			const seen = await (await handle.fetch("state")).json();
			assert.deepEqual(seen, { key, value: 42 });
			const socket = await handle.webSocket();
			const welcome = await soon(
				"the welcome",
				new Promise((resolve) => socket.addEventListener("message", (it) => resolve(it.data), { once: true })),
			);
			assert.deepEqual(JSON.parse(welcome), { type: "welcome", key, value: 42 });
			const closed = new Promise((resolve) => socket.addEventListener("close", resolve, { once: true }));
			await handle.destroy();
			await soon("the socket closes", closed);
			const observer = client.destroyObserver.getOrCreate(["observer"]);
			assert.equal(await observer.wasDestroyed(key), true);
			await refused(() => client.destroyActor.getForId(first).getValue(), "actor", "not_found");
			const again = client.destroyActor.getOrCreate([key]);
			assert.equal(await again.getValue(), 0);
			assert.equal(await again.getEphemeral(), "fresh");
			assert.notEqual(await again.resolve(), first);
			assert.equal(await soon("the older handle", older.getValue()), 0);
			assert.deepEqual(await (await older.fetch("state")).json(), { key, value: 0 });
		});

		test("create and connect find the key free at once", async () => {
			const key = newKey();
			for (let round = 0; round < 5; round += 1) {
				const actor = await client.destroyActor.create([key]);
				await connected(client.destroyActor.get([key]), async (connection) => {
					assert.equal(await connection.getValue(), 0);
					assert.equal(await connection.setValue(round + 1), round + 1);
				});
				await actor.destroy();
			}
		});

		test("asking for the end is not being told to stop", async () => {
			const key = newKey();
			const actor = client.destroyAbortSignalActor.getOrCreate([key]);
			assert.deepEqual(await actor.requestDestroy(), {
				beforeDestroyAborted: false,
				beforeDestroySignalAborted: false,
				afterDestroyAborted: false,
				afterDestroySignalAborted: false,
				abortEventCountAfterDestroy: 0,
			});
			const observer = client.destroyObserver.getOrCreate(["observer"]);
			await until("onDestroy has run", () => observer.wasDestroyed(key), 1_000);
		});
	});
}
