// HTTP by hand: what the gateway and an actor answer to requests the published
// client would not send, from a wrong method to a hostile body.
import assert from "node:assert/strict";
import http from "node:http";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, newKey, until } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";
import { BARE_VERSION, actionBody, data, decodeCbor, errorBody, gateway, request } from "./support/wire.mjs";

const server = await startFixtures();
const INCOMING_LIMIT = 65_536;

function counter(rest, key = newKey(), more = {}) {
	return gateway("counter", key, rest, more);
}

function inEncoding(encoding, more = {}) {
	return { "x-rivet-encoding": encoding, ...more };
}

/** Fails unless `answer` is an error `group.code` with `status` that `encoding` can read. */
function isError(answer, status, name, encoding = "json") {
	const error = errorBody(encoding, answer.contentType, answer.body);
	assert.equal(`${answer.status} ${error.group}.${error.code}`, `${status} ${name}`);
	assert.equal(typeof error.message, "string");
	return error;
}

/** Fails unless `answer` is some 4xx that a client of `encoding` can read. */
function isRefused(answer, encoding = "json") {
	assert.ok(answer.status >= 400 && answer.status < 500, `status ${answer.status}: ${answer.body.toString("latin1").slice(0, 200)}`);
	const error = errorBody(encoding, answer.contentType, answer.body);
	assert.equal(typeof error.code, "string");
	return error;
}

async function staysUsable() {
	const answer = await request(server, counter("/action/increment"), { body: '{"args":[1]}' });
	assert.equal(answer.body.toString(), '{"output":1}');
}

describe("an actor's routes", () => {
	test("the recorded bare bytes get the recorded answer", async () => {
		const path = counter("/action/increment");
		const headers = inEncoding("bare", { "content-type": "application/octet-stream" });
		const first = await request(server, path, { headers, body: Buffer.from("0400028101", "hex") });
		assert.equal(first.status, 200);
		assert.equal(first.body.toString("hex"), "04000101");
		assert.equal(first.contentType, "application/octet-stream");
	});

	test("json is the default encoding, also for an unknown one", async () => {
		for (const headers of [{}, inEncoding("xml")]) {
			const answer = await request(server, counter("/action/increment"), { headers, body: '{"args":[2]}' });
			assert.equal(answer.status, 200);
			assert.match(answer.contentType, /^application\/json/);
			assert.deepEqual(JSON.parse(answer.body), { output: 2 });
		}
	});

	test("a request with an Idempotency-Key runs once, whatever it is encoded in", async () => {
		const path = counter("/action/increment");
		const key = { "idempotency-key": '"8e03978e-40d5-43e8-bc93-6894a57f9324"' };
		for (const encoding of ENCODINGS) {
			const headers = inEncoding(encoding, key);
			const answer = await fetch(server.url + path, { method: "POST", headers, body: actionBody(encoding, [3]) });
			assert.equal(answer.status, 200, encoding);
		}
		const bare = { "idempotency-key": "8e03978e-40d5-43e8-bc93-6894a57f9324" };
		const again = await fetch(server.url + path, { method: "POST", headers: bare, body: '{"args":[3]}' });
		assert.deepEqual(await again.json(), { output: 3 });
		const other = await request(server, path, { headers: bare, body: '{"args":[4]}' });
		isError(other, 422, "idempotency.key_reused");
		const unquoted = await request(server, path, { headers: { "idempotency-key": '"8e03' }, body: '{"args":[3]}' });
		isError(unquoted, 400, "idempotency.invalid_key");
	});

	test("missing and null args are no arguments, anything else but a list is the one argument", async () => {
		for (const body of ["{}", '{"args":null}', '{"args":[]}']) {
			const answer = await request(server, counter("/action/getCount"), { body });
			assert.deepEqual(JSON.parse(answer.body), { output: 0 }, body);
		}
		const single = await request(server, counter("/action/increment"), { body: '{"args":4}' });
		assert.deepEqual(JSON.parse(single.body), { output: 4 });
	});

	test("bare versions 1 to 4 are taken and answered in 4, version 5 is refused", async () => {
		for (const version of [1, 2, 3, 4]) {
			const answer = await request(server, counter("/action/increment"), {
				headers: inEncoding("bare"),
				body: Buffer.from([version, 0, 2, 0x81, 1]),
			});
			assert.equal(answer.body.toString("hex"), "04000101", `version ${version}`);
		}
		const answer = await request(server, counter("/action/increment"), {
			headers: inEncoding("bare"),
			body: Buffer.from([5, 0, 2, 0x81, 1]),
		});
		assert.equal(answer.status, 400);
		isRefused(answer, "bare");
	});

	test("a body in chunks is read to its end", async () => {
		for (const encoding of ENCODINGS) {
			const body = actionBody(encoding, ["x".repeat(20_000)]);
			const chunks = [];
			for (let at = 0; at < body.length; at += 997) chunks.push(body.subarray(at, at + 997));
			const answer = await request(server, gateway("largePayloadActor", newKey(), "/action/echo"), {
				headers: inEncoding(encoding),
				chunks,
			});
			assert.equal(answer.status, 200, encoding);
			assert.ok(answer.body.length > 20_000);
		}
	});

	test("health, metadata and the bare path answer without an action", async () => {
		const health = await request(server, counter("/health"), { method: "GET" });
		assert.equal(health.status, 200);
		assert.equal(health.body.toString(), "ok");
		const metadata = await request(server, counter("/metadata"), { method: "GET" });
		assert.equal(typeof JSON.parse(metadata.body), "object");
		for (const rest of ["/", ""]) {
			assert.equal((await request(server, counter(rest), { method: "GET" })).status, 200);
		}
	});

	test("the headers name the actor, its generation and its key", async () => {
		const key = newKey();
		const id = await clientOf(server).counter.getOrCreate([key]).resolve();
		const answer = await request(server, counter("/action/getCount", key), { body: "{}" });
		assert.equal(answer.headers["x-rivet-actor"], id);
		assert.match(answer.headers["x-rivet-actor-generation"], /^\d+$/);
		assert.equal(answer.headers["x-rivet-actor-key"], key);
		const direct = await request(server, `/gateway/${id}/action/getCount`, { body: "{}" });
		assert.equal(direct.headers["x-rivet-actor"], id);
		const withToken = await request(server, `/gateway/${id}@some-token/action/getCount`, { body: "{}" });
		assert.equal(withToken.status, 200);
	});

	test("a GET on an action is 405, an unknown action 404, an unknown route 404", async () => {
		for (const encoding of ENCODINGS) {
			const headers = inEncoding(encoding);
			isError(await request(server, counter("/action/getCount"), { method: "GET", headers }), 405, "actor.method_not_allowed", encoding);
			const body = actionBody(encoding, []);
			isError(await request(server, counter("/action/nothing"), { headers, body }), 404, "actor.action_not_found", encoding);
		}
		isError(await request(server, counter("/nothing/here"), { method: "GET" }), 404, "actor.not_found");
		const encoded = await request(server, counter("/action/a%2Fb%20c%25"), { body: "{}" });
		assert.match(isError(encoded, 404, "actor.action_not_found").message, /a\/b c%/);
	});
});

