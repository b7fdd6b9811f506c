// A TCP front that keeps its port while the server behind it goes away, as a
// load balancer does: it can cut what is open and hold what is new.
import net from "node:net";
import { after } from "node:test";
import { freePort } from "./server.mjs";

/** Forwards connections to `server`; `hold` keeps new ones waiting until `release`. */
export class Front {
	#held = null;
	#pairs = new Set();

	constructor(server, port, listener) {
		this.server = server;
		this.url = `http://127.0.0.1:${port}`;
		this.socketUrl = `ws://127.0.0.1:${port}`;
		this.accepted = 0;
		listener.on("connection", (client) => {
			this.accepted += 1;
			client.on("error", () => {});
			if (this.#held) this.#held.push(client);
			else this.#forward(client);
		});
	}

	#forward(client) {
		const backend = net.connect({ port: this.server.port, host: "127.0.0.1", noDelay: true });
		client.setNoDelay(true);
		const pair = { client, backend };
		this.#pairs.add(pair);
		const end = () => {
			this.#pairs.delete(pair);
			client.destroy();
			backend.destroy();
		};
		for (const side of [client, backend]) side.on("error", end).on("close", end);
		client.pipe(backend);
		backend.pipe(client);
	}

	/** Lets new connections wait from now on. */
	hold() {
		this.#held ??= [];
	}

	/** Forwards what waits and what comes. */
	release() {
		const held = this.#held ?? [];
		this.#held = null;
		for (const client of held) this.#forward(client);
	}

	/** Cuts every open connection without a word, as a broken network does. */
	cut() {
		for (const { client, backend } of [...this.#pairs]) {
			client.destroy();
			backend.destroy();
		}
	}
}

/** A front for `server`, closed after the file's last test. */
export async function startFront(server) {
	const port = await freePort();
	const listener = net.createServer().listen(port, "127.0.0.1");
	await new Promise((resolve) => listener.once("listening", resolve));
	const front = new Front(server, port, listener);
	after(() => {
		front.cut();
		listener.close();
	});
	return front;
}
