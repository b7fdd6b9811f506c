// JavaScript values through an echoing action: what goes in must come out, in
// every encoding and over both transports, as far as the encoding can carry it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, newKey } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";

const server = await startFixtures();

// Values every encoding carries unchanged.
const PLAIN = {
	"null": null,
	"true": true,
	"false": false,
	"zero": 0,
	"a small integer": 23,
	"a negative integer": -3,
	"a byte and a bit": 256,
	"2^31": 2 ** 31,
	"2^32 - 1": 2 ** 32 - 1,
	"2^32": 2 ** 32,
	"-2^32 - 1": -(2 ** 32) - 1,
	"a timestamp": 1_795_227_211_476,
	"the largest safe integer": Number.MAX_SAFE_INTEGER,
	"the smallest safe integer": Number.MIN_SAFE_INTEGER,
	"a fraction": 1.5,
	"a fraction no short float holds": 0.1,
	"a tiny number": 5e-324,
	"a huge number": 1.7976931348623157e308,
	"empty text": "",
	"text": "grüße ✓ 𝄞 \u0000 \" \\ \n",
	"an empty list": [],
	"nested lists": [[[]], [1, [2, [3]]]],
	"an empty object": {},
	"an object": { b: 1, a: { "with space": "x", "ü": [true] }, "": 0 },
	"text that looks like a tag": "$BigInt",
	"a list that looks like a tag": ["$foo", 1],
	"a list that looks like a known tag": ["$BigInt", "5"],
	"a list that looks escaped": ["$$foo", 1],
	"a looks-like deep inside": { list: [1, ["$Set", [1]], { x: ["$Undefined", 0] }] },
	"a list of two texts": ["a", "b"],
	"a tag-like list of three": ["$foo", 1, 2],
};

// Values with a form of their own: bigint and bytes in every encoding, the rest where it can be said.
const SPECIAL = {
	"a bigint over 64 bits": 123_456_789_012_345_678_901_234_567_890n,
	"a bigint of 64 bits": 18_446_744_073_709_551_615n,
	"a negative bigint": -9_223_372_036_854_775_808n,
	"bytes": new Uint8Array([0, 1, 2, 253, 254, 255]),
	"no bytes": new Uint8Array([]),
	"bytes and bigints inside": { list: [1n << 40n, { bytes: new Uint8Array([7]) }] },
};
const NATIVE_ONLY = {
	"a date": new Date(1_795_227_211_476),
	"a date before 1970": new Date(-1_500),
	"a set": new Set([1, "a", null]),
	"a set of lists": new Set([[1, 2], ["$x", 1]]),
	"a map": new Map([["k", 1], ["l", [2]]]),
	"a map with other keys": new Map([[1, "one"], [true, "yes"]]),
	"16-bit integers": new Uint16Array([1, 65_535]),
	"signed bytes": new Int8Array([-1, 1]),
	"floats": new Float32Array([1.5, -2.25]),
	"double floats": new Float64Array([0.1, 1e300]),
	"undefined in an object": { a: undefined, b: 1 },
	"undefined in a list": [undefined, 1],
};

/** Byte views compare by their bytes: a Buffer is as good as the Uint8Array it extends. */
function normal(value) {
	if (value instanceof Uint8Array) return { bytes: [...value] };
	if (value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] };
	if (value instanceof Date || value === null || typeof value !== "object") return value;
	if (ArrayBuffer.isView(value)) return { [value.constructor.name]: [...value] };
	if (value instanceof Set) return { set: [...value].map(normal) };
	if (value instanceof Map) return { map: [...value].map(([key, item]) => [normal(key), normal(item)]) };
	if (Array.isArray(value)) return Array.from(value, normal);
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normal(item)]));
}

async function echoes(actor, values) {
	const wrong = [];
	for (const [what, value] of Object.entries(values)) {
		try {
			assert.deepStrictEqual(normal(await actor.echo(value)), normal(value));
		} catch (error) {
			wrong.push(`${what}: ${error.message}`);
		}
	}
	assert.equal(wrong.length, 0, wrong.join("\n"));
}

for (const encoding of ENCODINGS) {
	const values = encoding === "json" ? { ...PLAIN, ...SPECIAL } : { ...PLAIN, ...SPECIAL, ...NATIVE_ONLY };

	describe(`values, ${encoding}`, () => {
		const client = clientOf(server, { encoding });

		test("come back from an action over HTTP", async () => {
			await echoes(client.largePayloadActor.getOrCreate([newKey()]), values);
		});

		test("come back from an action over a connection", async () => {
			await connected(client.largePayloadActor.getOrCreate([newKey()]), (connection) => echoes(connection, values));
		});

		test("numbers stay numbers: no integer arrives as a bigint", async () => {
			const handle = client.counter.getOrCreate([newKey()]);
			for (const number of [0, 255, 2 ** 31, 2 ** 32, 2 ** 40, -(2 ** 40), 2 ** 53 - 1]) {
				assert.equal(await handle.setCount(number), number);
				assert.equal(await handle.getCount(), number);
			}
		});

		test("large numbers arrive in events as numbers", async () => {
			await connected(client.counter.getOrCreate([newKey()]), async (connection) => {
				const seen = [];
				connection.on("newCount", (count) => seen.push(count));
				for (const number of [1, 2 ** 33, -(2 ** 33)]) await connection.setCount(number);
				assert.deepEqual(seen, [1, 2 ** 33, -(2 ** 33)]);
			});
		});

		test("values survive being stored", async () => {
			const handle = client.metadataActor.getOrCreate([newKey()]);
			const tags = { small: "1", text: "ü", "$odd": "x" };
			await handle.setupTestTags(tags);
			assert.deepEqual(await handle.getTags(), tags);
		});

		test("connection parameters arrive as they were given", async () => {
			const name = "user with spaces & signs: %\"\\;,=";
			const handle = client.counterWithParams.getOrCreate([newKey()], { params: { name } });
			await handle.increment(1);
			await connected(handle, async (connection) => {
				const heard = [];
				connection.on("newCount", (event) => heard.push(event));
				await connection.increment(2);
				assert.deepEqual(heard, [{ count: 3, by: name }]);
			});
			assert.deepEqual(new Set(await handle.getInitializers()), new Set([name]));
		});

		test("text beyond Latin-1 in connection parameters arrives over a connection", async () => {
			const name = "grüße ✓ 𝄞";
			const handle = client.counterWithParams.getOrCreate([newKey()], { params: { name } });
			await connected(handle, async (connection) => {
				assert.deepEqual(await connection.getInitializers(), [name]);
			});
		});
	});
}

describe("values the JSON encoding cannot say", () => {
	const client = clientOf(server, { encoding: "json" });

	test("undefined becomes null in a list and is left out of an object", async () => {
		const handle = client.largePayloadActor.getOrCreate([newKey()]);
		assert.deepEqual(await handle.echo({ a: undefined, b: 1 }), { b: 1 });
		assert.deepEqual(await handle.echo([undefined, 1]), [null, 1]);
	});

	test("a date becomes its ISO text, a set an empty object", async () => {
		const handle = client.largePayloadActor.getOrCreate([newKey()]);
		assert.equal(await handle.echo(new Date(0)), "1970-01-01T00:00:00.000Z");
		assert.deepEqual(await handle.echo(new Set([1])), {});
	});
});