describe("bodies that cannot be taken", () => {
	const echo = () => gateway("largePayloadActor", newKey(), "/action/echo");

	test("an undecodable body is 400 in every encoding", async () => {
		const bodies = {
			json: ["", "{", "[1", '{"args":[1}', "\u0000", '{"args":["\ud800'],
			cbor: ["", "ff", "a1646172677381", "a16461726773 9f", "bf6461726773", "5f", "1c", "a1ff", "f8"].map(hex),
			bare: ["", "04", "0400", "0400ff", "040002", "04000281", "0400ffffffffffffffffff7f", "040001ff", "ffff028101"].map(hex),
		};
		for (const encoding of ENCODINGS) {
			for (const body of bodies[encoding]) {
				const answer = await request(server, echo(), { headers: inEncoding(encoding), body });
				assert.equal(answer.status, 400, `${encoding}: ${Buffer.from(body).toString("hex")}`);
				isRefused(answer, encoding);
			}
		}
		await staysUsable();
	});

	test("hostile CBOR is refused without harm: depth, lengths, counts", async () => {
		const hostile = {
			"lists nested 30,000 deep": Buffer.concat([Buffer.alloc(30_000, 0x81), Buffer.from([1])]),
			"maps nested 20,000 deep": Buffer.concat([Buffer.alloc(20_000, Buffer.from([0xa1, 0x01])), Buffer.from([1])]),
			"tags nested 30,000 deep": Buffer.concat([Buffer.from([0x81]), Buffer.alloc(30_000, 0xc1), Buffer.from([1])]),
			"unclosed lists 30,000 deep": Buffer.alloc(30_000, 0x9f),
			"a text of 2^63 bytes": hex("817b7fffffffffffffff41"),
			"bytes of 2^64 - 1": hex("815bffffffffffffffff41"),
			"a list of 2^32 items": hex("9affffffff01"),
			"a list of 2^64 - 1 items": hex("9bffffffffffffffff01"),
			"a map of 2^64 - 1 entries": hex("81bbffffffffffffffff0101"),
			"a bignum of 2^62 bytes": hex("81c25b400000000000000001"),
		};
		for (const [what, args] of Object.entries(hostile)) {
			for (const [encoding, body] of [
				["cbor", Buffer.concat([hex("a16461726773"), args])],
				["bare", Buffer.concat([BARE_VERSION, data(args)])],
			]) {
				const answer = await request(server, echo(), { headers: inEncoding(encoding), body });
				assert.equal(answer.status, 400, `${what}, ${encoding}`);
			}
		}
		const deepJson = await request(server, echo(), { body: `{"args":[${"[".repeat(30_000)}${"]".repeat(30_000)}]}` });
		assert.equal(deepJson.status, 400, "deep json");
		await staysUsable();
	});

	test("hostile creation input is refused, in the gateway query and in the manager", async () => {
		const input = Buffer.concat([Buffer.alloc(2_000, 0x81), Buffer.from([0x9b]), Buffer.alloc(8, 0xff)]);
		const query = await request(server, gateway("inputActor", newKey(), "/action/getInputs", { "rvt-input": input.toString("base64url") }), { body: "{}" });
		assert.equal(query.status, 400);
		const body = JSON.stringify({ name: "inputActor", key: newKey(), runner_name_selector: "default", crash_policy: "sleep", input: input.toString("base64") });
		const manager = await request(server, "/actors?namespace=default", { headers: { "content-type": "application/json" }, body });
		assert.equal(manager.status, 400);
		await staysUsable();
	});

	test("a body of 64 KiB passes, one byte more is refused by name", async () => {
		const wrapped = (length) => `{"args":["${"x".repeat(length - 13)}"]}`;
		const fits = await request(server, echo(), { body: wrapped(INCOMING_LIMIT) });
		assert.equal(fits.status, 200);
		isError(await request(server, echo(), { body: wrapped(INCOMING_LIMIT + 1) }), 400, "message.incoming_too_long");
		const chunks = Array.from({ length: 80 }, () => Buffer.alloc(1_000, 0x20));
		isError(await request(server, echo(), { chunks }), 400, "message.incoming_too_long");
		for (const encoding of ["cbor", "bare"]) {
			const body = actionBody(encoding, ["x".repeat(90_000)]);
			isError(await request(server, echo(), { headers: inEncoding(encoding), body }), 400, "message.incoming_too_long", encoding);
		}
	});

	test("parameters that are not JSON are refused before the action runs", async () => {
		const key = newKey();
		const answer = await request(server, counter("/action/increment", key), { headers: { "x-rivet-conn-params": "{" }, body: '{"args":[1]}' });
		assert.equal(answer.status, 400);
		isRefused(answer);
		const count = await request(server, counter("/action/getCount", key), { body: "{}" });
		assert.deepEqual(JSON.parse(count.body), { output: 0 });
	});

	test("too few and wrong-typed arguments are refused, the state is untouched", async () => {
		const key = newKey();
		for (const args of [[], ["one"], [null], [{}], [[1]]]) {
			const answer = await request(server, counter("/action/increment", key), { body: JSON.stringify({ args }) });
			assert.ok(answer.status >= 400, JSON.stringify(args));
			assert.equal(typeof JSON.parse(answer.body).code, "string");
		}
		const count = await request(server, counter("/action/getCount", key), { body: "{}" });
		assert.deepEqual(JSON.parse(count.body), { output: 0 });
	});

	test("a client that leaves in the middle of its body hurts nobody", async () => {
		for (let round = 0; round < 10; round += 1) {
			const call = http.request(`${server.url}${echo()}`, { method: "POST", headers: { "content-length": "1000" }, agent: false });
			call.on("error", () => {});
			call.write('{"args":["half');
			await new Promise((resolve) => call.once("socket", (socket) => socket.once("connect", resolve)));
			call.destroy();
		}
		await staysUsable();
	});
});

