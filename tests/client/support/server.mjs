// Runs the server under test: one process per test file, on a free port with a
// private data directory, stopped and cleaned up when the file is done.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";

const STARTED_WITHIN_MS = 15_000;
const STOPPED_WITHIN_MS = 5_000;
const KEPT_LOG_BYTES = 16_384;

/** A TCP port nobody listens on at the moment. */
export async function freePort() {
	const probe = net.createServer().listen(0, "127.0.0.1");
	await new Promise((resolve) => probe.once("listening", resolve));
	const { port } = probe.address();
	await new Promise((resolve) => probe.close(resolve));
	return port;
}

/** The path in the environment variable `name`, or a message that says how to set it. */
export function binaryFrom(name) {
	const binary = process.env[name];
	if (!binary) {
		throw new Error(
			`${name} is not set: build the server and set ${name} to the path of its binary`,
		);
	}
	return path.resolve(binary);
}

/** One server process that can be stopped, killed and started again on the same port and data. */
export class Server {
	#binary;
	#environment;
	#child;
	#log = "";

	constructor({ binary, environment, port, directory }) {
		this.#binary = binary;
		this.#environment = environment;
		this.port = port;
		this.directory = directory;
		this.url = `http://127.0.0.1:${port}`;
		this.socketUrl = `ws://127.0.0.1:${port}`;
	}

	/** The last output of the process, for failure messages. */
	get log() {
		return this.#log;
	}

	/** The process id, or undefined while the server is down. */
	get pid() {
		return this.#child?.pid;
	}

	/** Starts the process and returns once `GET /health` answers 2xx. */
	async start() {
		const child = spawn(this.#binary, [], {
			env: { ...process.env, HOST: "127.0.0.1", ...this.#environment, PORT: String(this.port) },
			stdio: ["ignore", "pipe", "pipe"],
		});
		let failure;
		child.once("error", (error) => (failure = error));
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding("utf8");
			stream.on("data", (text) => (this.#log = (this.#log + text).slice(-KEPT_LOG_BYTES)));
		}
		this.#child = child;
		const deadline = Date.now() + STARTED_WITHIN_MS;
		for (;;) {
			if (failure) throw failure;
			if (child.exitCode !== null || child.signalCode !== null) {
				throw new Error(`the server ended at start (${child.exitCode ?? child.signalCode}):\n${this.#log}`);
			}
			if (await answers(`${this.url}/health`)) return this;
			if (Date.now() > deadline) throw new Error(`the server is not ready in time:\n${this.#log}`);
			await pause(20);
		}
	}

	/** Asks the process to end (SIGTERM) and returns its exit code once it has. */
	async stop() {
		return this.#end("SIGTERM");
	}

	/** Ends the process as a power cut would. */
	async kill() {
		return this.#end("SIGKILL");
	}

	async #end(signal) {
		const child = this.#child;
		if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode;
		const ended = new Promise((resolve) => child.once("exit", resolve));
		child.kill(signal);
		const overdue = setTimeout(() => child.kill("SIGKILL"), STOPPED_WITHIN_MS);
		const code = await ended;
		clearTimeout(overdue);
		return code;
	}
}

async function answers(url) {
	try {
		const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
		await response.arrayBuffer();
		return response.ok;
	} catch {
		return false;
	}
}

/** Starts the fixture server for the calling test file; it is stopped after the file's last test. */
export async function startFixtures(options = {}) {
	const directory = await mkdtemp(path.join(os.tmpdir(), "actor-fixtures-"));
	const server = new Server({
		binary: binaryFrom("FIXTURE_SERVER"),
		environment: { FIXTURE_DATA_DIR: directory },
		port: options.port ?? (await freePort()),
		directory,
	});
	after(async () => {
		await server.stop();
		await rm(directory, { recursive: true, force: true });
	});
	return server.start();
}

/** A server behind a supervisor, which holds the listening socket while the server is replaced. */
class Supervised {
	#supervisor;
	#starts = 0;
	#log = "";

	constructor(port, directory) {
		this.port = port;
		this.directory = directory;
		this.url = `http://127.0.0.1:${port}`;
	}

	async start(binary) {
		this.#supervisor = spawn(path.join(path.dirname(binary), "supervisor"), [binary], {
			env: {
				...process.env,
				PORT: String(this.port),
				FIXTURE_DATA_DIR: this.directory,
				DATABASE: path.join(this.directory, "data.db"),
			},
			stdio: ["pipe", "pipe", "pipe"],
		});
		for (const stream of [this.#supervisor.stdout, this.#supervisor.stderr]) {
			stream.setEncoding("utf8");
			stream.on("data", (text) => {
				this.#starts += text.split("\n").filter((line) => line === "started").length;
				this.#log = (this.#log + text).slice(-KEPT_LOG_BYTES);
			});
		}
		await this.#started(1);
		return this;
	}

	/** Has the server replaced, by `restart` or by `kill`; returns once the next process runs. */
	async order(order) {
		const next = this.#starts + 1;
		this.#supervisor.stdin.write(`${order}\n`);
		await this.#started(next);
	}

	async #started(count) {
		const deadline = Date.now() + STARTED_WITHIN_MS;
		while (this.#starts < count) {
			if (this.#supervisor.exitCode !== null) throw new Error(`the supervisor ended:\n${this.#log}`);
			if (Date.now() > deadline) throw new Error(`the server was not replaced in time:\n${this.#log}`);
			await pause(10);
		}
	}

	async stop() {
		const ended = new Promise((resolve) => this.#supervisor.once("exit", resolve));
		if (this.#supervisor.exitCode !== null) return;
		this.#supervisor.stdin.end();
		const overdue = setTimeout(() => this.#supervisor.kill("SIGKILL"), STOPPED_WITHIN_MS);
		await ended;
		clearTimeout(overdue);
	}
}

/** Starts the server in the environment variable `name` behind a supervisor, for the calling test file. */
export async function startSupervised(name) {
	const directory = await mkdtemp(path.join(os.tmpdir(), "actor-supervised-"));
	const server = new Supervised(await freePort(), directory);
	after(async () => {
		await server.stop();
		await rm(directory, { recursive: true, force: true });
	});
	return server.start(binaryFrom(name));
}

/** Starts the chat example for the calling test file, with its database in a private directory. */
export async function startChat() {
	const directory = await mkdtemp(path.join(os.tmpdir(), "actor-chat-"));
	const server = new Server({
		binary: binaryFrom("CHAT_SERVER"),
		environment: { DATABASE: path.join(directory, "chat.db") },
		port: await freePort(),
		directory,
	});
	after(async () => {
		await server.kill();
		await rm(directory, { recursive: true, force: true });
	});
	return server.start();
}

/** Resolves after `ms` milliseconds. For spans the test itself defines, never to await an effect. */
export function pause(ms) {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
