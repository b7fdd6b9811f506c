// The inspector over HTTP: what it shows of an actor, by every way to one, and
// whom it turns away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientOf, connected, newKey } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";
import { gateway, request } from "./support/wire.mjs";

const server = await startFixtures();
const client = clientOf(server);

/** A call of the inspector of counter `key`: status and JSON body. */
async function inspect(key, path, { method = "GET", body, token = "token", target } = {}) {
	const answer = await request(server, target ?? gateway("counter", key, `/inspector/${path}`), {
		method,
		headers: token === null ? {} : { authorization: `Bearer ${token}` },
		body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
	});
	assert.match(answer.contentType, /application\/json/);
	return [answer.status, JSON.parse(answer.body)];
}

test("shows and replaces the state", async () => {
	const key = newKey();
	await client.counter.getOrCreate([key]).increment(5);
	assert.deepEqual(await inspect(key, "state"), [200, { state: { count: 5 }, isStateEnabled: true }]);
	assert.deepEqual(await inspect(key, "state", { method: "PATCH", body: { state: { count: 42 } } }), [200, { ok: true }]);
	assert.equal(await client.counter.getOrCreate([key]).getCount(), 42);
	const id = await client.counter.getOrCreate([key]).resolve();
	const direct = await inspect(key, "state", { target: `/gateway/${id}/inspector/state` });
	assert.deepEqual(direct, [200, { state: { count: 42 }, isStateEnabled: true }]);
});

test("refuses a state that does not fit", async () => {
	const key = newKey();
	await client.counter.getOrCreate([key]).increment(1);
	for (const body of [{ state: { count: "many" } }, { state: null }, {}, "{"]) {
		const [status, error] = await inspect(key, "state", { method: "PATCH", body });
		assert.deepEqual([status, error.group, error.code, error.metadata], [400, "actor", "invalid_request", null]);
	}
	assert.equal(await client.counter.getOrCreate([key]).getCount(), 1);
});

test("lists connections with what they hear", async () => {
	const key = newKey();
	await connected(client.counter.getOrCreate([key], { params: { name: "ann" } }), async (connection) => {
		connection.on("newCount", () => {});
		await connection.increment(1);
		const [status, { connections }] = await inspect(key, "connections");
		assert.equal(status, 200);
		assert.equal(connections.length, 1);
		const [{ type, id, details }] = connections;
		assert.equal(type, "websocket");
		assert.equal(typeof id, "string");
		assert.deepEqual(details, {
			type: "websocket",
			params: { name: "ann" },
			stateEnabled: true,
			state: null,
			subscriptions: ["newCount"],
			isHibernatable: true,
		});
	});
});

test("lists and calls actions", async () => {
	const key = newKey();
	const actions = ["increment", "setCount", "getCount", "getKey"];
	assert.deepEqual(await inspect(key, "rpcs"), [200, { rpcs: actions }]);
	const call = { method: "POST", body: { args: [3] } };
	assert.deepEqual(await inspect(key, "action/increment", call), [200, { output: 3 }]);
	const [status, error] = await inspect(key, "action/nothing", call);
	assert.deepEqual([status, error.code], [404, "action_not_found"]);
});

test("sums up, and has answers for what is not kept", async () => {
	const key = newKey();
	await client.counter.getOrCreate([key]).increment(2);
	const [status, summary] = await inspect(key, "summary");
	assert.equal(status, 200);
	assert.deepEqual(summary.state, { count: 2 });
	assert.deepEqual([summary.isStateEnabled, summary.connections, summary.queueSize], [true, [], 0]);
	assert.deepEqual([summary.isDatabaseEnabled, summary.isWorkflowEnabled, summary.workflowHistory], [false, false, null]);
	assert.ok(summary.rpcs.includes("increment"));
	assert.deepEqual(await inspect(key, "traces"), [200, { otlp: [], clamped: false }]);
	const [, history] = await inspect(key, "workflow-history");
	assert.deepEqual([history.history, history.isWorkflowEnabled], [null, false]);
});

test("turns away who has no token, and what it does not know", async () => {
	const key = newKey();
	for (const token of [null, "", "toke", "tokens"]) {
		for (const path of ["state", "summary", "nothing", "action/increment"]) {
			const [status, error] = await inspect(key, path, { token, method: "POST", body: "{}" });
			assert.deepEqual([status, error.group, error.code, error.metadata], [401, "inspector", "unauthorized", null]);
		}
	}
	assert.equal(await client.counter.getOrCreate([key]).getCount(), 0);
	assert.equal((await inspect(key, "nothing"))[0], 404);
	assert.equal((await inspect(key, "state", { method: "DELETE" }))[0], 405);
});
