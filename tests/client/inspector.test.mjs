// The inspector over HTTP: what it shows of an actor, by every way to one, and
// whom it turns away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeToClient, encodeToServer } from "rivetkit/inspector/client";
import WebSocket from "ws";
import { clientOf, connected, newKey, soon } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";
import { decodeCbor, encodeCbor, gateway, request } from "./support/wire.mjs";

const server = await startFixtures();
const client = clientOf(server);

/** A call of the inspector of actor `key`, a counter: status and JSON body. */
async function inspect(key, path, { method = "GET", body, token = "token", target, actor = "counter", more } = {}) {
	const answer = await request(server, target ?? gateway(actor, key, `/inspector/${path}`, more), {
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

test("shows, fills and empties the queues", async () => {
	const key = newKey();
	const of = (path, options) => inspect(key, path, { actor: "queueActor", ...options });
	await client.queueActor.getOrCreate([key]).send("greeting", { hello: 1 });
	const [status, sent] = await of("queue", { method: "POST", body: { name: "tasks", body: { n: 2 } } });
	assert.equal(status, 200);
	assert.deepEqual([sent.id, sent.name], ["2", "tasks"]);
	const now = Date.now();
	assert.ok(now - 5_000 < sent.createdAtMs && sent.createdAtMs < now + 5_000);
	const [, undeclared] = await of("queue", { method: "POST", body: { name: "nobody reads it", body: null } });
	assert.deepEqual([undeclared.id, undeclared.name], ["3", "nobody reads it"]);
	const [, all] = await of("queue");
	assert.deepEqual([all.size, all.maxSize, all.truncated], [3, 1000, false]);
	assert.deepEqual(all.messages.map((it) => [it.id, it.name]), [[1, "greeting"], [2, "tasks"], [3, "nobody reads it"]]);
	const [, page] = await of("queue", { more: { limit: "1" } });
	assert.deepEqual([page.size, page.truncated, page.messages.length], [3, true, 1]);
	const [, { queueSize }] = await of("summary");
	assert.equal(queueSize, 3);

	assert.deepEqual(await client.queueActor.getOrCreate([key]).receiveOne("tasks", { timeout: 0 }), {
		name: "tasks",
		body: { n: 2 },
	});
	assert.deepEqual(await client.queueActor.getOrCreate([key]).tryReceiveMany({ count: 9 }), [
		{ name: "greeting", body: { hello: 1 } },
	]);
	assert.equal((await of("queue", { method: "DELETE" }))[0], 200);
	assert.equal((await of("queue"))[1].size, 0);
});

test("refuses messages without a queue, and bad JSON", async () => {
	const key = newKey();
	for (const body of [{ name: "", body: 1 }, { body: 1 }, { name: 1 }, "{"]) {
		const [status, error] = await inspect(key, "queue", { method: "POST", body });
		assert.deepEqual([status, error.group, error.code], [400, "actor", "invalid_request"]);
	}
	assert.equal((await inspect(key, "queue", { method: "PUT" }))[0], 405);
});

test("shows the database, and runs statements in it", async () => {
	const key = newKey();
	const of = (path, options) => inspect(key, path, { actor: "dbActorRaw", ...options });
	await client.dbActorRaw.getOrCreate([key]).insertMany(3);
	const [status, { schema }] = await of("database/schema");
	assert.equal(status, 200);
	const [table] = schema.tables.filter((it) => it.table.name === "test_data");
	assert.deepEqual(table.table, { schema: "main", name: "test_data", type: "table" });
	assert.deepEqual([table.records, table.foreignKeys], [3, []]);
	assert.deepEqual(table.columns.map((it) => it.name), ["id", "value", "payload", "created_at"]);
	assert.equal(table.columns[0].pk, 1);

	const more = { table: "test_data", limit: "2", offset: "1" };
	const [, { rows }] = await of("database/rows", { more });
	assert.deepEqual(rows.map((it) => it.id), [2, 3]);
	const execute = (body) => of("database/execute", { method: "POST", body });
	const value = "select id from test_data where value = ?";
	assert.deepEqual(await execute({ sql: value, args: ["User 1"] }), [200, { rows: [{ id: 2 }] }]);
	const named = { sql: "update test_data set value = :to where id = :id", properties: { to: "x", id: 2 } };
	assert.deepEqual(await execute(named), [200, { rows: [] }]);
	assert.deepEqual(await execute({ sql: value, args: ["x"] }), [200, { rows: [{ id: 2 }] }]);
	assert.equal((await of("summary"))[1].isDatabaseEnabled, true);

	const [bad, error] = await execute({ sql: "select * from nowhere" });
	assert.deepEqual([bad, error.group, error.code], [400, "sql", "failed"]);
	assert.match(error.message, /no such table/);
	for (const wrong of [{ table: 'x" union select 1; --' }, {}, { table: "test_data", limit: "-1" }]) {
		const [status, error] = await of("database/rows", { more: wrong });
		assert.deepEqual([status, error.code], [400, "invalid_request"]);
	}
	const [none, { code }] = await inspect(key, "database/schema");
	assert.deepEqual([none, code], [400, "database_not_configured"]);
});

/** A socket of the inspector, which speaks as its published client does. */
function inspector(actor, key, { token = "token", version = "6" } = {}) {
	const path = gateway(actor, key, "/inspector/connect", { protocol_version: version });
	const ws = new WebSocket(`${server.socketUrl}${path}`, ["rivet", `rivet_inspector_token.${token}`]);
	ws.binaryType = "arraybuffer";
	const frames = [];
	const waiting = [];
	ws.on("message", (bytes) => {
		const { body } = decodeToClient(new Uint8Array(bytes));
		if (waiting.length) waiting.shift()(body);
		else frames.push(body);
	});
	const closed = new Promise((resolve) => ws.once("close", (code, reason) => resolve([code, reason.toString()])));
	const next = () => soon("a frame", frames.length ? Promise.resolve(frames.shift()) : new Promise((it) => waiting.push(it)));
	const ask = (tag, val) => {
		ws.send(encodeToServer({ body: { tag, val } }));
		return next();
	};
	return { ws, closed, next, ask };
}

const cborOf = (bytes) => decodeCbor(new Uint8Array(bytes));
const bytesOf = (value) => new Uint8Array(encodeCbor(value)).slice().buffer;

test("over a socket: greets, answers, and pushes a state that it replaced", async () => {
	const key = newKey();
	await client.counter.getOrCreate([key]).increment(5);
	const socket = inspector("counter", key);
	const init = await socket.next();
	assert.equal(init.tag, "Init");
	assert.deepEqual(cborOf(init.val.state), { count: 5 });
	const { isStateEnabled, rpcs, isDatabaseEnabled, queueSize, isWorkflowEnabled, tabConfig } = init.val;
	assert.deepEqual(
		[isStateEnabled, rpcs, isDatabaseEnabled, queueSize, isWorkflowEnabled, tabConfig],
		[true, ["increment", "setCount", "getCount", "getKey"], false, 0n, false, []],
	);
	const pushed = await socket.ask("PatchStateRequest", { state: bytesOf({ count: 42 }) });
	assert.equal(pushed.tag, "StateUpdated");
	assert.deepEqual(cborOf(pushed.val.state), { count: 42 });
	assert.equal(await client.counter.getOrCreate([key]).getCount(), 42);
	const state = await socket.ask("StateRequest", { id: 7n });
	assert.deepEqual([state.tag, state.val.rid, cborOf(state.val.state)], ["StateResponse", 7n, { count: 42 }]);
	const replay = await socket.ask("WorkflowReplayRequest", { id: 8n, entryId: null });
	assert.deepEqual(replay, { tag: "WorkflowReplayResponse", val: { rid: 8n, history: null, isWorkflowEnabled: false } });
	const called = await socket.ask("ActionRequest", { id: 9n, name: "increment", args: bytesOf([1]) });
	assert.deepEqual([called.tag, called.val.rid, cborOf(called.val.output)], ["ActionResponse", 9n, 43]);
	const refused = await socket.ask("ActionRequest", { id: 10n, name: "nothing", args: bytesOf([]) });
	assert.equal(refused.tag, "Error");
	assert.match(refused.val.message, /actor\.action_not_found/);
	const wrong = await socket.ask("PatchStateRequest", { state: bytesOf({ count: "many" }) });
	assert.equal(wrong.tag, "Error");
	socket.ws.close(1000);
	assert.equal((await soon("the close", socket.closed))[0], 1000);
});

test("over a socket: queues, tables, schedules", async () => {
	const key = newKey();
	await client.dbActorRaw.getOrCreate([key]).insertMany(2);
	const database = inspector("dbActorRaw", key);
	assert.equal((await database.next()).val.isDatabaseEnabled, true);
	const schema = await database.ask("DatabaseSchemaRequest", { id: 1n });
	assert.ok(cborOf(schema.val.schema).tables.some((it) => it.table.name === "test_data" && it.records === 2));
	const rows = await database.ask("DatabaseTableRowsRequest", { id: 2n, table: "test_data", limit: 1n, offset: 1n });
	assert.deepEqual(cborOf(rows.val.result).map((it) => it.id), [2]);
	database.ws.close();

	await client.queueActor.getOrCreate([key]).send("a", 1);
	const queue = inspector("queueActor", key);
	assert.equal((await queue.next()).val.queueSize, 1n);
	const { tag, val } = await queue.ask("QueueRequest", { id: 3n, limit: 10n });
	assert.deepEqual([tag, val.status.size, val.status.maxSize, val.status.truncated], ["QueueResponse", 1n, 1000n, false]);
	assert.deepEqual([val.status.messages[0].id, val.status.messages[0].name], [1n, "a"]);
	queue.ws.close();

	await client.scheduled.getOrCreate([key]).scheduleTaskAfter(60_000);
	const scheduled = inspector("scheduled", key);
	const [planned] = (await scheduled.next()).val.schedules;
	assert.equal(planned.action, "onScheduledTask");
	const listed = await scheduled.ask("SchedulesRequest", { id: 4n });
	assert.deepEqual(listed.val.schedules, [planned]);
	const gone = await scheduled.ask("ScheduleDeleteRequest", { id: 5n, scheduleId: planned.id, kind: planned.kind });
	assert.deepEqual(gone.val, { rid: 5n, scheduleId: planned.id, deleted: true });
	const past = await scheduled.ask("ScheduleHistoryRequest", { id: 6n, scheduleId: planned.id, limit: 10n });
	assert.deepEqual(past.val.history, []);
	scheduled.ws.close();
});

test("a socket of the inspector needs the token, the version and messages it knows", async () => {
	const key = newKey();
	const stranger = inspector("counter", key, { token: "toke" });
	assert.deepEqual(await soon("the close", stranger.closed), [1008, "inspector.unauthorized"]);
	const older = inspector("counter", key, { version: "4" });
	assert.deepEqual(await soon("the close", older.closed), [1011, "inspector.unsupported_version"]);
	const garbler = inspector("counter", key);
	await garbler.next();
	garbler.ws.send(Buffer.from([99, 1, 2]));
	assert.deepEqual(await soon("the close", garbler.closed), [1011, "actor.invalid_request"]);
});