describe("the gateway's query", () => {
	const cases = {
		"an unknown rvt- parameter": [{ "rvt-colour": "red" }, "guard.query_invalid_params"],
		"an unknown method": [{ "rvt-method": "find" }, "guard.query_invalid_params"],
		"no namespace": [{ "rvt-namespace": undefined }, "guard.query_invalid_params"],
		"no method": [{ "rvt-method": undefined }, "guard.query_invalid_params"],
		"get with what only creation takes": [{ "rvt-method": "get" }, "guard.query_get_disallowed_params"],
		"getOrCreate without a pool": [{ "rvt-runner": undefined }, "guard.query_missing_pool"],
		"an input that is not base64": [{ "rvt-input": "*" }, "guard.query_invalid_base64_input"],
		"an input that is not CBOR": [{ "rvt-input": "_w" }, "guard.query_invalid_cbor_input"],
	};
	for (const [what, [more, name]] of Object.entries(cases)) {
		test(`${what} is 400 ${name}`, async () => {
			const answer = await request(server, counter("/action/getCount", newKey(), more), { headers: inEncoding("bare"), body: actionBody("bare", []) });
			assert.match(answer.contentType, /^application\/json/, "the gateway's errors are JSON for every encoding");
			isError(answer, 400, name);
		});
	}

	test("a parameter given twice and a token in the path are refused", async () => {
		const twice = `${counter("/action/getCount")}&rvt-key=again`;
		isError(await request(server, twice, { body: "{}" }), 400, "guard.query_duplicate_param");
		const token = counter("/action/getCount").replace("/gateway/counter/", "/gateway/counter@token/");
		isError(await request(server, token, { body: "{}" }), 400, "guard.query_path_token_syntax");
	});

	test("get of a missing key is 404 actor.not_found and creates nothing", async () => {
		const more = { "rvt-method": "get", "rvt-runner": undefined, "rvt-crash-policy": undefined };
		const key = newKey();
		for (let round = 0; round < 2; round += 1) {
			isError(await request(server, counter("/action/getCount", key, more), { body: "{}" }), 404, "actor.not_found");
		}
	});

	test("a key is split at commas, spaces come as plus", async () => {
		const mark = newKey();
		const answer = await request(server, counter("/action/getKey", `${mark},a b,c/d`), { body: "{}" });
		assert.deepEqual(JSON.parse(answer.body), { output: [mark, "a b", "c/d"] });
		const path = `/gateway/counter/action/getKey?rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-key=${mark}+x`;
		assert.deepEqual(JSON.parse((await request(server, path, { body: "{}" })).body), { output: [`${mark} x`] });
	});

	test("the newer name of the pool and a key without a value are taken", async () => {
		const pool = await request(server, counter("/action/getCount", newKey(), { "rvt-runner": undefined, "rvt-pool": "default" }), { body: "{}" });
		assert.equal(pool.status, 200);
		const empty = await request(server, counter("/action/getKey", ""), { body: "{}" });
		assert.deepEqual(JSON.parse(empty.body), { output: [] });
	});

	test("an unknown id is 404 actor.not_found, an unknown name a prompt refusal, both in JSON", async () => {
		const id = await clientOf(server).counter.getOrCreate([newKey()]).resolve();
		const middle = id.length >> 1;
		const unknown = id.slice(0, middle) + [...id.slice(middle, middle + 6)].reverse().join("") + id.slice(middle + 6);
		const byId = await request(server, `/gateway/${unknown}/action/getCount`, { headers: inEncoding("bare"), body: actionBody("bare", []) });
		assert.match(byId.contentType, /^application\/json/);
		isError(byId, 404, "actor.not_found");
		const started = Date.now();
		const byName = await request(server, gateway("noSuchActor", newKey(), "/action/x"), { body: "{}" });
		isRefused(byName);
		assert.ok(Date.now() - started < 1_000);
	});

	test("a key over its limit is refused", async () => {
		isRefused(await request(server, counter("/action/getCount", "k".repeat(1_025)), { body: "{}" }));
	});
});

