// The published client and what tests need around it: unique keys, recorded
// events, and waits with a deadline and a reason.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createClient } from "rivetkit/client";
import { pause } from "./server.mjs";

/** Every encoding the client can be set to. */
export const ENCODINGS = ["bare", "cbor", "json"];

// The client logs every refused call at warn level; the tests provoke hundreds.
process.env.RIVET_LOG_LEVEL ??= "silent";

/** A client of `server`, with the published defaults but for `options`. */
export function clientOf(server, options = {}) {
	return createClient({ endpoint: server.url, namespace: "default", ...options });
}

/** A key no other test uses. */
export function newKey(label = "key") {
	return `${label}-${randomUUID().slice(0, 13)}`;
}

/** Polls `probe` until it returns something truthy; fails with `reason` after `within` ms. */
export async function until(reason, probe, within = 5_000) {
	const deadline = Date.now() + within;
	for (;;) {
		const value = await probe();
		if (value) return value;
		if (Date.now() > deadline) assert.fail(`not within ${within} ms: ${reason}`);
		await pause(10);
	}
}

/** Settles like `promise`, but fails with `reason` when that takes longer than `within` ms. */
export async function soon(reason, promise, within = 5_000) {
	let timer;
	const overdue = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`not within ${within} ms: ${reason}`)), within);
	});
	try {
		return await Promise.race([promise, overdue]);
	} finally {
		clearTimeout(timer);
	}
}

/** Records every event `name` of `connection`: `seen` holds the argument lists in order. */
export function record(connection, name) {
	const seen = [];
	const stop = connection.on(name, (...args) => seen.push(args));
	return {
		seen,
		stop,
		/** Resolves to `seen` once it holds `count` events. */
		async count(count, within) {
			await until(`${count} events "${name}", have ${seen.length}`, () => seen.length >= count, within);
			return seen;
		},
	};
}

/** Runs `use` with a connection of `handle` and disposes it afterwards, also on failure. */
export async function connected(handle, use) {
	const connection = handle.connect();
	try {
		await soon("the connection opens", connection.ready);
		return await use(connection);
	} finally {
		await connection.dispose();
	}
}

/** Runs `call`, which must fail, and returns its error. */
export async function failure(call, within) {
	const promise = typeof call === "function" ? call() : call;
	return soon(
		"the call fails",
		Promise.resolve(promise).then(
			(value) => assert.fail(`the call succeeded with ${String(value)}`),
			(error) => {
				if (error instanceof assert.AssertionError) throw error;
				return error;
			},
		),
		within,
	);
}

/** Runs `call`, which must fail with `group`.`code`, and returns its error. */
export async function refused(call, group, code, within) {
	const error = await failure(call, within);
	assert.equal(`${error.group}.${error.code}`, `${group}.${code}`, `${error.name}: ${error.message}`);
	return error;
}
