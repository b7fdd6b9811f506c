// The shortest path a client takes, in its default configuration and in every
// encoding: find the server, call an action, connect, hear an event, close.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, newKey, record, refused } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";

const server = await startFixtures();

for (const encoding of ENCODINGS) {
	describe(`minimum, ${encoding}`, () => {
		const client = clientOf(server, { encoding });

		test("an action on a key creates the actor and answers", async () => {
			const handle = client.counter.getOrCreate([newKey()]);
			assert.equal(await handle.increment(1), 1);
			assert.equal(await handle.increment(2), 3);
			assert.equal(await handle.getCount(), 3);
		});

		test("a connection calls an action and hears the event before its answer", async () => {
			await connected(client.counter.getOrCreate([newKey()]), async (connection) => {
				const counts = record(connection, "newCount");
				assert.equal(await connection.increment(5), 5);
				assert.deepEqual(counts.seen, [[5]]);
				assert.equal(typeof connection.actorId, "string");
				assert.equal(typeof connection.connectionId, "string");
				assert.notEqual(connection.connectionId, "");
			});
		});

		test("an unknown action is refused by name over HTTP and over a connection", async () => {
			const handle = client.counter.getOrCreate([newKey()]);
			const overHttp = await refused(() => handle.noSuchAction(1), "actor", "action_not_found");
			assert.match(overHttp.message, /noSuchAction/);
			await connected(handle, async (connection) => {
				const overSocket = await refused(() => connection.noSuchAction(1), "actor", "action_not_found");
				assert.match(overSocket.message, /noSuchAction/);
				assert.equal(await connection.increment(1), 1);
			});
		});

		test("disposing a connection closes it with an answered handshake", async () => {
			const connection = client.counter.getOrCreate([newKey()]).connect();
			await connection.increment(1);
			await connection.dispose();
			assert.equal(connection.isConnected, false);
		});
	});
}

test("the client's default encoding and lookup work without any option", async () => {
	const client = clientOf(server);
	assert.equal(await client.counter.getOrCreate(newKey()).increment(7), 7);
});

test("without the metadata lookup the same calls work", async () => {
	const client = clientOf(server, { disableMetadataLookup: true });
	assert.equal(await client.counter.getOrCreate(newKey()).increment(7), 7);
});
