// The published client's `skipReadyWait`, for one call or for all of a client: what the actor sees of it,
// and that it is served as ever.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, newKey, soon } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";

const server = await startFixtures();
const options = { params: { trackRequest: true } };

/** Whether a request that the actor saw asks to skip the wait, and how. */
function asks({ requestHeaders }) {
	const offered = requestHeaders["sec-websocket-protocol"]?.split(",").map((it) => it.trim()) ?? [];
	return { header: requestHeaders["x-rivet-skip-ready-wait"], token: offered.includes("rivet_skip_ready_wait") };
}

/** What a call, a connection, a raw request and a raw socket of `handle` ask, each made with `more`. */
async function asked(handle, more) {
	const info = () => handle.action({ name: "getRequestInfo", args: [], ...more });
	const call = asks((await info()).onBeforeConnect);

	const connection = handle.connect(undefined, more);
	const opened = asks((await soon("the connection answers", connection.getRequestInfo())).onBeforeConnect);
	await connection.dispose();

	const fetched = asks(await (await handle.fetch("some/where", more)).json());

	const raw = await handle.webSocket("some/where", undefined, more);
	const told = await soon(
		"the socket is told",
		new Promise((resolve) => raw.addEventListener("message", ({ data }) => resolve(data), { once: true })),
	);
	raw.close();
	return { call, opened, fetched, told: asks(JSON.parse(told)) };
}

const no = { header: undefined, token: false };
const byHeader = { header: "1", token: false };
const byToken = { header: undefined, token: true };
const never = { call: no, opened: no, fetched: no, told: no };
const always = { call: byHeader, opened: byToken, fetched: byHeader, told: byToken };

for (const encoding of ENCODINGS) {
	describe(`skipping the wait, ${encoding}`, { concurrency: true }, () => {
		const plain = clientOf(server, { encoding });
		const eager = clientOf(server, { encoding, gateway: { skipReadyWait: true } });

		for (const [way, reach] of [
			["by key", async (client, key) => client.requestAccessActor.getOrCreate([key], options)],
			[
				"by id",
				async (client, key) => {
					const id = await plain.requestAccessActor.getOrCreate([key]).resolve();
					return client.requestAccessActor.getForId(id, options);
				},
			],
		]) {
			test(`${way}: off, for one call, for a client, and off for one call of it`, async () => {
				const key = newKey();
				const [one, all] = [await reach(plain, key), await reach(eager, key)];
				assert.deepEqual(await asked(one, {}), never);
				assert.deepEqual(await asked(one, { skipReadyWait: true }), always);
				assert.deepEqual(await asked(all, {}), always);
				assert.deepEqual(await asked(all, { skipReadyWait: false }), never);
			});
		}
	});
}
