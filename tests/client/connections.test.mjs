// Connections: parameters, state, events, direct sends, subscriptions, the
// order of hooks, who is visible to whom, and being disconnected.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, newKey, record, soon, until } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";

const server = await startFixtures();

for (const encoding of ENCODINGS) {
	describe(`connections, ${encoding}`, () => {
		const client = clientOf(server, { encoding });

		test("an event reaches every subscriber, whichever way it was caused", async () => {
			const handle = client.counter.getOrCreate([newKey()]);
			await connected(handle, (one) =>
				connected(handle, async (two) => {
					const first = record(one, "newCount");
					const second = record(two, "newCount");
					// A frame of each connection is answered only after its subscription was taken.
					await Promise.all([one.getCount(), two.getCount()]);
					assert.equal(await one.increment(5), 5);
					assert.equal(await handle.setCount(9), 9);
					assert.deepEqual(await first.count(2), [[5], [9]]);
					assert.deepEqual(await second.count(2), [[5], [9]]);
				}),
			);
		});

		test("once hears one event, on hears all", async () => {
			await connected(client.counter.getOrCreate([newKey()]), async (connection) => {
				const once = [];
				connection.once("newCount", (count) => once.push(count));
				const all = record(connection, "newCount");
				await connection.increment(1);
				await connection.increment(1);
				assert.deepEqual(once, [1]);
				assert.deepEqual(all.seen, [[1], [2]]);
			});
		});

		test("after unsubscribing nothing is heard; subscribing again hears again", async () => {
			await connected(client.counter.getOrCreate([newKey()]), async (connection) => {
				const before = record(connection, "newCount");
				await connection.increment(1);
				before.stop();
				await connection.increment(1);
				const after = record(connection, "newCount");
				await connection.increment(1);
				assert.deepEqual(before.seen, [[1]]);
				assert.deepEqual(after.seen, [[3]]);
			});
		});

		test("events go to subscribers of that name only, and an unknown name harms nobody", async () => {
			await connected(client.counter.getOrCreate([newKey()]), async (connection) => {
				const other = record(connection, "noSuchEvent");
				const counts = record(connection, "newCount");
				await connection.increment(1);
				assert.deepEqual(counts.seen, [[1]]);
				assert.deepEqual(other.seen, []);
			});
		});

		test("events of a burst arrive all and in order", async () => {
			const handle = client.counter.getOrCreate([newKey()]);
			await connected(handle, async (connection) => {
				const counts = record(connection, "newCount");
				await connection.getCount();
				await Promise.all(Array.from({ length: 200 }, () => connection.increment(1)));
				assert.deepEqual(counts.seen.map(([count]) => count), Array.from({ length: 200 }, (_, index) => index + 1));
			});
		});

		test("each connection has its own parameters and state", async () => {
			const key = [newKey()];
			const handle = (name) => client.counterWithParams.getOrCreate(key, { params: { name } });
			await connected(handle("user1"), async (one) => {
				const heard = record(one, "newCount");
				await one.getInitializers();
				await connected(handle("user2"), async (two) => {
					assert.deepEqual(await two.getInitializers(), ["user1", "user2"]);
					await two.increment(3);
					assert.deepEqual(await heard.count(1), [[{ count: 3, by: "user2" }]]);
				});
			});
		});

		test("connection state is read, changed and listed", async () => {
			const key = [newKey()];
			const handle = (params) => client.connStateActor.getOrCreate(key, params ? { params } : {});
			await connected(handle({ username: "ann", role: "admin" }), (ann) =>
				connected(handle(), async (nobody) => {
					await ann.incrementConnCounter(4);
					await ann.incrementConnCounter();
					const mine = await ann.getConnectionState();
					assert.equal(mine.id, ann.connectionId);
					assert.equal(mine.username, "ann");
					assert.equal(mine.role, "admin");
					assert.equal(mine.counter, 5);
					assert.equal(typeof mine.createdAt, "number");
					const theirs = await nobody.getConnectionState();
					assert.equal(theirs.username, "anonymous");
					assert.equal(theirs.counter, 0);
					assert.equal(await ann.incrementSharedCounter(2), 2);
					assert.equal(await nobody.incrementSharedCounter(), 3);
					const changed = await nobody.updateConnection({ username: "bob" });
					assert.equal(changed.username, "bob");
					assert.equal(changed.role, "user");
					const all = await ann.getAllConnectionStates();
					assert.deepEqual(all.map((state) => state.username).sort(), ["ann", "bob"]);
					assert.deepEqual((await ann.getConnectionIds()).sort(), [ann.connectionId, nobody.connectionId].sort());
				}),
			);
		});

		test("a direct send reaches its connection only, also without a subscription in time", async () => {
			const key = [newKey()];
			const handle = client.connStateActor.getOrCreate(key);
			const one = handle.connect();
			const fromConnect = record(one, "connectedFromOnConnect");
			const fromList = record(one, "connectedFromOnConnectConns");
			await one.ready;
			await connected(handle, async (two) => {
				const toOne = record(one, "directMessage");
				const toTwo = record(two, "directMessage");
				assert.equal(await two.sendToConnection(one.connectionId, "psst"), true);
				assert.deepEqual(await toOne.count(1), [[{ from: two.connectionId, message: "psst" }]]);
				await two.getConnectionState();
				assert.deepEqual(toTwo.seen, []);
				assert.equal(await two.sendToConnection("no-such-connection", "lost"), false);
			});
			assert.deepEqual(await fromConnect.count(1), [[{ id: one.connectionId, username: "anonymous" }]]);
			assert.deepEqual(await fromList.count(1), [[{ id: one.connectionId, username: "anonymous" }]]);
			await one.dispose();
		});

		test("joining and leaving are heard by the others, and a call over HTTP is a short connection", async () => {
			const key = [newKey()];
			const handle = client.connStateActor.getOrCreate(key);
			const quiet = client.connStateActor.getOrCreate(key, { params: { noCount: true } });
			await connected(handle, async (one) => {
				const joined = record(one, "userConnected");
				const left = record(one, "userDisconnected");
				await one.getConnectionState();
				const two = handle.connect();
				await two.ready;
				const id = two.connectionId;
				await until("the other is heard joining", () => joined.seen.some(([event]) => event.id === id));
				await two.dispose();
				await until("the other is heard leaving", () => left.seen.some(([event]) => event.id === id));
				assert.equal(await quiet.getDisconnectionCount(), 1);
				assert.deepEqual(await quiet.getConnectionIds(), [one.connectionId], "a silent call was counted");
				await handle.getDisconnectionCount();
				await until("the short connection has left", async () => (await quiet.getDisconnectionCount()) === 2);
			});
			await until("the last one has left", async () => (await quiet.getDisconnectionCount()) === 3);
			await connected(handle, async (fresh) => assert.deepEqual(await quiet.getConnectionIds(), [fresh.connectionId]));
		});

		test("hooks run in order, once per connection and once per call over HTTP", async () => {
			const key = [newKey()];
			const plain = client.counterWithLifecycle.getOrCreate(key);
			const tracked = client.counterWithLifecycle.getOrCreate(key, { params: { trackLifecycle: true } });
			const connection = tracked.connect();
			assert.deepEqual(await connection.getEvents(), ["onWake", "onBeforeConnect", "onConnect"]);
			await connection.dispose();
			const events = await until("onDisconnect has run", async () => {
				const seen = await plain.getEvents();
				return seen.includes("onDisconnect") && seen;
			});
			assert.deepEqual(events, ["onWake", "onBeforeConnect", "onConnect", "onDisconnect"]);
			await tracked.increment(1);
			assert.deepEqual((await plain.getEvents()).slice(4), ["onBeforeConnect", "onConnect", "onDisconnect"]);
		});

		test("being disconnected by the actor closes with its reason and connects again by itself", async () => {
			const handle = client.connStateActor.getOrCreate([newKey()]);
			await connected(handle, async (connection) => {
				const first = connection.connectionId;
				const statuses = [];
				connection.onStatusChange((status) => statuses.push(status));
				const events = record(connection, "userDisconnected");
				await connection.getConnectionState();
				await connection.disconnectSelf("have.a.break").catch(() => "closed before the answer");
				await until("connected again", () => statuses.includes("disconnected") && connection.isConnected);
				const again = await connection.getConnectionState();
				assert.notEqual(again.id, first);
				assert.equal(again.id, connection.connectionId);
				const other = handle.connect();
				await other.ready;
				const otherId = other.connectionId;
				await other.dispose();
				await until("subscriptions were renewed", () => events.seen.some(([event]) => event.id === otherId));
			});
		});
	});
}

