// Finding and creating actors: get, getOrCreate, create, getForId, resolve,
// keys, creation input, and the manager's own HTTP answers.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Encoder } from "cbor-x";
import { ENCODINGS, clientOf, connected, newKey, refused } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";

const server = await startFixtures();

async function manager(method, path, body) {
	const response = await fetch(`${server.url}${path}`, {
		method,
		headers: { "content-type": "application/json" },
		body: body === undefined ? undefined : JSON.stringify(body),
	});
	return { status: response.status, body: await response.json() };
}

function creation(name, key, more = {}) {
	return { name, key, runner_name_selector: "default", crash_policy: "sleep", ...more };
}

/** An id of the server's own form that no actor has. */
async function unknownId() {
	const id = await clientOf(server).counter.getOrCreate([newKey()]).resolve();
	const middle = id.length >> 1;
	return id.slice(0, middle) + [...id.slice(middle, middle + 8)].reverse().map(other).join("") + id.slice(middle + 8);
}

function other(character) {
	return /[0-9]/.test(character) ? String((Number(character) + 5) % 10) : character;
}

for (const encoding of ENCODINGS) {
	describe(`handles, ${encoding}`, () => {
		const client = clientOf(server, { encoding });

		test("create makes an actor that get, getOrCreate and getForId find again", async () => {
			const key = [newKey()];
			const created = await client.counter.create(key);
			await created.increment(3);
			const id = await created.resolve();
			assert.equal(await client.counter.get(key).getCount(), 3);
			assert.equal(await client.counter.getOrCreate(key).getCount(), 3);
			assert.equal(await client.counter.getForId(id).getCount(), 3);
			assert.equal(await client.counter.get(key).resolve(), id);
			assert.equal(await client.counter.getOrCreate(key).resolve(), id);
		});

		test("creating a taken key is refused and names the actor that has it", async () => {
			const key = [newKey()];
			const id = await (await client.counter.create(key)).resolve();
			const error = await refused(() => client.counter.create(key), "actor", "duplicate_key");
			assert.equal(error.metadata.existing_actor_id, id);
			assert.equal(error.metadata.key, key[0]);
		});

		test("resolve and connect agree on the actor's id", async () => {
			const handle = client.counter.getOrCreate([newKey()]);
			const id = await handle.resolve();
			await connected(handle, async (connection) => assert.equal(connection.actorId, id));
		});

		test("a missing key is refused, and is not created by asking", async () => {
			const key = [newKey()];
			// The client itself repeats a stale lookup for over two seconds.
			await refused(() => client.counter.get(key).getCount(), "actor", "not_found", 10_000);
			const { body } = await manager("GET", `/actors?name=counter&key=${key[0]}&namespace=default`);
			assert.deepEqual(body.actors, []);
		});

		test("an unknown id is refused", async () => {
			const missing = client.counter.getForId(await unknownId());
			await refused(() => missing.getCount(), "actor", "not_found");
		});

		test("resolving a missing key is refused", async () => {
			await refused(() => client.counter.get([newKey()]).resolve(), "actor", "not_found");
		});

		test("creation input arrives through create and through getOrCreate", async () => {
			const input = { name: "ann", sizes: [1, 2.5, -3], nested: { on: true, none: null } };
			const both = { initialInput: input, onCreateInput: input };
			assert.deepEqual(await (await client.inputActor.create([newKey()], { input })).getInputs(), both);
			const key = [newKey()];
			const first = client.inputActor.getOrCreate(key, { createWithInput: input });
			assert.deepEqual(await first.getInputs(), both);
			const second = client.inputActor.getOrCreate(key, { createWithInput: { name: "bob" } });
			assert.deepEqual(await second.getInputs(), both, "a later getOrCreate changed the input");
			const resolved = client.inputActor.getOrCreate([newKey()], { createWithInput: input });
			await resolved.resolve();
			assert.deepEqual(await resolved.getInputs(), both);
		});

		test("without input both inputs are absent", async () => {
			for (const handle of [
				client.inputActor.getOrCreate([newKey()]),
				await client.inputActor.create([newKey()]),
			]) {
				const inputs = await handle.getInputs();
				assert.equal(inputs.initialInput, undefined);
				assert.equal(inputs.onCreateInput, undefined);
			}
		});

		test("an input of text, number, list and nested text survives", async () => {
			for (const input of ["text", 42, [1, "two", null], { "ünï": "✓" }]) {
				const handle = client.inputActor.getOrCreate([newKey()], { createWithInput: input });
				assert.deepEqual((await handle.getInputs()).initialInput, input);
			}
		});
	});
}

