// The chat page: draws the joined rooms and does what the user asks. What a room
// is, and how it stays complete over a bad network, lives in room.js.
import { Room } from "./room.js";

const SUGGESTED = ["lobby", "random", "rust", "music"];
const FIRST_ROOM = "lobby";
const SAME_SPEAKER_MS = 5 * 60_000;
const NEAR_END_PX = 80;

const $ = (id) => document.getElementById(id);

// ---- what is remembered in this browser --------------------------------------

const memory = {
	read(key, otherwise) {
		try {
			return JSON.parse(localStorage.getItem(`chat.${key}`)) ?? otherwise;
		} catch {
			return otherwise;
		}
	},
	write(key, value) {
		try {
			localStorage.setItem(`chat.${key}`, JSON.stringify(value));
		} catch {
			// A browser that stores nothing still chats.
		}
	},
};

let myName = memory.read("name", "");
let theme = memory.read("theme", "auto");
const rooms = new Map();
let current = null;

/** What a room may ask of the page. */
const page = { name: () => myName, draw, looking };

function looking(room) {
	return room === current && document.visibilityState === "visible" && document.hasFocus();
}

// ---- joining and leaving -----------------------------------------------------

/** A room's name as its key: lower case, words joined by dashes. */
function slug(text) {
	return text.toLowerCase().normalize("NFC").trim().replace(/[\s_]+/g, "-").replace(/[^\p{L}\p{N}-]/gu, "").replace(/-{2,}/g, "-").slice(0, 40);
}

function join(name) {
	if (!rooms.has(name)) rooms.set(name, new Room(name, page));
	memory.write("rooms", [...rooms.keys()]);
	show(rooms.get(name));
}

function leave(name) {
	rooms.get(name)?.close();
	rooms.delete(name);
	memory.write("rooms", [...rooms.keys()]);
	if (current?.name === name) {
		current = null;
		join(rooms.keys().next().value ?? FIRST_ROOM);
	}
	drawRooms();
}

function show(room) {
	if (current === room) return closePanels();
	if (current) {
		current.draft = $("text").value;
		current.noteTyping(false);
	}
	current = room;
	if (location.hash.slice(1) !== encodeURIComponent(room.name)) history.replaceState(null, "", `#${encodeURIComponent(room.name)}`);
	$("text").value = room.draft;
	$("text").placeholder = `Message #${room.name}`;
	room.unread = 0;
	closePanels();
	fitComposer();
	draw(room, { jumped: true });
	if (matchMedia("(hover: hover)").matches) $("text").focus();
}

// ---- drawing -----------------------------------------------------------------

/** Draws `room` again; `how` says why, which decides whether the view moves. */
function draw(room, how = {}) {
	drawRooms();
	if (room !== current) return;
	$("title").textContent = `#${room.name}`;
	$("subtitle").textContent = subtitle(room);
	drawStatus(room);
	drawMembers(room);
	drawTyping(room);
	drawLines(room, how);
}

function subtitle(room) {
	if (room.status === "refused") return "You are not in this room";
	if (!room.loaded && room.status !== "connected") return "Opening the room";
	const others = room.members.filter((name) => name !== myName).length;
	return others === 0 ? "Only you are here" : `You and ${others} ${others === 1 ? "other" : "others"}`;
}

function drawStatus(room) {
	const words = { connected: "Connected", connecting: "Connecting", waiting: "Reconnecting", refused: "Refused" };
	$("status").textContent = words[room.status];
	$("status").dataset.status = room.status;
	$("app").classList.toggle("offline", room.status !== "connected");
	const text =
		room.status === "refused" ? `The room did not let you in: ${room.detail.message}` :
		room.status === "waiting" ? "The connection is lost. What you write is sent when it is back." : "";
	$("notice").dataset.status = room.status;
	if (text) {
		$("notice-text").textContent = text;
		$("notice-action").textContent = room.status === "refused" ? "Try again" : "Retry now";
		$("notice").hidden = false;
	} else if (room.status === "connected") {
		$("notice").hidden = true;
	}
}

function drawMembers(room) {
	$("member-count").textContent = room.members.length || "";
	$("members").replaceChildren(...room.members.map((name) =>
		element("li", { className: "member" }, avatar(name), element("span", { textContent: name }), name === myName ? element("small", { textContent: "you" }) : "")));
}

function drawTyping(room) {
	const names = [...room.typing.keys()];
	$("typing").textContent =
		names.length === 0 ? "" :
		names.length === 1 ? `${names[0]} is typing` :
		names.length === 2 ? `${names[0]} and ${names[1]} are typing` : "Several people are typing";
	$("typing").classList.toggle("on", names.length > 0);
}

