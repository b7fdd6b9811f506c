// A connection to one actor, in JSON over a WebSocket: calls, events, and a way
// back after every loss. It knows nothing of chat.

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 10_000;
const STABLE_AFTER_MS = 5_000;

/** A call that was refused, or that the connection could not carry to its end. */
export class CallError extends Error {
	constructor(group, code, message) {
		super(message);
		this.name = "CallError";
		this.group = group;
		this.code = code;
	}

	/** Whether the answer is unknown: the call may or may not have taken effect. */
	get lost() {
		return this.group === "connection";
	}
}

/**
 * One connection to the actor `name` with `key`, opened now and again after every
 * loss, with a growing delay, until `close`.
 *
 * `onStatus(status, detail)` is told "connecting", "connected", "waiting" (detail:
 * milliseconds to the next attempt) and "refused" (detail: the CallError).
 */
export class Connection {
	#address;
	#protocols;
	#onStatus;
	#socket = null;
	#open = false;
	#closed = false;
	#nextId = 0;
	#calls = new Map();
	#listeners = new Map();
	#delay = FIRST_RETRY_MS;
	#retry = 0;
	#stable = 0;

	constructor({ base, name, key, params, onStatus }) {
		const address = new URL(`gateway/${encodeURIComponent(name)}/connect`, base);
		address.protocol = address.protocol.replace("http", "ws");
		address.search = new URLSearchParams({
			"rvt-namespace": "default",
			"rvt-method": "getOrCreate",
			"rvt-runner": "default",
			"rvt-key": key,
			"rvt-crash-policy": "sleep",
		});
		this.#address = address.href;
		this.#protocols = ["rivet", "rivet_encoding.json"];
		if (params !== undefined) this.#protocols.push(`rivet_conn_params.${token(JSON.stringify(params))}`);
		this.#onStatus = onStatus;
		this.#connect();
	}

	/** Whether calls can be made right now. */
	get connected() {
		return this.#open;
	}

	/** Calls the action `name`. Rejects with a CallError when refused or cut off. */
	call(name, ...args) {
		return new Promise((resolve, reject) => {
			if (!this.#open) {
				reject(new CallError("connection", "offline", "not connected"));
				return;
			}
			const id = this.#nextId++;
			this.#calls.set(id, { resolve, reject });
			this.#send("ActionRequest", { id: ["$BigInt", String(id)], name, args: args.map(escape) });
		});
	}

	/** Hears the event `name` from now on, also after a reconnect. */
	on(name, listener) {
		const known = this.#listeners.has(name);
		this.#listeners.set(name, listener);
		if (!known && this.#open) this.#send("SubscriptionRequest", { eventName: name, subscribe: true });
	}

	/** Tries at once instead of waiting out the delay. */
	retryNow() {
		if (this.#closed || this.#socket) return;
		clearTimeout(this.#retry);
		this.#delay = FIRST_RETRY_MS;
		this.#connect();
	}

	/** Ends the connection for good. */
	close() {
		this.#closed = true;
		clearTimeout(this.#retry);
		this.#socket?.close(1000, "Disposed");
		this.#lose();
	}

	#connect() {
		this.#onStatus("connecting");
		const socket = new WebSocket(this.#address, this.#protocols);
		this.#socket = socket;
		let refusal = null;
		socket.onmessage = (message) => {
			const { tag, val } = JSON.parse(message.data).body;
			if (tag === "Init") this.#opened();
			else if (tag === "ActionResponse") this.#settle(val.id, (call) => call.resolve(revive(val.output)));
			else if (tag === "Event") this.#listeners.get(val.name)?.(...val.args.map(revive));
			else if (tag === "Error") {
				const error = new CallError(val.group, val.code, val.message);
				if (val.actionId === null) refusal = error;
				else this.#settle(val.actionId, (call) => call.reject(error));
			}
		};
		socket.onclose = () => {
			if (this.#socket !== socket || this.#closed) return;
			this.#lose();
			if (refusal && refusal.group !== "actor" && refusal.group !== "guard") this.#onStatus("refused", refusal);
			else this.#waitAndRetry();
		};
	}

	#opened() {
		this.#open = true;
		// A server that accepts and drops at once must not be asked in a tight loop.
		this.#stable = setTimeout(() => (this.#delay = FIRST_RETRY_MS), STABLE_AFTER_MS);
		for (const eventName of this.#listeners.keys()) this.#send("SubscriptionRequest", { eventName, subscribe: true });
		this.#onStatus("connected");
	}

	#lose() {
		this.#open = false;
		this.#socket = null;
		clearTimeout(this.#stable);
		const calls = [...this.#calls.values()];
		this.#calls.clear();
		for (const call of calls) call.reject(new CallError("connection", "lost", "the connection was lost"));
	}

	#waitAndRetry() {
		// Half fixed, half random: many pages must not come back in the same instant.
		const wait = Math.round(this.#delay * (0.5 + Math.random() / 2));
		this.#delay = Math.min(this.#delay * 2, LAST_RETRY_MS);
		this.#retry = setTimeout(() => this.#connect(), wait);
		this.#onStatus("waiting", wait);
	}

	#settle(wireId, settle) {
		const id = Number(Array.isArray(wireId) ? wireId[1] : wireId);
		const call = this.#calls.get(id);
		this.#calls.delete(id);
		if (call) settle(call);
	}

	#send(tag, val) {
		this.#socket.send(JSON.stringify({ body: { tag, val } }));
	}
}

/** Percent-encodes `text` so that it may stand in a subprotocol token. */
function token(text) {
	return encodeURIComponent(text).replace(/[()]/g, (sign) => (sign === "(" ? "%28" : "%29"));
}

/** Marks lists that would be mistaken for one of the wire's tagged values. */
function escape(value) {
	if (Array.isArray(value)) {
		const items = value.map(escape);
		if (items.length === 2 && typeof items[0] === "string" && items[0].startsWith("$")) items[0] = `$${items[0]}`;
		return items;
	}
	if (value === null || typeof value !== "object") return value;
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escape(item)]));
}

/** Turns the wire's tagged values into JavaScript's. */
function revive(value) {
	if (Array.isArray(value)) {
		if (value.length === 2 && typeof value[0] === "string" && value[0].startsWith("$")) {
			if (value[0] === "$BigInt") return BigInt(value[1]);
			if (value[0] === "$Undefined") return undefined;
			if (value[0].startsWith("$$")) return [value[0].slice(1), revive(value[1])];
		}
		return value.map(revive);
	}
	if (value === null || typeof value !== "object") return value;
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
}
