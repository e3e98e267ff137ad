// Signs in at an identity provider in Debian's Chromium, asks a question, and signs out: node signin.mjs CONFIG.json. Prints what was seen; the Go test judges it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const require = createRequire(join(config.tools, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: config.chromium, headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"],
});
const patient = { timeout: 25_000 };
const out = { away: [], errors: [], policy: [], axe: [] };
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, colorScheme: "light", locale: "en-GB" });
await context.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.warn(`POLICY ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`)));
const page = await context.newPage();
const ours = (url) => url.startsWith(config.origin + "/") || url.startsWith(`blob:${config.origin}/`);
// To the provider the browser goes itself; the page asks it for nothing.
page.on("request", (r) => { if (!ours(r.url())) out.away.push(`${r.isNavigationRequest() ? "navigation" : r.resourceType()} ${new URL(r.url()).origin}`); });
page.on("pageerror", (e) => out.errors.push(String(e)));
page.on("console", (m) => {
  if (m.text().startsWith("POLICY ") && ours(page.url())) out.policy.push(m.text());
  else if (m.type() === "error" && ours(page.url()) && !/the server responded with a status of 401/.test(m.text())) out.errors.push(m.text());
});
const text = (selector) => page.locator(selector).first().innerText();
const ready = () => page.waitForSelector("html[data-ready]", patient);
const shot = (name) => page.screenshot({ path: join(config.shots, `console-${name}.png`), fullPage: true });
async function judge(where) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ["violations"] })).violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(" | ")}`));
  for (const f of found) if (/^(serious|critical) /.test(f)) out.axe.push(`${where}: ${f}`);
}

// Somebody changes their mind at the provider; the place where they began is kept.
await page.goto(`${config.origin}/console/#/budget`);
await ready();
out.offered = await text("[data-provider]");
await judge("sign-in with a provider");
await shot("sign-in-provider");
await page.click("[data-provider]");
await page.waitForSelector("input[name=user]", patient);
out.asked = page.url();
await page.click("button[name=cancel]");
await page.waitForSelector("[data-problem]", patient);
out.cancelled = { problem: await page.getAttribute("[data-problem]", "data-problem"), text: await text("[data-problem]"), hash: await page.evaluate(() => location.hash) };
await judge("sign-in that was refused");
await shot("sign-in-refused");

// Somebody whom nobody here knows, in Korean and in Chinese.
await page.selectOption("header select", "ko");
await page.waitForSelector("html[lang=ko]");
await page.click("[data-provider]");
await page.fill("input[name=user]", "stranger");
await page.click("button:not([name])");
await page.waitForSelector("[data-problem=person]", patient);
out.stranger = await text("[data-problem]");
await page.selectOption("header select", "zh");
await page.waitForSelector("html[lang=zh]");
out.chinese = await text("main");
await shot("sign-in-chinese");
await page.selectOption("header select", "en");
await page.waitForSelector("html[lang=en]");
// The provider goes on taking them for the stranger: its own cookie is the browser's.
await context.clearCookies({ domain: "127.0.0.1" });

// The researcher.
await page.click("[data-provider]");
await page.fill("input[name=user]", "ana");
await page.keyboard.press("Enter");
await page.waitForURL(`${config.origin}/console/**`, patient);
await ready();
await page.waitForSelector("nav a[aria-current]", patient);
out.landed = await page.evaluate(() => location.hash);
out.person = await text("header .person");
out.session = await page.evaluate(async () => (await fetch("/console/session")).json());
out.cookies = (await context.cookies(config.origin)).filter((c) => c.name.startsWith("__Host-"));
out.stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.length]));
await page.click("nav a:nth-child(1)");
await page.waitForSelector('[data-quote="allowed"]', patient);
await page.locator(".cm-content").click();
await page.keyboard.press("Control+a");
await page.keyboard.press("Delete");
await page.keyboard.insertText(config.sql);
await page.keyboard.press("Escape");
await page.waitForTimeout(900);
await page.waitForSelector('[data-quote="allowed"]', patient);
await page.click("main .desk button.main");
await page.waitForSelector("[data-receipt]", patient);
out.answer = { receipt: await page.getAttribute("[data-receipt]", "data-receipt"), rows: await page.locator("[data-answer] tbody tr").count() };
await judge("answer to somebody of the provider");
await shot("provider-answer");

// Signing out: here, then at the provider, and back.
await page.click("header button");
await page.waitForSelector("button[name=logout]", patient);
out.out = page.url();
await page.click("button[name=logout]");
await page.waitForURL(`${config.origin}/console/**`, patient);
await ready();
await page.waitForSelector("[data-provider]", patient);
out.after = await page.evaluate(async () => (await fetch("/v1/datasets")).status);
await page.click("[data-provider]");
await page.waitForSelector("input[name=user]", patient); // it asks for a name again
out.again = true;
await browser.close();
process.stdout.write(JSON.stringify(out));