function drawLines(room, how) {
	const log = $("log");
	const fromEnd = log.scrollHeight - log.scrollTop;
	const nearEnd = fromEnd - log.clientHeight < NEAR_END_PX;
	const entries = [];
	let before = null;
	for (const line of room.lines) {
		if (!before || day(before.at) !== day(line.at)) {
			entries.push(element("li", { className: "day" }, element("span", { textContent: day(line.at) })));
			before = null;
		}
		entries.push(bubble(line, before));
		before = line;
	}
	entries.push(...room.outbox.map((entry) => waiting(room, entry)));
	$("lines").replaceChildren(...entries);
	$("skeleton").hidden = room.loaded || room.status === "refused";
	$("empty").hidden = !room.loaded || entries.length > 0;
	$("older").hidden = room.complete || room.lines.length === 0;
	if (how.jumped || how.own || nearEnd) log.scrollTop = log.scrollHeight;
	else if (how.kept) log.scrollTop = log.scrollHeight - fromEnd;
	else if (how.arrived) $("jump").hidden = false;
	if (how.jumped || how.own || nearEnd) $("jump").hidden = true;
}

function bubble(line, before) {
	const mine = line.from === myName;
	const follows = before && before.from === line.from && line.at - before.at < SAME_SPEAKER_MS;
	const item = element("li", { className: `line${mine ? " mine" : ""}${follows ? " follows" : ""}` });
	if (!mine) item.append(follows ? element("span", { className: "avatar-gap" }) : avatar(line.from));
	const body = element("div", { className: "body" });
	if (!follows) {
		const head = element("div", { className: "head" });
		if (!mine) head.append(element("b", { textContent: line.from }));
		head.append(element("time", { dateTime: new Date(line.at).toISOString(), textContent: clock(line.at) }));
		body.append(head);
	}
	body.append(element("p", { className: "bubble", title: new Date(line.at).toLocaleString() }, ...linked(line.text)));
	item.append(body);
	return item;
}

function waiting(room, entry) {
	const item = element("li", { className: `line mine follows waiting${entry.failed ? " failed" : ""}` });
	const body = element("div", { className: "body" }, element("p", { className: "bubble", textContent: entry.text }));
	if (entry.failed) {
		const again = element("button", { className: "text-button", textContent: "Try again" });
		again.onclick = () => room.again(entry);
		body.append(element("div", { className: "head" }, `Not sent: ${entry.failed} `, again));
	} else {
		body.append(element("div", { className: "head", textContent: room.status === "connected" ? "Sending" : "Waiting for the connection" }));
	}
	item.append(body);
	return item;
}

function drawRooms() {
	$("rooms").replaceChildren(...[...rooms.values()].map((room) => {
		const open = element("button", { className: "room-open" }, element("span", { className: "hash", textContent: "#" }), element("span", { className: "room-name", textContent: room.name }));
		if (room.unread > 0) open.append(element("span", { className: "badge", textContent: room.unread > 99 ? "99+" : room.unread }));
		open.onclick = () => show(room);
		const out = element("button", { className: "room-leave", title: `Leave #${room.name}` }, icon("close"), element("span", { className: "sr", textContent: `Leave ${room.name}` }));
		out.onclick = () => leave(room.name);
		const item = element("li", { className: room === current ? "current" : "" }, open, out);
		if (room === current) open.setAttribute("aria-current", "page");
		return item;
	}));
	const rest = SUGGESTED.filter((name) => !rooms.has(name));
	$("suggested-title").hidden = rest.length === 0;
	$("suggested").replaceChildren(...rest.map((name) => {
		const open = element("button", { className: "room-open" }, element("span", { className: "hash", textContent: "#" }), element("span", { className: "room-name", textContent: name }), element("span", { className: "hint", textContent: "Join" }));
		open.onclick = () => join(name);
		return element("li", {}, open);
	}));
	const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
	$("elsewhere").hidden = unread === 0;
	document.title = `${unread > 0 ? `(${unread}) ` : ""}${current ? `#${current.name} · ` : ""}Rooms`;
}

function drawMe() {
	$("my-name").textContent = myName;
	$("my-avatar").replaceWith(Object.assign(avatar(myName), { id: "my-avatar" }));
}

// ---- small parts -------------------------------------------------------------

function element(tag, properties, ...children) {
	const made = Object.assign(document.createElement(tag), properties);
	made.append(...children.filter((child) => child !== ""));
	return made;
}

