// The chat example's page in a real browser: two people in one room, a server
// that is killed under them, a phone, and both colour schemes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { picture, startBrowser } from "./support/browser.mjs";
import { clientOf, newKey } from "./support/client.mjs";
import { pause, startChat, startSupervised } from "./support/server.mjs";

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

const server = await startChat();
const browser = await startBrowser();

/** Opens the page as `name` in `room`, in a browser profile of its own. */
async function enter(name, room, options = {}, { url } = server) {
	const context = await browser.newContext({ ...DESKTOP, ...options });
	const page = await context.newPage();
	page.setDefaultTimeout(15_000);
	page.faults = [];
	page.on("pageerror", (error) => page.faults.push(error.message));
	await page.goto(`${url}/#${room}`);
	await page.fill("#name", name);
	await page.press("#name", "Enter");
	await connected(page);
	return page;
}

function connected(page) {
	return page.waitForSelector('#status[data-status="connected"]');
}

async function say(page, text) {
	await page.fill("#text", text);
	await page.press("#text", "Enter");
}

function line(page, text) {
	return page.locator("#lines .line:not(.waiting) .bubble", { hasText: text });
}

/** All lines the page shows as settled, top to bottom. */
async function lines(page) {
	return page.locator("#lines .line:not(.waiting) .bubble").allTextContents();
}

async function leave(...pages) {
	for (const page of pages) {
		assert.deepEqual(page.faults, [], "the page threw");
		await page.context().close();
	}
}

describe("two people in one room", () => {
	test("see each other's lines, presence and typing", async () => {
		const room = newKey("room");
		const ann = await enter("ann", room);
		await ann.waitForSelector("#empty:not([hidden])");
		await picture(ann, "empty-room");
		const bob = await enter("Bob", room, { colorScheme: "dark" });
		await ann.locator("#members .member", { hasText: "Bob" }).waitFor();
		await bob.locator("#members .member", { hasText: "ann" }).waitFor();
		assert.equal(await bob.locator("#members .member").count(), 2);

		await say(ann, "Hello, is anybody here?");
		await line(bob, "Hello, is anybody here?").waitFor();
		await bob.locator("#text").pressSequentially("Yes, j");
		await ann.locator("#typing", { hasText: "Bob is typing" }).waitFor();
		await picture(ann, "typing-light");
		await say(bob, "Yes, just arrived");
		await line(ann, "Yes, just arrived").waitFor();
		await ann.waitForFunction(() => document.getElementById("typing").textContent === "");
		assert.deepEqual(await lines(ann), await lines(bob));
		assert.equal(await ann.locator(".line.mine").count(), 1);
		await picture(bob, "conversation-dark");

		await bob.context().close();
		await ann.locator("#members .member", { hasText: "Bob" }).waitFor({ state: "detached" });
		await leave(ann);
	});

	test("text stays text, whatever is in it", async () => {
		const ann = await enter("ann", newKey("room"));
		const odd = '<img src=x onerror="document.title=1"> $BigInt "quoted" \\ ü';
		await say(ann, odd);
		await line(ann, odd).waitFor();
		assert.equal(await ann.locator("#lines img").count(), 0);
		await leave(ann);
	});

	test("a room joined but not looked at counts what was missed", async () => {
		const [first, second] = [newKey("first"), newKey("second")];
		const ann = await enter("ann", first);
		await ann.fill("#join-name", second);
		await ann.press("#join-name", "Enter");
		await ann.locator("#title", { hasText: second }).waitFor();
		const bob = await enter("Bob", first);
		await say(bob, "one");
		await say(bob, "two");
		await ann.locator("#rooms .badge", { hasText: "2" }).waitFor();
		await ann.locator("#rooms .room-open", { hasText: first }).click();
		await line(ann, "two").waitFor();
		await ann.locator("#rooms .badge").waitFor({ state: "detached" });
		await leave(ann, bob);
	});

	test("name and rooms are remembered in the browser", async () => {
		const room = newKey("room");
		const ann = await enter("ann", room);
		await say(ann, "still here?");
		await line(ann, "still here?").waitFor();
		await ann.goto(`${server.url}/`);
		await connected(ann);
		await line(ann, "still here?").waitFor();
		assert.equal(await ann.textContent("#my-name"), "ann");
		await leave(ann);
	});
});

