// Raw HTTP: what `handle.fetch` and a plain fetch of gateway URLs get from an
// actor's own handler, and how requests find their actor.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { describe, test } from "node:test";
import { clientOf, newKey, soon } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";
import { gateway, request } from "./support/wire.mjs";

const server = await startFixtures();
const client = clientOf(server);

async function json(response) {
	assert.match(response.headers.get("content-type"), /application\/json/);
	return response.json();
}

describe("an actor's own handler", () => {
	test("answers the published client's fetch", async () => {
		const handle = client.rawHttpActor.getOrCreate([newKey()]);
		assert.deepEqual(await json(await handle.fetch("api/hello")), { message: "Hello from actor!" });
		assert.deepEqual(await json(await handle.fetch("/api/hello")), { message: "Hello from actor!" });
		assert.deepEqual(await json(await handle.fetch("/api/state")), { requestCount: 3 });
		const missing = await handle.fetch("/api/nothing");
		assert.equal(missing.status, 404);
		assert.equal(await missing.text(), "Not Found");
	});

	test("has the body and the headers, and gives them back", async () => {
		const handle = client.rawHttpActor.getOrCreate([newKey()]);
		const text = await handle.fetch("/api/echo", {
			method: "POST",
			headers: { "content-type": "text/plain", "x-mine": "yes" },
			body: "ünï",
		});
		assert.equal(text.headers.get("x-mine"), "yes");
		assert.equal(text.headers.get("x-rivet-actor"), await handle.resolve());
		assert.equal(await text.text(), "ünï");
		const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => at % 251);
		const binary = await handle.fetch("/api/echo", { method: "POST", body: bytes });
		assert.deepEqual(new Uint8Array(await binary.arrayBuffer()), bytes);
		const seen = await json(await handle.fetch("/api/headers", { headers: { "X-Upper": "Case" } }));
		assert.equal(seen["x-upper"], "Case");
	});

	test("takes a Request, and a URL whose host is the caller's", async () => {
		const handle = client.rawHttpRequestPropertiesActor.getOrCreate([newKey()]);
		const asked = new Request("http://caller.example/some/path?x=1", { method: "PUT", body: "b" });
		const seen = await json(await handle.fetch(asked));
		assert.equal(seen.method, "PUT");
		assert.equal(seen.url, "http://caller.example/some/path?x=1");
		assert.equal(seen.body, "b");
		const byUrl = await json(await handle.fetch(new URL("http://caller.example/other")));
		assert.equal(byUrl.url, "http://caller.example/other");
	});

	test("streams both ways", async () => {
		const path = gateway("rawHttpActor", newKey(), "/request/api/echo");
		const call = http.request(`${server.url}${path}`, { method: "POST", agent: false });
		call.write("one");
		const [answer] = await soon("the head arrives", once(call, "response"));
		const pieces = answer.setEncoding("utf8")[Symbol.asyncIterator]();
		assert.equal((await soon("the first piece comes back", pieces.next())).value, "one");
		call.end("two");
		assert.equal((await soon("the second piece comes back", pieces.next())).value, "two");
		assert.equal((await soon("the response ends", pieces.next())).done, true);
	});

	test("that is not there is an empty 404", async () => {
		const answer = await client.rawHttpNoHandlerActor.getOrCreate([newKey()]).fetch("/x");
		assert.equal(answer.status, 404);
		assert.equal(await answer.text(), "");
	});

	test("that fails is a structured 500 that tells nothing", async () => {
		const answer = await client.rawHttpVoidReturnActor.getOrCreate([newKey()]).fetch("/x");
		assert.equal(answer.status, 500);
		const error = await json(answer);
		assert.equal(`${error.group}.${error.code}`, "rivetkit.internal_error");
		assert.equal(error.message, "An internal error occurred");
	});

	test("may be a whole router", async () => {
		const handle = client.rawHttpHonoActor.getOrCreate([newKey()]);
		const call = async (path, method = "GET", body) => {
			const headers = body ? { "content-type": "application/json" } : {};
			const answer = await handle.fetch(path, { method, headers, body: body && JSON.stringify(body) });
			return [answer.status, answer.ok ? await answer.json() : await answer.text()];
		};
		assert.deepEqual(await call("/"), [200, { message: "Welcome to Hono actor!" }]);
		assert.deepEqual(await call(""), [200, { message: "Welcome to Hono actor!" }]);
		assert.deepEqual(await call("/users"), [200, [{ id: 1, name: "Alice" }, { id: 2, name: "Bob" }]]);
		assert.deepEqual(await call("users/1"), [200, { id: 1, name: "Alice" }]);
		assert.deepEqual(await call("/users", "POST", { name: "Eve" }), [201, { id: 3, name: "Eve" }]);
		assert.deepEqual(await call("/users/7", "PUT", { name: "Eve" }), [200, { id: 7, name: "Eve" }]);
		assert.deepEqual(await call("/users/7", "DELETE"), [200, { message: "User 7 deleted" }]);
		assert.equal((await call("/nowhere"))[0], 404);
	});
});