describe("keys", () => {
	const client = clientOf(server);

	test("a text key is the list of that one part", async () => {
		const key = newKey();
		await client.counter.getOrCreate(key).increment(4);
		assert.equal(await client.counter.getOrCreate([key]).getCount(), 4);
		assert.deepEqual(await client.counter.getOrCreate(key).getKey(), [key]);
	});

	test("no key and the empty list are one actor", async () => {
		await client.counter.getOrCreate().setCount(11);
		assert.equal(await client.counter.getOrCreate([]).getCount(), 11);
		assert.deepEqual(await client.counter.getOrCreate([]).getKey(), []);
	});

	test("parts are kept apart, whatever is in them", async () => {
		const mark = newKey();
		for (const key of [
			[mark, "a", "b"],
			["tenant/with/slash", mark],
			["back\\slash", mark],
			[mark, "ünï ✓ &=+%#?@:;"],
			[mark, " spaces "],
			["..", mark],
		]) {
			const handle = client.counter.getOrCreate(key);
			await handle.increment(1);
			assert.deepEqual(await handle.getKey(), key);
			assert.equal(await client.counter.getForId(await handle.resolve()).getCount(), 1, key.join("|"));
		}
	});

	test("keys that look alike when joined are different actors", async () => {
		const mark = newKey();
		const ids = new Set();
		const keys = [[`${mark}a/b`], [`${mark}a`, "b"], [`${mark}a\\`, "b"], [`${mark}a\\/b`]];
		for (const key of keys) ids.add(await client.counter.getOrCreate(key).resolve());
		assert.equal(ids.size, keys.length);
	});

	test("one key under two actor names is two actors", async () => {
		const key = [newKey()];
		const one = await client.counter.getOrCreate(key).resolve();
		const two = await client.counterWithLifecycle.getOrCreate(key).resolve();
		assert.notEqual(one, two);
	});

	test("fifty callers that race to create one key reach one actor", async () => {
		const key = [newKey()];
		const calls = Array.from({ length: 50 }, () => client.counter.getOrCreate(key).increment(1));
		const counts = (await Promise.all(calls)).sort((a, b) => a - b);
		assert.deepEqual(counts, Array.from({ length: 50 }, (_, index) => index + 1));
	});

	test("of twenty creates of one key one wins", async () => {
		const key = [newKey()];
		const results = await Promise.allSettled(
			Array.from({ length: 20 }, () => client.counter.create(key)),
		);
		assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
		for (const result of results.filter((result) => result.status === "rejected")) {
			assert.equal(result.reason.code, "duplicate_key");
		}
	});
});