test("a killed server: the pages return by themselves, with everything that was said", async () => {
	const room = newKey("room");
	const ann = await enter("ann", room);
	const bob = await enter("Bob", room, { colorScheme: "dark" });
	const said = Array.from({ length: 12 }, (_, index) => `line ${index + 1} of twelve`);
	for (const text of said) await say(said.indexOf(text) % 2 === 0 ? ann : bob, text);
	for (const text of said) {
		await line(ann, text).waitFor();
		await line(bob, text).waitFor();
	}
	const before = await lines(ann);

	await server.kill();
	await bob.waitForSelector("#notice:not([hidden])");
	await say(bob, "written while the server was away");
	await bob.locator(".line.waiting").waitFor();
	await picture(bob, "reconnecting-dark");
	await server.start();
	await Promise.all([connected(ann), connected(bob)]);
	await line(ann, "written while the server was away").waitFor();
	await line(bob, "written while the server was away").waitFor();
	assert.deepEqual(await lines(ann), [...before, "written while the server was away"]);
	assert.deepEqual(await lines(bob), await lines(ann));
	await ann.locator("#members .member", { hasText: "Bob" }).waitFor();

	const late = await enter("Carla", room);
	await line(late, "written while the server was away").waitFor();
	assert.deepEqual(await lines(late), await lines(ann), "the history on disk differs from what was seen");
	await picture(ann, "after-restart-light");
	await leave(ann, bob, late);
});

test("on a phone everything is within reach", async () => {
	const ann = await enter("ann", newKey("room"), { ...PHONE, colorScheme: "dark" });
	await say(ann, "on the phone");
	await line(ann, "on the phone").waitFor();
	await picture(ann, "phone-dark");
	await ann.click("#open-rooms");
	await ann.locator("#join-name").waitFor();
	await picture(ann, "phone-rooms-dark");
	await ann.locator("#rooms-panel [data-close]").click();
	await ann.click("#open-members");
	await ann.locator("#members .member", { hasText: "ann" }).waitFor();
	const wide = await ann.evaluate(() => document.documentElement.scrollWidth > innerWidth);
	assert.equal(wide, false, "the page scrolls sideways");
	await leave(ann);
});

test("ten restarts under load: the page stays, and what was said is there once", async () => {
	const supervised = await startSupervised("CHAT_SERVER");
	const room = newKey("room");
	const ann = await enter("ann", room, {}, supervised);
	const bot = clientOf(supervised).chatRoom.getOrCreate([room]).connect({ name: "bot" });
	const acknowledged = [];
	let stopped = false;
	const load = (async () => {
		for (let n = 1; !stopped; n += 1) {
			const text = `of the bot ${n}`;
			await bot.say(text).then(() => acknowledged.push(text), () => {});
			await pause(20);
		}
	})();
	const said = [];
	for (let round = 1; round <= 10; round += 1) {
		said.push(`round ${round} begins`);
		await say(ann, said.at(-1));
		await supervised.order(round % 5 === 0 ? "kill" : "restart");
		// The page waits longer each time a connection was short; a browser that is online again does not.
		await ann.evaluate(() => dispatchEvent(new Event("online")));
		await connected(ann);
		await line(ann, said.at(-1)).waitFor();
	}
	stopped = true;
	await load;
	await line(ann, acknowledged.at(-1)).waitFor();
	const shown = await lines(ann);
	for (const text of said) assert.equal(shown.filter((it) => it === text).length, 1, text);
	const kept = shown.filter((it) => acknowledged.includes(it));
	assert.deepEqual(kept, acknowledged.slice(-kept.length), "an acknowledged line is missing");
	assert.ok(bot.isConnected);
	await bot.dispose();
	await leave(ann);
});
