// Opens the page in Debian's Chromium, takes the network away, and has it verify: node browser.mjs CONFIG.json, which names the
// installed playwright-core, the page's address, where to write, and cases. Prints what the page said and every address asked for.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { chromium } = createRequire(join(config.tools, "package.json"))("playwright-core");
const context = await chromium.launchPersistentContext(join(config.work, "profile"), {
  executablePath: config.chromium, headless: true, viewport: { width: 900, height: 1100 }, colorScheme: "light",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-features=AutofillServerCommunication,OptimizationHints,MediaRouter,DialMediaRouteProvider,Translate", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", `--log-net-log=${join(config.work, "net.json")}`,
  ],
});
const asked = [], errors = [], answers = [];
context.on("request", (r) => asked.push(r.url()));
// A page for each case, all loaded before the network goes.
const pages = [];
for (const _ of config.cases) {
  const page = await context.newPage();
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("console", (m) => m.type() === "error" && errors.push(m.text()));
  await page.goto(config.page);
  await page.waitForSelector("html[data-ready]");
  pages.push(page);
}
await context.setOffline(true);
const before = asked.length;
for (const [i, c] of config.cases.entries()) {
  const page = pages[i];
  await page.bringToFront();
  await page.fill("#vkeys", c.vkeys);
  for (const id of ["export", "receipt", "result"]) if (c[id]) await page.setInputFiles(`#${id}`, c[id]);
  await page.click("#verify");
  await page.waitForSelector("#verify:not([disabled])", { timeout: 120_000 });
  const text = (sel) => page.locator(sel).allInnerTexts();
  answers.push({
    name: c.name, verdict: await page.getAttribute("#said .verdict", "class"), title: (await text("#said .title")).join(), text: (await text("#said .verdict")).join(),
    cards: await page.locator("#said .card").evaluateAll((all) => all.map((e) => ({ class: e.className, text: e.innerText }))),
  });
  if (c.shot) await page.screenshot({ path: c.shot, fullPage: true });
}
const offline = asked.length - before;
await context.close();
console.log(JSON.stringify({ asked, offline, errors, answers }));