describe("routing by header", () => {
	test("only raw requests are routed by header", async () => {
		const id = await clientOf(server).counter.getOrCreate([newKey()]).resolve();
		const headers = { "x-rivet-target": "actor", "x-rivet-actor": id };
		assert.equal((await request(server, "/action/getCount", { headers, body: "{}" })).status, 404);
		const raw = await request(server, "/request/anything", { method: "GET", headers });
		assert.equal(raw.status, 404, "an actor without a request handler");
		isError(await request(server, "/request/anything", { method: "GET", headers: { "x-rivet-target": "actor" } }), 400, "guard.missing_header");
	});
});

describe("CORS", () => {
	const origin = "http://page.example";
	const NO_COOKIES = "a page nobody named may not read answers given to the visitor's cookies";

	test("a preflight on the gateway is answered without touching the actor", async () => {
		const key = newKey();
		const answer = await request(server, counter("/action/increment", key), {
			method: "OPTIONS",
			headers: {
				origin,
				"access-control-request-method": "POST",
				"access-control-request-headers": "x-rivet-encoding,content-type",
			},
		});
		assert.equal(answer.status, 204);
		assert.equal(answer.headers["access-control-allow-origin"], origin);
		assert.equal(answer.headers["access-control-allow-credentials"], undefined, NO_COOKIES);
		assert.match(answer.headers["access-control-allow-methods"], /POST/);
		for (const header of ["x-rivet-encoding", "content-type"]) {
			assert.match(answer.headers["access-control-allow-headers"].toLowerCase(), new RegExp(header));
		}
		assert.equal(answer.headers["access-control-max-age"], "86400");
		const listed = await request(server, `/actors?name=counter&key=${key}&namespace=default`, { method: "GET" });
		assert.deepEqual(JSON.parse(listed.body).actors, []);
	});

	test("answers of the gateway let the page read them", async () => {
		for (const [rest, status] of [["/action/getCount", 200], ["/action/nothing", 404]]) {
			const answer = await request(server, counter(rest), { headers: { origin }, body: "{}" });
			assert.equal(answer.status, status);
			assert.equal(answer.headers["access-control-allow-origin"], origin);
			assert.equal(answer.headers["access-control-allow-credentials"], undefined, NO_COOKIES);
			assert.match(answer.headers.vary ?? "", /origin/i);
		}
		const open = await request(server, counter("/action/getCount"), { body: "{}" });
		assert.equal(open.headers["access-control-allow-origin"], undefined, "no page has asked");
	});

	test("the manager mirrors the origin, because its callers send credentials", async () => {
		const metadata = await request(server, "/metadata?namespace=default", { method: "GET", headers: { origin } });
		assert.equal(metadata.headers["access-control-allow-origin"], origin);
		assert.equal(metadata.headers["access-control-allow-credentials"], "true");
		const preflight = await request(server, "/actors?namespace=default", {
			method: "OPTIONS",
			headers: { origin, "access-control-request-method": "PUT", "access-control-request-headers": "content-type" },
		});
		assert.ok(preflight.status === 200 || preflight.status === 204);
		assert.equal(preflight.headers["access-control-allow-origin"], origin);
		assert.match(preflight.headers["access-control-allow-methods"], /PUT/);
		assert.match(preflight.headers["access-control-allow-headers"].toLowerCase(), /content-type/);
	});
});

