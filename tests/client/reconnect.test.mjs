// What a connection lives through: a cut network, a server that stops and comes
// back, one that is killed. The client reconnects by itself and hears events again.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, failure, newKey, record, soon, until } from "./support/client.mjs";
import { startFront } from "./support/front.mjs";
import { startFixtures } from "./support/server.mjs";
import { Socket, gateway } from "./support/wire.mjs";

const server = await startFixtures();
const front = await startFront(server);

/** Everything `connection` reports about itself, from now on. */
function watch(connection) {
	const seen = { statuses: [], errors: [], opens: 0, closes: 0 };
	connection.onStatusChange((status) => seen.statuses.push(status));
	connection.onError((error) => seen.errors.push(`${error.group}.${error.code}`));
	connection.onOpen(() => (seen.opens += 1));
	connection.onClose(() => (seen.closes += 1));
	return seen;
}

for (const encoding of ENCODINGS) {
	describe(`reconnecting, ${encoding}`, () => {
		const client = clientOf(front, { encoding });

		test("a cut connection is opened again, subscribed again, and is a new connection", async () => {
			const key = [newKey()];
			const connection = client.counter.getOrCreate(key).connect();
			const counts = record(connection, "newCount");
			await connection.increment(1);
			const seen = watch(connection);
			const first = connection.connectionId;
			front.cut();
			await until("it is open again", () => seen.closes === 1 && connection.isConnected);
			assert.notEqual(connection.connectionId, first);
			assert.equal(await connection.increment(1), 2);
			assert.deepEqual(counts.seen, [[1], [2]]);
			await client.counter.getOrCreate(key).increment(1);
			assert.deepEqual(await counts.count(3), [[1], [2], [3]]);
			await connection.dispose();
		});

		test("a call in flight when the connection is cut is rejected, and not sent again", async () => {
			const key = [newKey()];
			const connection = client.concurrentActionActor.getOrCreate(key).connect();
			await connection.ready;
			const call = failure(connection.runWithDelay("slow", 300));
			const direct = clientOf(server).concurrentActionActor.getOrCreate(key);
			await until("the call has started", async () => (await direct.getEvents()).length === 1);
			front.cut();
			await soon("the call is rejected", call);
			assert.equal(await connection.runWithDelay("next", 0), "next");
			const events = await direct.getEvents();
			assert.equal(events.filter((event) => event === "start:slow").length, 1, events.join());
			await connection.dispose();
		});

		test("calls made while it is down wait and are served after it is back", async () => {
			const connection = client.counter.getOrCreate([newKey()]).connect();
			await connection.increment(1);
			front.hold();
			front.cut();
			await until("it is down", () => !connection.isConnected);
			const waiting = [connection.increment(1), connection.increment(1)];
			front.release();
			assert.deepEqual(await soon("the waiting calls", Promise.all(waiting)), [2, 3]);
			await connection.dispose();
		});
	});
}

describe("a server that goes and comes back", () => {
	test("stopped gracefully: open sockets are closed by name, clients return to their actors", async () => {
		const client = clientOf(front);
		const key = [newKey()];
		const connection = client.counter.getOrCreate(key).connect();
		const counts = record(connection, "newCount");
		await connection.increment(5);
		const seen = watch(connection);
		const raw = new Socket(server, gateway("counter", newKey(), "/connect"));
		await raw.init();
		front.hold();
		const code = await server.stop();
		assert.equal(code, 0, `the server did not end by itself:\n${server.log}`);
		const end = await raw.end();
		assert.notEqual(end.code, 1006, "the socket was cut instead of closed");
		await until("the client knows", () => seen.closes === 1);
		await server.start();
		front.release();
		await until("the client is back", () => connection.isConnected);
		assert.equal(await connection.increment(1), 6, "the actor came back without its state");
		assert.deepEqual(counts.seen.at(-1), [6], "the subscription was not renewed");
		await connection.dispose();
	});

	test("killed: nothing acknowledged is lost, the client is back by itself", async () => {
		const client = clientOf(front);
		const connections = Array.from({ length: 5 }, () => client.counter.getOrCreate([newKey()]).connect());
		const acknowledged = await Promise.all(
			connections.map(async (connection) => {
				await connection.ready;
				await Promise.all(Array.from({ length: 9 }, () => connection.increment(1)));
				return connection.increment(1);
			}),
		);
		assert.deepEqual(acknowledged, [10, 10, 10, 10, 10]);
		front.hold();
		await server.kill();
		await server.start();
		front.release();
		for (const connection of connections) {
			await until("the client is back", () => connection.isConnected);
			assert.equal(await connection.increment(1), 11);
			await connection.dispose();
		}
	});

	test("a call over HTTP made while the server is away is answered when it is back", async () => {
		const handle = clientOf(front).counter.getOrCreate([newKey()]);
		await handle.increment(1);
		front.hold();
		front.cut();
		await server.kill();
		const call = handle.increment(1);
		await server.start();
		front.release();
		assert.equal(await soon("the call", call, 10_000), 2);
	});
});
