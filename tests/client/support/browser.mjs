// Headless Chromium for the pages: the system's own browser, found by CHROMIUM.
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const SCREENSHOTS = fileURLToPath(new URL("../screenshots/", import.meta.url));
const FLAGS = [
	"--no-sandbox",
	"--disable-gpu",
	"--disable-quic",
	"--no-first-run",
	"--disable-background-networking",
	"--disable-component-update",
	"--disable-sync",
];

/** Starts the browser; it is closed after the file's last test. */
export async function startBrowser() {
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
		headless: true,
		args: FLAGS,
	});
	after(() => browser.close());
	return browser;
}

/** Writes a picture of `page` to the screenshots directory. */
export async function picture(page, name) {
	await mkdir(SCREENSHOTS, { recursive: true });
	await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}
