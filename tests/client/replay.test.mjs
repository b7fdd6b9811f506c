// Events across a reconnect: a client that says by its params what it saw last
// gets what it missed while it was away, and one that says nothing is as before.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, newKey, record, until } from "./support/client.mjs";
import { startFront } from "./support/front.mjs";
import { pause, startFixtures } from "./support/server.mjs";

const server = await startFixtures();
const front = await startFront(server);

/** A client that remembers where each event stood, as the guide has it. */
function follow(client, key) {
	const seen = {};
	const connection = client.headlineActor
		.getOrCreate(key, { getParams: async () => ({ $seen: seen }) })
		.connect();
	const heard = [];
	connection.on("$resync", (event, at) => {
		seen[event] = at;
		heard.push(`load ${event}`);
	});
	connection.on("headline", (number, at) => {
		seen.headline = at;
		heard.push(number);
	});
	return { connection, heard };
}

for (const encoding of ENCODINGS) {
	describe(`events across a reconnect, ${encoding}`, () => {
		const client = clientOf(front, { encoding });
		const direct = clientOf(server, { encoding });

		/** Cuts the line, lets `meanwhile` happen, and lets the client come back. */
		async function away(connection, meanwhile) {
			front.hold();
			front.cut();
			await until("it is down", () => !connection.isConnected);
			await meanwhile();
			front.release();
			await until("it is open again", () => connection.isConnected, 20_000);
		}

		test("what was missed comes once, in order, before what is new", async () => {
			const key = [newKey()];
			const publisher = direct.headlineActor.getOrCreate(key);
			const { connection, heard } = follow(client, key);
			const whispers = record(connection, "whisper");
			await until("it is told to load", () => heard.length === 1);
			await publisher.publish(2);
			await until("it hears", () => heard.length === 3);
			await away(connection, () => publisher.publish(3));
			// Over the connection, behind its subscriptions.
			await connection.publish(1);
			await until("it has caught up", () => heard.includes(6));
			assert.deepEqual(heard, ["load headline", 1, 2, 3, 4, 5, 6]);
			assert.deepEqual(whispers.seen, [[1], [2], [6]]);
			// The actor sleeps meanwhile, and knows them all the same.
			await away(connection, async () => {
				await publisher.publish(5);
				await pause(1_000);
			});
			await until("it has caught up again", () => heard.includes(11));
			assert.deepEqual(heard.slice(7), [7, 8, 9, 10, 11]);
			await connection.dispose();
		});

		test("who missed more than is kept is told to load", async () => {
			const key = [newKey()];
			const publisher = direct.headlineActor.getOrCreate(key);
			const { connection, heard } = follow(client, key);
			await until("it is told to load", () => heard.length === 1);
			await publisher.publish(1);
			await until("it hears", () => heard.length === 2);
			await away(connection, () => publisher.publish(6));
			await until("it is told again", () => heard.length === 3);
			assert.equal(await connection.count(), 7);
			await away(connection, () => publisher.publish(1));
			await until("it has caught up", () => heard.includes(8));
			assert.deepEqual(heard, ["load headline", 1, "load headline", 8]);
			await connection.dispose();
		});

		test("who says nothing hears what it always heard", async () => {
			const key = [newKey()];
			const publisher = direct.headlineActor.getOrCreate(key);
			const connection = client.headlineActor.getOrCreate(key).connect();
			const headlines = record(connection, "headline");
			const resyncs = record(connection, "$resync");
			await connection.publish(1);
			await headlines.count(1);
			await away(connection, () => publisher.publish(3));
			await connection.publish(1);
			await until("it hears again", () => headlines.seen.some(([it]) => it === 5));
			assert.deepEqual(headlines.seen, [[1], [5]]);
			assert.deepEqual(resyncs.seen, []);
			await connection.dispose();
		});
	});
}