describe("the manager's answers", () => {
	test("/metadata is a JSON object, with and without a namespace", async () => {
		for (const path of ["/metadata?namespace=default", "/metadata"]) {
			const { status, body } = await manager("GET", path);
			assert.equal(status, 200);
			assert.equal(typeof body, "object");
			assert.ok(!body.clientEndpoint, "an unasked clientEndpoint redirects every client");
		}
	});

	test("PUT says whether it created, and answers the same actor again", async () => {
		const key = newKey();
		const first = await manager("PUT", "/actors?namespace=default", creation("counter", key));
		assert.equal(first.status, 200);
		assert.equal(first.body.created, true);
		assert.equal(first.body.actor.name, "counter");
		assert.equal(first.body.actor.key, key);
		assert.match(first.body.actor.actor_id, /^[A-Za-z0-9_-]+$/);
		const second = await manager("PUT", "/actors?namespace=default", creation("counter", key));
		assert.equal(second.body.created, false);
		assert.equal(second.body.actor.actor_id, first.body.actor.actor_id);
	});

	test("the newer field name for the pool is accepted", async () => {
		const { runner_name_selector: _, ...rest } = creation("counter", newKey());
		const { status } = await manager("PUT", "/actors?namespace=default", { ...rest, pool: "default" });
		assert.equal(status, 200);
	});

	test("POST creates from base64 CBOR input and refuses a taken key with 400", async () => {
		const key = newKey();
		const input = Buffer.from(new Encoder().encode({ from: "post" })).toString("base64");
		const created = await manager("POST", "/actors?namespace=default", creation("inputActor", key, { input }));
		assert.equal(created.status, 200);
		const inputs = await clientOf(server).inputActor.get([key]).getInputs();
		assert.deepEqual(inputs.initialInput, { from: "post" });
		const again = await manager("POST", "/actors?namespace=default", creation("inputActor", key));
		assert.equal(again.status, 400);
		assert.equal(again.body.group, "actor");
		assert.equal(again.body.code, "duplicate_key");
		assert.equal(again.body.metadata.existing_actor_id, created.body.actor.actor_id);
	});

	test("lists by name and key, by id, and empty for what is not there", async () => {
		const key = newKey();
		const { body } = await manager("PUT", "/actors?namespace=default", creation("counter", key));
		const id = body.actor.actor_id;
		const byKey = await manager("GET", `/actors?name=counter&key=${key}&namespace=default`);
		assert.deepEqual(byKey.body.actors.map((actor) => actor.actor_id), [id]);
		assert.ok("pagination" in byKey.body);
		const byId = await manager("GET", `/actors?actor_ids=${id}&namespace=default`);
		assert.deepEqual(byId.body.actors.map((actor) => actor.key), [key]);
		for (const query of [`name=counter&key=${newKey()}`, `actor_ids=${await unknownId()}`]) {
			const missing = await manager("GET", `/actors?${query}&namespace=default`);
			assert.equal(missing.status, 200);
			assert.deepEqual(missing.body.actors, []);
		}
	});

	test("escaped keys go through the list and come back as they were", async () => {
		const mark = newKey();
		for (const key of [`a\\/b${mark}`, `a/${mark}`, `${mark}/\\0`, `a\\\\${mark}`]) {
			const made = await manager("PUT", "/actors?namespace=default", creation("counter", key));
			assert.equal(made.body.actor.key, key);
			const listed = await manager("GET", `/actors?name=counter&key=${encodeURIComponent(key)}&namespace=default`);
			assert.deepEqual(listed.body.actors.map((actor) => actor.actor_id), [made.body.actor.actor_id]);
		}
	});

	test("a key over its limit, an unknown name and a broken body are refused in JSON", async () => {
		const long = await manager("PUT", "/actors?namespace=default", creation("counter", "k".repeat(1_025)));
		assert.equal(long.status, 400);
		assert.match(`${long.body.group}.${long.body.code}`, /^actor\.(key_too_large|invalid_key)$/);
		const unknown = await manager("PUT", "/actors?namespace=default", creation("noSuchActor", newKey()));
		assert.ok(unknown.status >= 400 && unknown.status < 500, `status ${unknown.status}`);
		assert.equal(typeof unknown.body.code, "string");
		const broken = await fetch(`${server.url}/actors?namespace=default`, { method: "PUT", body: "{" });
		assert.equal(broken.status, 400);
		assert.equal(typeof (await broken.json()).code, "string");
		const badInput = await manager("POST", "/actors?namespace=default", creation("inputActor", newKey(), { input: "/w==" }));
		assert.equal(badInput.status, 400, "an input that is not CBOR was taken");
	});

	test("a path nobody routes is 404", async () => {
		const response = await fetch(`${server.url}/no/such/path`);
		assert.equal(response.status, 404);
	});
});
