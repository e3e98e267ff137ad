// Opens the review site in Debian's Chromium, as it is and beside exports that were changed: node site.mjs CONFIG.json. Prints what was seen; the Go test judges it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const require = createRequire(join(config.tools, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: config.chromium, headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"],
});
const out = { asked: [], errors: [], policy: [], axe: [] };
const patient = { timeout: 60_000 };

async function enter(origin, place = "") {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", locale: "en-GB" });
  context.on("request", (r) => out.asked.push(`${r.method()} ${r.url()}`));
  await context.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.warn(`POLICY ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`)));
  const page = await context.newPage();
  page.on("pageerror", (e) => out.errors.push(String(e)));
  page.on("console", (m) => {
    if (m.text().startsWith("POLICY ")) out.policy.push(m.text());
    // Files that an export need not have are asked for, and the browser reports each as an error of its own.
    else if (m.type() === "error" && !/the server responded with a status of 404/.test(m.text())) out.errors.push(m.text());
  });
  await page.goto(`${origin}/${place}`);
  await page.waitForSelector("html[data-ready]", patient);
  return page;
}
async function judge(page, where) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ["violations"] })).violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(" | ")}`));
  for (const f of found) if (/^(serious|critical) /.test(f)) out.axe.push(`${where}: ${f}`);
}
const shot = (page, name, fullPage = true) => page.screenshot({ path: join(config.shots, `review-${name}.png`), fullPage });
const view = async (page, n) => { await page.click(`nav a:nth-child(${n})`); await page.waitForTimeout(250); };
const seal = async (page, state) => { await page.waitForSelector(`[data-seal="${state}"]`, patient); return `${state} ${await page.innerText("[data-seal]")}`; };
const done = (page) => page.waitForFunction(() => !["…", undefined].includes(document.querySelector("article [role=status]")?.textContent), undefined, patient);

{
  const began = performance.now();
  const page = await enter(config.origins.good);
  out.own = await seal(page, "own");
  out.ms = performance.now() - began;
  await page.waitForSelector("ol a", patient);
  await judge(page, "record");
  await shot(page, "record", false);
  await page.selectOption("main form select", "changes");
  await page.waitForSelector("ol .tag:text-is('BUDGET')", patient);
  out.filtered = (await page.locator("ol .tag").allInnerTexts()).join(" ");
  // Agreements come from the log alone; the curves are drawn.
  await view(page, 2);
  await page.waitForSelector("[data-agreement] canvas", patient);
  out.agreements = await page.innerText("main");
  await judge(page, "agreements");
  await shot(page, "agreements");
  await view(page, 3);
  await page.waitForSelector("main svg", patient);
  await judge(page, "activity");
  await shot(page, "activity");
  await view(page, 4);
  await page.fill("#vkeys", config.vkeys);
  await page.click("#vkeys ~ .row button.main");
  out.good = await seal(page, "good");
  await page.click("section[aria-labelledby=cheat] button.main");
  await page.waitForSelector("[data-cheat]", patient);
  out.cheat = `${await page.getAttribute("[data-cheat]", "data-cheat")} ${(await page.locator("section[aria-labelledby=cheat] .card").allInnerTexts()).join(" ")}`;
  await page.waitForFunction(() => document.querySelectorAll("[data-stamp] .tag").length === 2, undefined, patient);
  out.stamps = await page.locator("[data-stamp]").allInnerTexts();
  await judge(page, "proof");
  await shot(page, "proof");
  await page.goto(`${config.origins.good}/#/case/${config.intent}`);
  await page.waitForSelector("article pre", patient);
  out.case = await page.innerText("main");
  await page.locator("article button").first().click();
  await done(page);
  out.proof = await page.innerText("article [role=status]");
  await judge(page, "case");
  // Entries at the edges of tiles of both levels, and the last one, whose path goes through tiles that are not full.
  out.proofs = [];
  const total = Number(/all ([\d,]+) entries/.exec(out.good)[1].replaceAll(",", ""));
  for (const seq of [0, 255, 256, 8191, 9984, total - 1]) {
    await page.goto(`${config.origins.good}/#/case/${seq}`);
    const article = page.locator("article.asked");
    await article.locator(`h2:has-text("${seq}")`).waitFor(patient);
    await article.locator("button").click();
    await article.locator("[role=status]:not(:text-is('…'))").waitFor(patient);
    out.proofs.push(await article.locator("[role=status]").innerText());
  }
  await page.goto(`${config.origins.good}/#/case/${config.intent}`);
  await shot(page, "case");
  await page.selectOption("header select", "zh");
  await page.waitForSelector("html[lang=zh]");
  out.chinese = (await page.locator("nav a").allInnerTexts()).join(" ");
  await page.setViewportSize({ width: 390, height: 844 });
  await view(page, 1);
  out.phone = await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  await judge(page, "record on a phone, Chinese");
  await shot(page, "phone", false);
}
{
  const page = await enter(config.origins.entry);
  out.entry = await seal(page, "bad");
  await judge(page, "changed entry");
  await shot(page, "changed-byte", false);
}
{
  const page = await enter(config.origins.cosigned);
  out.cosigned = await seal(page, "bad");
}
for (const which of ["detail", "malformed"]) {
  const page = await enter(config.origins[which], `#/case/${config.intent}`);
  await page.waitForSelector("article dl [role=alert]", patient);
  out[which] = await page.innerText("article dl [role=alert]");
}
{
  const page = await enter(config.origins.tile, `#/case/${config.intent}`);
  await seal(page, "own");
  await page.locator("article button").first().click();
  await done(page);
  out.tile = await page.innerText("article [role=status]");
}
{
  const page = await enter(config.origins.none);
  out.none = await page.innerText("main");
  await judge(page, "no export");
  await shot(page, "no-export", false);
}
await browser.close();
console.log(JSON.stringify(out));
