// A server that is replaced again and again behind one listening socket: clients and a page stay
// connected, without a proxy in between, and nothing acknowledged is lost.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clientOf, newKey, record, until } from "./support/client.mjs";
import { startSupervised } from "./support/server.mjs";

const RESTARTS = 10;

/** Calls `increment` over and over until told to stop, and counts what became of the calls. */
function counting(actor) {
	const calls = { acknowledged: 0, unsure: 0, highest: 0, stopped: false };
	calls.over = (async () => {
		while (!calls.stopped) {
			try {
				calls.highest = Math.max(calls.highest, await actor.increment(1));
				calls.acknowledged += 1;
			} catch {
				calls.unsure += 1;
			}
		}
	})();
	return calls;
}

for (const order of ["restart", "kill"]) {
	describe(`ten times ${order}`, () => {
		test("clients under load end connected, and what was acknowledged is there", async () => {
			const server = await startSupervised("FIXTURE_SERVER");
			const client = clientOf(server);
			const actors = Array.from({ length: 6 }, () => client.counter.getOrCreate([newKey()]));
			const connections = actors.map((actor) => actor.connect());
			const errors = [];
			for (const connection of connections) connection.onError((error) => errors.push(error));
			const counts = record(connections[0], "newCount");
			const overSockets = connections.map(counting);
			const overHttp = counting(actors[0]);
			const progress = () => overSockets.map((it) => it.acknowledged);
			for (let round = 0; round < RESTARTS; round += 1) {
				const before = progress();
				await until("every connection is served", () => progress().every((it, i) => before[i] + 5 < it), 10_000);
				await server.order(order);
			}
			const before = progress();
			await until("every connection is back", () => progress().every((it, i) => before[i] < it), 10_000);
			for (const calls of [...overSockets, overHttp]) calls.stopped = true;
			await Promise.all([...overSockets, overHttp].map((it) => it.over));
			// A connection that is closed says why; none may fail to open again.
			const refusals = errors.filter((error) => error.message !== "Connection closed: actor.stopping");
			assert.deepEqual(refusals, [], "a connection was refused on its way back");
			for (const [i, connection] of connections.entries()) {
				assert.ok(connection.isConnected, connection.connStatus);
				const callers = i === 0 ? [overSockets[i], overHttp] : [overSockets[i]];
				const acknowledged = callers.reduce((sum, it) => sum + it.acknowledged, 0);
				const unsure = callers.reduce((sum, it) => sum + it.unsure, 0);
				const count = await connection.getCount();
				assert.ok(acknowledged <= count, `${acknowledged} acknowledged, ${count} counted`);
				assert.ok(count <= acknowledged + unsure, `${acknowledged} and ${unsure}, ${count} counted`);
				assert.ok(callers.every((it) => it.highest <= count));
			}
			const heard = counts.seen.length;
			await actors[0].increment(1);
			await counts.count(heard + 1);
			for (const connection of connections) await connection.dispose();
		});
	});
}
