// One joined room: a connection to its actor, the lines seen so far, who is there,
// who types, and what was written here and is not yet known to have arrived. It
// draws nothing; `page.draw(room, how)` is told when something has changed.
import { Connection } from "./wire.js";

const TYPING_PAUSE_MS = 3_000;
const TYPING_SHOWN_MS = 6_000;
const MOST_CATCH_UP_PAGES = 20;

/** A room joined under the name `page.name()`, complete again after every reconnect. */
export class Room {
	lines = [];
	members = [];
	typing = new Map();
	/** Lines typed here and not yet seen in the history: `{text, tried, after, failed}`. */
	outbox = [];
	unread = 0;
	loaded = false;
	complete = false;
	status = "connecting";
	detail = null;
	draft = "";
	#page;
	#connection;
	#typingSent = false;
	#typingEnd = 0;

	constructor(name, page) {
		this.name = name;
		this.#page = page;
		this.connect();
	}

	/** Connects anew, under the name the user has now. */
	connect() {
		this.#connection?.close();
		const connection = new Connection({
			base: document.baseURI,
			name: "chatRoom",
			key: this.name,
			params: { name: this.#page.name() },
			onStatus: (status, detail) => {
				this.status = status;
				this.detail = detail ?? null;
				if (status === "connected") this.#catchUp(connection);
				else this.typing.clear();
				this.#page.draw(this);
			},
		});
		this.#connection = connection;
		this.#typingSent = false;
		connection.on("line", (line) => {
			this.#stopped(line.from);
			if (this.#take([line]) > 0 && this.loaded && line.from !== this.#page.name() && !this.#page.looking(this)) this.unread += 1;
			this.#page.draw(this, { arrived: true });
		});
		connection.on("joined", () => this.#askMembers(connection));
		connection.on("left", ({ name }) => {
			this.#stopped(name);
			this.#askMembers(connection);
		});
		connection.on("typing", ({ name, typing }) => {
			this.#stopped(name);
			if (typing && name !== this.#page.name()) {
				this.typing.set(name, setTimeout(() => { this.typing.delete(name); this.#page.draw(this); }, TYPING_SHOWN_MS));
			}
			this.#page.draw(this);
		});
	}

	close() {
		this.#connection.close();
	}

	retry() {
		if (this.status === "refused") this.connect();
		else this.#connection.retryNow();
	}

	/** Sends `text`, now or as soon as there is a connection again. */
	say(text) {
		this.noteTyping(false);
		const entry = { text, tried: false, after: 0, failed: null };
		this.outbox.push(entry);
		this.#page.draw(this, { own: true });
		return this.#deliver(this.#connection, entry);
	}

	again(entry) {
		entry.failed = null;
		this.#page.draw(this);
		return this.#deliver(this.#connection, entry);
	}

	/** Fetches the page of lines before the first one known. */
	async older() {
		const first = this.lines[0];
		if (!first) return;
		try {
			if (this.#take(await this.#connection.call("history", first.id)) === 0) this.complete = true;
		} catch {
			// The button stays; pressing it again asks again.
		}
		this.#page.draw(this, { kept: true });
	}

	/** Tells the others that something is being typed, or no longer. */
	noteTyping(typing) {
		clearTimeout(this.#typingEnd);
		if (typing) this.#typingEnd = setTimeout(() => this.noteTyping(false), TYPING_PAUSE_MS);
		if (typing === this.#typingSent || !this.#connection.connected) return;
		this.#typingSent = typing;
		this.#connection.call("setTyping", typing).catch(() => {});
	}

	async #deliver(connection, entry) {
		if (!connection.connected) return;
		entry.tried = true;
		entry.after = this.lines.at(-1)?.id ?? -1;
		try {
			await connection.call("say", entry.text);
			this.#settle(entry);
		} catch (error) {
			// After a loss nobody knows whether it arrived: the history will tell.
			if (!error.lost) entry.failed = error.message;
		}
		this.#page.draw(this);
	}

	/** After every (re)connect: fetch what was missed, then send what still waits. */
	async #catchUp(connection) {
		this.#typingSent = false;
		this.#askMembers(connection);
		try {
			const known = this.lines.at(-1)?.id;
			let page = await connection.call("history");
			let fresh = this.#take(page);
			for (let pages = 1; known !== undefined && pages < MOST_CATCH_UP_PAGES; pages += 1) {
				if (page.length === 0 || page[0].id <= known) break;
				page = await connection.call("history", page[0].id);
				fresh += this.#take(page);
			}
			if (known !== undefined && !this.#page.looking(this)) this.unread += fresh;
			const first = !this.loaded;
			this.loaded = true;
			if (this.lines.length === 0) this.complete = true;
			// One page further back at once: it tells whether there is more to offer.
			else if (first) this.older();
			this.#page.draw(this, { arrived: true });
		} catch {
			return;
		}
		const taken = new Set();
		for (const entry of this.outbox.filter((waiting) => !waiting.failed)) {
			const line = entry.tried && this.lines.find((seen) =>
				seen.id > entry.after && seen.from === this.#page.name() && seen.text === entry.text && !taken.has(seen.id));
			if (line) {
				taken.add(line.id);
				this.#settle(entry);
			} else {
				await this.#deliver(connection, entry);
			}
		}
		this.#page.draw(this);
	}

	#settle(entry) {
		const at = this.outbox.indexOf(entry);
		if (at >= 0) this.outbox.splice(at, 1);
	}

	#stopped(name) {
		clearTimeout(this.typing.get(name));
		this.typing.delete(name);
	}

	async #askMembers(connection) {
		try {
			const names = await connection.call("members");
			this.members = [...new Set(names)].sort((a, b) => a.localeCompare(b));
			this.#page.draw(this);
		} catch {
			// The next connection asks again.
		}
	}

	/** Takes in lines in any order, each once; returns how many were new. */
	#take(lines) {
		const known = new Set(this.lines.map((line) => line.id));
		const fresh = lines.map((line) => ({ ...line, id: Number(line.id), at: Number(line.at) })).filter((line) => !known.has(line.id));
		if (fresh.length > 0) this.lines = [...this.lines, ...fresh].sort((a, b) => a.id - b.id);
		return fresh.length;
	}
}
