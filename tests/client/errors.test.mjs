// What a caller learns of a failure: group, code, message and metadata over
// both transports, and what is masked.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENCODINGS, clientOf, connected, newKey, refused, soon } from "./support/client.mjs";
import { startFixtures } from "./support/server.mjs";

const server = await startFixtures();

for (const encoding of ENCODINGS) {
	describe(`errors, ${encoding}`, () => {
		const client = clientOf(server, { encoding });

		async function bothWays(use) {
			const handle = client.errorHandlingActor.getOrCreate([newKey()]);
			await use(handle, handle);
			await connected(handle, (connection) => use(connection, handle));
		}

		test("a user error keeps its message and has no metadata of its own", async () => {
			await bothWays(async (actor) => {
				const error = await refused(() => actor.throwSimpleError(), "user", "user_error");
				assert.equal(error.message, "Simple error message");
				assert.equal(error.metadata ?? undefined, undefined);
			});
		});

		test("a detailed user error keeps code, message and metadata", async () => {
			await bothWays(async (actor) => {
				const error = await refused(() => actor.throwDetailedError(), "user", "detailed_error");
				assert.equal(error.message, "Detailed error message");
				assert.equal(error.metadata.reason, "test");
				assert.equal(typeof error.metadata.timestamp, "number");
			});
		});

		test("an internal error is masked", async () => {
			await bothWays(async (actor) => {
				const error = await refused(() => actor.throwInternalError(), "rivetkit", "internal_error");
				assert.doesNotMatch(JSON.stringify([error.message, error.metadata]), /This is an internal error/);
				assert.notEqual(error.message, "");
				assert.equal(error.metadata ?? undefined, undefined);
			});
		});

		test("a timeout says so, and the actor goes on", async () => {
			await bothWays(async (actor, handle) => {
				const error = await refused(() => actor.timeoutAction(), "actor", "action_timed_out");
				assert.match(error.message, /timed out/);
				assert.equal(await actor.delayedAction(10), "Completed after 10ms");
				assert.equal(await handle.successfulAction(), "success");
			});
		});

		test("failed calls leave state and later calls alone", async () => {
			await bothWays(async (actor) => {
				assert.equal(await actor.clearErrorLog(), true);
				await actor.logError("first");
				await refused(() => actor.throwInternalError(), "rivetkit", "internal_error");
				await refused(() => actor.throwSimpleError(), "user", "user_error");
				await actor.logError("second");
				assert.deepEqual(await actor.getErrorLog(), ["first", "second"]);
			});
		});

		test("many failing and succeeding calls at once each get their own answer", async () => {
			await bothWays(async (actor) => {
				const calls = Array.from({ length: 24 }, (_, index) =>
					index % 2 === 0
						? actor.successfulAction()
						: refused(() => actor.throwSimpleError(), "user", "user_error").then(() => "refused"),
				);
				const answers = await Promise.all(calls);
				assert.deepEqual(answers, Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? "success" : "refused")));
			});
		});

		test("an error names the actor it comes from", async () => {
			const key = newKey();
			const handle = client.errorHandlingActor.getOrCreate([key]);
			const id = await handle.resolve();
			for (const error of [
				await refused(() => handle.throwSimpleError(), "user", "user_error"),
				await connected(handle, (connection) => refused(() => connection.throwSimpleError(), "user", "user_error")),
			]) {
				assert.equal(error.actor?.actorId, id);
				assert.equal(typeof error.actor.generation, "number");
				assert.equal(error.actor.key, key);
			}
		});

		test("a refused connection fails its waiting calls, tells onError and stays closed", async () => {
			const handle = client.connErrorSerializationActor.getOrCreate([newKey()], { params: { shouldThrow: true } });
			const connection = handle.connect();
			const told = [];
			connection.onError((error) => told.push(`${error.group}.${error.code}`));
			const error = await refused(() => connection.getValue(), "connection", "custom_error");
			assert.equal(error.message, "Test error from createConnState");
			await soon("onError", (async () => { while (told.length === 0) await new Promise(setImmediate); })());
			assert.ok(told.includes("connection.custom_error"), told.join());
			assert.equal(connection.isConnected, false);
			await connection.dispose();
		});

		test("refused parameters refuse an action over HTTP too, and the next caller is served", async () => {
			const key = [newKey()];
			const bad = client.connErrorSerializationActor.getOrCreate(key, { params: { shouldThrow: true } });
			await refused(() => bad.getValue(), "connection", "custom_error");
			assert.equal(await client.connErrorSerializationActor.getOrCreate(key).getValue(), 0);
		});
	});
}

test("an actor name nobody registered is refused at once, not retried", async () => {
	const client = clientOf(server);
	const started = Date.now();
	const handle = client.noSuchActorName.getOrCreate([newKey()]);
	await assert.rejects(soon("the call fails", handle.anything(), 8_000), (error) => {
		assert.equal(typeof error.group, "string", error.message);
		assert.equal(typeof error.code, "string");
		return true;
	});
	assert.ok(Date.now() - started < 1_000, `took ${Date.now() - started} ms`);
});