describe("requests an actor sees", () => {
	test("the hook of a connecting call sees method, URL and headers", async () => {
		const handle = clientOf(server).requestAccessActor.getOrCreate([newKey()], { params: { trackRequest: true } });
		await handle.ping();
		const seen = (await handle.getRequestInfo()).onBeforeConnect;
		assert.equal(seen.hasRequest, true);
		assert.equal(seen.requestMethod, "POST");
		assert.match(seen.requestUrl, /^https?:\/\//);
		assert.ok("user-agent" in seen.requestHeaders);
		const connection = handle.connect();
		await connection.ping();
		const upgrade = await until("the upgrade was seen", async () => {
			const info = (await connection.getRequestInfo()).onBeforeConnect;
			return info.requestMethod === "GET" && info;
		});
		assert.match(upgrade.requestHeaders["sec-websocket-protocol"], /rivet/);
		await connection.dispose();
	});
});

test("an error over the wire is in the encoding that was asked for", async () => {
	for (const encoding of ENCODINGS) {
		const answer = await request(server, gateway("errorHandlingActor", newKey(), "/action/throwSimpleError"), {
			headers: inEncoding(encoding),
			body: actionBody(encoding, []),
		});
		const error = isError(answer, 500, "user.user_error", encoding);
		assert.equal(error.message, "Simple error message");
		if (encoding === "cbor") assert.ok(!("actor" in decodeCbor(answer.body)) || decodeCbor(answer.body).actor !== null);
	}
});

function hex(text) {
	return Buffer.from(text.replaceAll(" ", ""), "hex");
}
