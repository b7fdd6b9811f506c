// An actor's own keys and values: texts, ranges, bytes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, newKey, refused } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";

const server = await startFixtures();

for (const encoding of ENCODINGS) {
	describe(`keys and values, ${encoding}`, () => {
		const client = clientOf(server, { encoding });
		const fresh = () => client.kvActor.getOrCreate([newKey()]);

		test("a text is read back, and a missing one is null", async () => {
			const actor = fresh();
			assert.equal(await actor.putText("greeting", "hello ✓"), true);
			assert.equal(await actor.getText("greeting"), "hello ✓");
			assert.equal(await actor.getText("missing"), null);
			assert.equal(await fresh().getText("greeting"), null, "each actor has its own");
		});

		test("lists are in key order", async () => {
			const actor = fresh();
			for (const key of ["b/2", "a", "b/1", "c", "b/10"]) await actor.putText(key, `of ${key}`);
			assert.deepEqual(await actor.listText("b/"), [
				{ key: "b/1", value: "of b/1" },
				{ key: "b/10", value: "of b/10" },
				{ key: "b/2", value: "of b/2" },
			]);
			assert.deepEqual((await actor.listText("")).map((it) => it.key), ["a", "b/1", "b/10", "b/2", "c"]);
		});

		test("ranges include their start and not their end", async () => {
			const actor = fresh();
			for (const key of ["a", "b", "c", "d"]) await actor.putText(key, key);
			const keys = async (...range) => (await actor.listTextRange(...range)).map((it) => it.key);
			assert.deepEqual(await keys("a", "d"), ["a", "b", "c"]);
			assert.deepEqual(await keys("a", "d", { reverse: true, limit: 2 }), ["c", "b"]);
			assert.deepEqual(await keys("a", "d", { limit: 1 }), ["a"]);
			assert.equal(await actor.deleteTextRange("b", "d"), true);
			assert.deepEqual(await keys("a", "z"), ["a", "d"]);
		});

		test("bytes are read back", async () => {
			assert.deepEqual(await fresh().roundtripArrayBuffer("bytes", [0, 1, 127, 128, 255]), [0, 1, 127, 128, 255]);
		});

		test("a key that is too long is refused", async () => {
			await refused(fresh().putText("k".repeat(2_049), ""), "kv", "key_too_large");
		});
	});
}