describe("what a handler sees of a request", () => {
	const seenBy = async (path, init) =>
		json(await client.rawHttpRequestPropertiesActor.getOrCreate([newKey()]).fetch(path, init));

	test("URL, query and method", async () => {
		const long = "v".repeat(1_000);
		const seen = await seenBy(`/a%20b/c?x=1&x=2&y=%C3%BC+z&long=${long}`);
		assert.equal(new URL(seen.url).pathname, "/a%20b/c");
		assert.equal(seen.pathname, "/a%20b/c");
		assert.equal(seen.search, `?x=1&x=2&y=%C3%BC+z&long=${long}`);
		assert.deepEqual(seen.searchParams, { x: "2", y: "ü z", long });
		assert.deepEqual([seen.hash, seen.method], ["", "GET"]);
		assert.deepEqual([seen.body, seen.bodyText], [null, null]);
	});

	test("bodies of every kind", async () => {
		const post = (body, type) => seenBy("/", { method: "POST", body, headers: { "content-type": type } });
		const parsed = await post('{"a":[1,{"b":null}]}', "application/json");
		assert.deepEqual([parsed.body, parsed.bodyText], [{ a: [1, { b: null }] }, null]);
		const text = await post("plain", "text/plain");
		assert.deepEqual([text.body, text.bodyText], ["plain", "plain"]);
		const parts = await post("--b\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b");
		assert.equal(parts.body, "--b\r\n\r\nx\r\n--b--");
		const large = "x".repeat(700_000);
		assert.equal((await post(large, "text/plain")).body.length, large.length);
		const empty = await post("", "text/plain");
		assert.deepEqual([empty.body, empty.bodyText], [null, ""]);
	});

	test("cookies, unusual methods, HEAD and OPTIONS", async () => {
		const path = gateway("rawHttpRequestPropertiesActor", newKey(), "/request/x");
		const seen = await request(server, path, { method: "PROPFIND", headers: { cookie: "a=1; b=2" } });
		const body = JSON.parse(seen.body);
		assert.deepEqual([body.method, body.headers.cookie], ["PROPFIND", "a=1; b=2"]);
		const head = await request(server, path, { method: "HEAD" });
		assert.deepEqual([head.status, head.body.length], [200, 0]);
		assert.equal((await request(server, path, { method: "OPTIONS" })).status, 204);
	});

	test("forty at a time stay apart", async () => {
		const handle = client.rawHttpRequestPropertiesActor.getOrCreate([newKey()]);
		const all = Array.from({ length: 40 }, async (_, n) => {
			const seen = await json(await handle.fetch(`/r/${n}`, { method: "POST", body: `b${n}` }));
			assert.deepEqual([seen.pathname, seen.body], [`/r/${n}`, `b${n}`]);
		});
		await Promise.all(all);
	});

	test("its hooks see it too", async () => {
		const handle = client.requestAccessActor.getOrCreate([newKey()], { params: { trackRequest: true } });
		const answer = await json(await handle.fetch("/here?q=1", { method: "PATCH", headers: { "x-mine": "1" } }));
		assert.equal(answer.hasRequest, true);
		const seen = await handle.getRequestInfo();
		assert.deepEqual(seen.onRequest, answer);
		assert.equal(answer.requestMethod, "PATCH");
		assert.match(answer.requestUrl, /^http:\/\/.*\/here\?q=1$/);
		assert.equal(answer.requestHeaders["x-mine"], "1");
		// The latest connection was that of the action.
		assert.equal(seen.onBeforeConnect.requestMethod, "POST");
		assert.match(seen.onBeforeConnect.requestUrl, /^http:\/\/.*\/action\/getRequestInfo$/);
	});
});

describe("how a request finds its actor", () => {
	test("by headers, for raw paths only", async () => {
		const handle = client.rawHttpActor.getOrCreate([newKey()]);
		const id = await handle.resolve();
		const target = { "x-rivet-target": "actor", "x-rivet-actor": id };
		const hello = await request(server, "/request/api/hello", { method: "GET", headers: target });
		assert.deepEqual(JSON.parse(hello.body), { message: "Hello from actor!" });
		const other = await request(server, "/api/hello", { method: "GET", headers: target });
		assert.ok(other.status >= 400);
		const nobody = await request(server, "/request/api/hello", {
			method: "GET",
			headers: { "x-rivet-target": "actor" },
		});
		assert.equal(nobody.status, 400);
	});

	test("by a hand-made query, whose own parameters go", async () => {
		const key = newKey();
		const query = `rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-key=${key},two`;
		const name = "rawHttpRequestPropertiesActor";
		const made = await request(server, `/gateway/${name}/request/p?a=1&${query}&b=%2F`, { method: "GET" });
		assert.equal(JSON.parse(made.body).search, "?a=1&b=%2F");
		assert.equal(made.headers["x-rivet-actor-key"], `${key}/two`);
		const found = await request(
			server,
			`/gateway/${name}/request/p?rvt-namespace=default&rvt-method=get&rvt-key=${key},two`,
			{ method: "GET" },
		);
		assert.equal(found.headers["x-rivet-actor"], made.headers["x-rivet-actor"]);
		for (const wrong of [`${query}&rvt-x=1`, `${query}&rvt-key=${key}`]) {
			const refusal = await request(server, `/gateway/${name}/request/p?${wrong}`, { method: "GET" });
			assert.equal(refusal.status, 400);
		}
	});

	test("a caller's own `rvt-` parameter is refused", async () => {
		const answer = await client.rawHttpActor.getOrCreate([newKey()]).fetch("/api/hello?rvt-mine=1");
		assert.equal(answer.status, 400);
	});

	test("and gets an error when there is none", async () => {
		const answer = await client.rawHttpActor.getForId("missing").fetch("/api/hello");
		assert.equal(answer.status, 404);
		assert.equal(answer.headers.get("x-rivet-error"), "actor.not_found");
	});
});

test("a page of another origin may read a raw response", async () => {
	const origin = "https://app.example";
	const path = gateway("rawHttpActor", newKey(), "/request/api/hello");
	const answer = await request(server, path, { method: "GET", headers: { origin } });
	assert.equal(answer.headers["access-control-allow-origin"], origin);
});