function icon(name) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
	use.setAttribute("href", `#icon-${name}`);
	svg.append(use);
	return svg;
}

function avatar(name) {
	let hue = 0;
	for (const sign of name) hue = (hue * 31 + sign.codePointAt(0)) % 360;
	const made = element("span", { className: "avatar", textContent: [...name.trim()].slice(0, 1).join("").toUpperCase() });
	made.style.setProperty("--hue", hue);
	made.setAttribute("aria-hidden", "true");
	return made;
}

/** `text` with its web addresses as links; everything else stays text. */
function linked(text) {
	return text.split(/(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)])/).map((part, index) =>
		index % 2 === 0 ? part : element("a", { href: part, textContent: part, target: "_blank", rel: "noopener noreferrer" }));
}

function clock(at) {
	return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function day(at) {
	const then = new Date(at).toDateString();
	const now = new Date();
	if (then === now.toDateString()) return "Today";
	now.setDate(now.getDate() - 1);
	if (then === now.toDateString()) return "Yesterday";
	return new Date(at).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
}

function fitComposer() {
	const text = $("text");
	text.style.height = "auto";
	text.style.height = `${text.scrollHeight}px`;
	$("send").disabled = text.value.trim() === "";
}

function closePanels() {
	$("app").classList.remove("show-rooms", "show-members");
}

function applyTheme() {
	if (theme === "auto") delete document.documentElement.dataset.theme;
	else document.documentElement.dataset.theme = theme;
	$("theme-label").textContent = `Theme: ${theme}`;
	$("theme").title = `Theme: ${theme}`;
}

function askName() {
	return new Promise((resolve) => {
		const dialog = $("name-dialog");
		$("name").value = myName;
		dialog.oncancel = (event) => { if (!myName) event.preventDefault(); };
		$("name-form").onsubmit = (event) => {
			const name = $("name").value.trim().replace(/\s+/g, " ");
			if (!name) event.preventDefault();
			else resolve(name);
		};
		dialog.showModal();
	});
}

// ---- what the user does ------------------------------------------------------

$("join").onsubmit = (event) => {
	event.preventDefault();
	const name = slug($("join-name").value);
	if (name) join(name);
	$("join-name").value = "";
};
$("composer").onsubmit = (event) => {
	event.preventDefault();
	const text = $("text").value.trim();
	if (!text) return;
	$("text").value = "";
	fitComposer();
	current.say(text);
};
$("text").oninput = () => {
	fitComposer();
	current.noteTyping($("text").value.trim() !== "");
};
$("text").onkeydown = (event) => {
	if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
	event.preventDefault();
	$("composer").requestSubmit();
};
$("rename").onclick = async () => {
	const name = await askName();
	if (name === myName) return;
	myName = name;
	memory.write("name", name);
	drawMe();
	for (const room of rooms.values()) room.connect();
};
$("theme").onclick = () => {
	theme = { auto: "light", light: "dark", dark: "auto" }[theme] ?? "auto";
	memory.write("theme", theme);
	applyTheme();
};
$("older").onclick = () => current.older();
$("jump").onclick = () => {
	$("log").scrollTo({ top: $("log").scrollHeight, behavior: "smooth" });
	$("jump").hidden = true;
};
$("log").onscroll = () => {
	const log = $("log");
	if (log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX) $("jump").hidden = true;
};
$("notice-action").onclick = () => current.retry();
$("open-rooms").onclick = () => $("app").classList.add("show-rooms");
$("open-members").onclick = () => $("app").classList.toggle("show-members");
for (const closing of document.querySelectorAll("[data-close]")) closing.onclick = closePanels;
addEventListener("keydown", (event) => { if (event.key === "Escape") closePanels(); });
addEventListener("online", () => { for (const room of rooms.values()) room.retry(); });
addEventListener("hashchange", () => {
	const name = slug(decodeURIComponent(location.hash.slice(1)));
	if (name) join(name);
});
for (const seen of ["focus", "visibilitychange"]) {
	addEventListener(seen, () => {
		if (!current || !looking(current) || current.unread === 0) return;
		current.unread = 0;
		drawRooms();
	});
}

// ---- start -------------------------------------------------------------------

applyTheme();
if (!myName) {
	myName = await askName();
	memory.write("name", myName);
}
drawMe();
const wanted = slug(decodeURIComponent(location.hash.slice(1)));
for (const name of memory.read("rooms", [])) rooms.set(name, new Room(name, page));
join(wanted || rooms.keys().next().value || FIRST_ROOM);