describe("who sees whom while connecting", () => {
	const client = clientOf(server);
	const named = (key, params) => client.connPreflightVisibilityActor.getOrCreate(key, { params });

	test("a connection is listed from onConnect on, not before", async () => {
		const key = [newKey()];
		await connected(named(key, { label: "primary" }), (one) =>
			connected(named(key, { label: "second", beforeDelayMs: 30, createDelayMs: 30 }), async () => {
				const seen = await one.snapshot();
				assert.equal(seen.beforeStarted, 2);
				assert.equal(seen.createStarted, 2);
				assert.deepEqual(seen.beforeVisibleLabels, [[], ["primary"]]);
				assert.deepEqual(seen.createVisibleLabels, [[], ["primary"]]);
				assert.deepEqual(seen.connectSnapshots.map(({ label, ownVisible }) => [label, ownVisible]), [
					["primary", true],
					["second", true],
				]);
				assert.deepEqual([...seen.connectSnapshots[1].visibleLabels].sort(), ["primary", "second"]);
				assert.deepEqual([...seen.visibleLabels].sort(), ["primary", "second"]);
			}),
		);
	});

	for (const refusal of ["rejectBefore", "rejectCreate"]) {
		test(`a connection refused by ${refusal} was never listed and is not disconnected`, async () => {
			const key = [newKey()];
			await connected(named(key, { label: "primary" }), async (one) => {
				const refusedOne = named(key, { label: "refused", [refusal]: true }).connect();
				await assert.rejects(soon("the refused call fails", refusedOne.snapshot()));
				await refusedOne.dispose();
				const seen = await one.snapshot();
				assert.deepEqual(seen.visibleLabels, ["primary"]);
				assert.deepEqual(seen.connectSnapshots.map(({ label }) => label), ["primary"]);
				assert.deepEqual(seen.disconnectSnapshots, []);
			});
		});
	}

	test("who leaves is gone from the list when the others hear of it", async () => {
		const key = [newKey()];
		await connected(named(key, { label: "primary" }), async (one) => {
			await connected(named(key, { label: "second" }), (two) => two.snapshot());
			const seen = await until("the second has left", async () => {
				const snapshot = await one.snapshot();
				return snapshot.disconnectSnapshots.length === 1 && snapshot;
			});
			assert.deepEqual(seen.disconnectSnapshots, [{ label: "second", otherLabels: ["primary"] }]);
		});
	});
});

test("an action and a hundred connections to one actor go on together", async () => {
	const client = clientOf(server);
	const handle = client.counter.getOrCreate([newKey()]);
	const connections = Array.from({ length: 100 }, () => handle.connect());
	try {
		const heard = connections.map((connection) => record(connection, "newCount"));
		await Promise.all(connections.map((connection) => connection.getCount()));
		await handle.increment(1);
		await Promise.all(heard.map((events) => events.count(1)));
	} finally {
		await Promise.all(connections.map((connection) => connection.dispose()));
	}
});

test("a disposed connection refuses further calls", async () => {
	const connection = clientOf(server).counter.getOrCreate([newKey()]).connect();
	await connection.increment(1);
	await connection.dispose();
	await assert.rejects(() => connection.increment(1), /dispose/i);
});
