// Opens the console in Debian's Chromium and does what each role does: node browser.mjs CONFIG.json. Prints what was seen; the Go test judges it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const require = createRequire(join(config.tools, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: config.chromium, headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-features=AutofillServerCommunication,OptimizationHints,MediaRouter,DialMediaRouteProvider,Translate",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", `--log-net-log=${join(config.work, "net.json")}`,
  ],
});
const out = { asked: [], errors: [], policy: [], axe: [], steps: {} };
// Waits are for conditions; a machine that runs other tests takes its time.
const patient = { timeout: 60_000 };

async function enter(link, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, colorScheme: "light", locale: "en-GB", ...options });
  context.on("request", (r) => out.asked.push(r.url()));
  await context.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.warn(`POLICY ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`)));
  const page = await context.newPage();
  page.on("pageerror", (e) => out.errors.push(String(e)));
  page.on("console", (m) => {
    if (m.text().startsWith("POLICY ")) out.policy.push(m.text());
    // A refusal is an HTTP status, which the browser reports as an error of its own.
    else if (m.type() === "error" && !/the server responded with a status of (400|401|403|429)/.test(m.text())) out.errors.push(m.text());
  });
  if (link) {
    await page.goto(link);
    await page.waitForSelector("html[data-ready]", patient);
  }
  return { context, page };
}

async function judge(page, where) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ["violations"] })).violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(" | ")}`));
  for (const f of found) if (/^(serious|critical) /.test(f)) out.axe.push(`${where}: ${f}`);
}
const shot = (page, name, fullPage = true) => page.screenshot({ path: join(config.shots, `console-${name}.png`), fullPage });
// quoted waits for the quote of a half-width: the slider says it when the answer to it has come.
const quoted = (page, error) => page.waitForSelector(`[data-quote="allowed"][data-error="${error}"]`, patient);
const view = async (page, n) => { await page.click(`nav a:nth-child(${n})`); await page.waitForTimeout(250); };
const texts = (page, selector) => page.locator(selector).allInnerTexts();
async function saved(page, button) {
  const [file] = await Promise.all([page.waitForEvent("download", patient), page.click(button)]);
  return readFileSync(await file.path(), "utf8");
}

const flows = {
  // A question is quoted, marked where it is wrong, refused, asked, answered again; then one that the gateway cannot read.
  async researcher() {
    const { context, page } = await enter(null);
    const first = [];
    page.on("response", async (r) => first.push({ url: r.url(), length: Number(r.headers()["content-length"] ?? 0), encoding: r.headers()["content-encoding"] ?? "" }));
    await page.goto(config.links.researcher);
    await page.waitForSelector("html[data-ready]", patient);
    const ready = await page.evaluate(() => performance.now());
    await page.waitForSelector('[data-quote="allowed"]', patient);
    const view1 = [...first];
    const cookies = await context.cookies();
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    const quote = (await texts(page, "[data-quote]"))[0];
    await judge(page, "question");
    const type = async (sql) => {
      await page.locator(".cm-content").click();
      await page.keyboard.press("Control+a");
      await page.keyboard.press("Delete");
      await page.keyboard.insertText(sql.replaceAll("\n", " "));
      await page.keyboard.press("Escape");
    };
    await type(config.sql.wrong);
    await page.waitForSelector("[data-code]", patient);
    await page.waitForSelector(".cm-lintRange-error", patient);
    const marked = { text: await texts(page, ".cm-lintRange-error"), says: (await texts(page, "[data-code]"))[0] };
    await shot(page, "researcher-error");
    await page.click("main button.main");
    await page.waitForSelector("[data-refused]", patient);
    const refused = (await texts(page, "[data-refused]"))[0];
    await type(config.sql.right);
    await page.waitForSelector("section:not([data-refused]) > [data-code]", { state: "detached", ...patient });
    await page.waitForSelector('[data-quote="allowed"]', patient);
    await page.click("main button.main");
    await page.waitForSelector("[data-receipt]", patient);
    const answer = { receipt: await page.getAttribute("[data-receipt]", "data-receipt"), rows: await page.locator("[data-answer] tbody tr").count(), plots: await page.locator("[data-plot]").evaluateAll((all) => all.map((e) => e.dataset.plot)), text: (await texts(page, "[data-answer]"))[0] };
    await judge(page, "answer");
    await shot(page, "researcher-answer");
    const receipt = await saved(page, "[data-answer] button:nth-of-type(2)");
    await page.click("main .desk button.main");
    await page.waitForTimeout(300);
    await page.waitForSelector("[data-receipt]", patient);
    const again = (await texts(page, "[data-answer]"))[0];
    // A survival curve: the study of its own agreement, at a half-width that draws it; then one whose end noise drowns.
    const survival = async (sql, error) => {
      await type(sql);
      await page.fill("#error", error);
      await quoted(page, error);
      await page.click("main .desk button.main");
      await page.waitForSelector(`[data-answer] pre.q:has-text("${sql.slice(-30)}")`, { state: "attached", ...patient });
      await page.waitForSelector('[data-plot="km"]', patient);
      return { curves: Number(await page.getAttribute('[data-plot="km"]', "data-curves")), risk: await texts(page, "[data-risk] tbody tr"), hidden: (await texts(page, "[data-hidden-part]")).join() };
    };
    await page.selectOption(".choice label:nth-of-type(1) select", "agr-smokers");
    await page.waitForFunction(() => document.querySelector(".choice label:nth-of-type(3) select").value === "followup", undefined, patient);
    const curve = await survival(config.sql.curve, "6");
    await judge(page, "survival curve");
    await shot(page, "researcher-survival");
    await page.selectOption(".choice label:nth-of-type(1) select", "agr-scheme-demo");
    await page.waitForFunction(() => document.querySelector(".choice label:nth-of-type(3) select").value === "scheme", undefined, patient);
    const thin = await survival(config.sql.thin, "12");
    await judge(page, "survival curve with a hidden end");
    await shot(page, "researcher-survival-hidden");
    await page.evaluate((hash) => (location.hash = hash), `#/case/${config.held}`);
    await page.waitForSelector("[data-held]", patient);
    const withheld = { why: await page.getAttribute("[data-held]", "data-held"), text: (await texts(page, "[data-held]"))[0] };
    await judge(page, "case of another");
    await shot(page, "researcher-withheld");
    await view(page, 2);
    await page.click("button[aria-expanded]");
    await page.waitForSelector("td.codes li", patient);
    await judge(page, "catalogue");
    await shot(page, "researcher-catalogue", false);
    await view(page, 4);
    await page.waitForSelector("tbody a", patient);
    const history = (await texts(page, "main table")).join("\n");
    await judge(page, "history");
    await shot(page, "researcher-history");
    await view(page, 3);
    await page.waitForSelector("fieldset .code", patient);
    for (const i of [0, 2, 5]) await page.locator("fieldset .code input").nth(i).check();
    const secret = await page.locator("fieldset .code code").evaluateAll((all) => [0, 2, 5].map((i) => all[i].textContent));
    await judge(page, "encrypted question");
    const sent = [];
    // Ciphertexts hold any three letters by chance, about once in 16 MB: in a long body a code counts as one where it stands as a value of its own, in JSON
    // or in a protobuf message.
    const names = (body, code) => (body.length < 10_000 ? body.includes(code) : [`"${code}"`, String.fromCharCode(code.length) + code].some((v) => body.includes(v)));
    page.on("request", (r) => sent.push(r.postDataBuffer()?.toString("latin1") ?? ""));
    await page.waitForSelector("main button.main:not([disabled])", patient);
    await page.click("main button.main");
    await page.waitForSelector("[data-encrypted-answer], main [data-code]", patient);
    const encrypted = { text: (await texts(page, "[data-encrypted-answer], main [data-code]"))[0], leaked: secret.filter((c) => sent.some((s) => names(s, c))), uploads: sent.filter((s) => s.length > 10_000).length };
    await shot(page, "researcher-encrypted");
    await page.selectOption("header select", "ko");
    await page.waitForSelector("html[lang=ko]");
    const korean = (await texts(page, "nav a")).join(" ");
    await view(page, 1);
    await page.waitForTimeout(500);
    await judge(page, "question in Korean");
    await shot(page, "researcher-korean");
    // A refusal in Korean: what its codes mean, and the gateway's own words beneath.
    await page.selectOption(".choice label:nth-of-type(1) select", "agr-smokers");
    await page.waitForFunction(() => document.querySelector(".choice label:nth-of-type(3) select").value === "followup", undefined, patient);
    await type("SELECT death, COUNT(*) AS n FROM followup GROUP BY death");
    await page.fill("#error", "5");
    await page.waitForSelector('[data-quote="denied"]', patient);
    await page.click("main .desk button.main");
    await page.waitForSelector("[data-refused] li", patient);
    const denied = { translated: await texts(page, "[data-refused] [data-translated]"), original: await texts(page, "[data-refused] .orig") };
    await judge(page, "refusal in Korean");
    await shot(page, "researcher-korean-refused");
    // On a phone, dark: every view fits.
    const narrow = [];
    await page.setViewportSize({ width: 390, height: 844 });
    await page.selectOption("header .who select:nth-of-type(2)", "dark");
    for (const [n, name] of [[1, "question"], [2, "catalogue"], [3, "encrypted"], [4, "history"]]) {
      await view(page, n);
      await page.waitForSelector("main h1", patient);
      if (!(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))) narrow.push(name);
      await judge(page, `${name} on a phone, dark, Korean`);
      await shot(page, `researcher-phone-${name}`);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    // The link has been used; a session that has ended is over for the gateway too.
    const other = await enter(config.links.researcher);
    const reused = (await texts(other.page, "[role=alert]")).join();
    await judge(other.page, "sign-in");
    await shot(other.page, "sign-in", false);
    await other.context.close();
    await page.click("header button");
    await page.waitForSelector(".card");
    const after = await page.evaluate(async () => (await fetch("/v1/datasets")).status);
    await context.close();
    return { ready, first: view1, cookies, stored, quote, marked, refused, answer, receipt, again, history, encrypted, korean, reused, after, curve, thin, denied, withheld, phone: narrow };
  },

  // The record is verified, searched and exported; the proof is tried.
  async regulator() {
    const { context, page } = await enter(config.links.regulator);
    await page.waitForSelector('[data-seal="own"], [data-seal="bad"]', patient);
    const own = { state: await page.getAttribute("[data-seal]", "data-seal"), text: (await texts(page, "[data-seal]"))[0] };
    await view(page, 4);
    await page.fill("#vkeys", config.vkeys);
    await page.click("main section:nth-of-type(2) button.main, #vkeys ~ .row button.main");
    await page.waitForSelector('[data-seal="good"]', patient);
    const good = (await texts(page, "[data-seal]"))[0];
    await judge(page, "proof");
    const stamps = (await texts(page, "[data-stamps]"))[0];
    await page.click("section[aria-labelledby=cheat] button.main");
    await page.waitForSelector("[data-cheat]", patient);
    const cheat = { verdict: await page.getAttribute("[data-cheat]", "data-cheat"), cards: await texts(page, "section[aria-labelledby=cheat] .card") };
    await shot(page, "regulator-proof");
    await view(page, 1);
    await page.waitForSelector("ol a", patient);
    await judge(page, "record");
    await shot(page, "regulator-record", false);
    await page.selectOption("main form select", "refused");
    await page.waitForTimeout(800);
    const refused = { found: await page.getAttribute("[data-count]", "data-count"), kinds: await texts(page, "ol .tag"), hash: await page.evaluate(() => location.hash) };
    const csv = await saved(page, "[data-exports] button:nth-of-type(1)");
    await page.selectOption("main form select", "cases");
    await page.waitForTimeout(800);
    const fhir = await saved(page, "[data-exports] button:nth-of-type(2)");
    await page.locator("ol a", { hasText: "INTENT" }).first().click();
    await page.waitForSelector("article", patient);
    await page.waitForSelector("article pre", patient);
    await page.click("article details:not(.raw) summary");
    const opened = (await texts(page, "main"))[0];
    await page.click("article button");
    await page.waitForSelector("article [role=status]", patient);
    await page.waitForFunction(() => document.querySelector("article [role=status]").textContent !== "…");
    const proof = (await texts(page, "article [role=status]"))[0];
    await judge(page, "case");
    await shot(page, "regulator-case");
    await page.reload();
    await page.waitForSelector("article pre", patient);
    const permalink = (await texts(page, "h1"))[0];
    await page.waitForSelector('[data-seal="good"]', patient);
    await page.goto(page.url().replace(/#.*/, `#/case/${config.held}`));
    await page.waitForSelector("[data-held]", patient);
    const held = { why: await page.getAttribute("[data-held]", "data-held"), text: (await texts(page, "[data-held]"))[0] };
    await judge(page, "case that is held");
    await shot(page, "regulator-held");
    await page.goto(page.url().replace(/#.*/, `#/case/${config.erased}`));
    await page.waitForSelector('[data-held="erased"]', patient);
    const erased = { why: await page.getAttribute("[data-held]", "data-held"), text: (await texts(page, "[data-held]"))[0] };
    await judge(page, "case that is erased");
    await shot(page, "regulator-erased");
    await view(page, 2);
    await page.waitForSelector("canvas", patient);
    await judge(page, "agreements");
    await shot(page, "regulator-agreements");
    const agreements = (await texts(page, "main"))[0];
    await view(page, 3);
    await page.waitForSelector("main svg", patient);
    await judge(page, "activity");
    await shot(page, "regulator-activity");
    await page.selectOption("header select", "zh");
    await page.waitForSelector("html[lang=zh]");
    const chinese = (await texts(page, "nav a")).join(" ");
    await page.selectOption("header .who select:nth-of-type(2)", "dark");
    await view(page, 1);
    await page.waitForTimeout(600);
    await judge(page, "record, dark, Chinese");
    await shot(page, "regulator-dark-chinese", false);
    await page.setViewportSize({ width: 390, height: 844 });
    await page.waitForTimeout(300);
    const phone = await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
    await judge(page, "record on a phone");
    await shot(page, "regulator-phone", false);
    await view(page, 4);
    await shot(page, "regulator-phone-proof");
    const phoneProof = await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
    // Keyboard: the first stop skips to the content, and the list can be walked.
    await page.setViewportSize({ width: 1280, height: 800 });
    await view(page, 1);
    await page.waitForSelector("ol a");
    await page.evaluate(() => (document.activeElement?.blur(), getSelection()?.removeAllRanges()));
    await page.locator("nav a").first().focus();
    let reached = false;
    for (let i = 0; i < 30 && !reached; i++) {
      await page.keyboard.press("Tab");
      reached = await page.evaluate(() => document.activeElement?.matches("ol a") ?? false);
    }
    await context.close();
    return { own, good, cheat, refused, csv, fhir, opened, proof, permalink, held, erased, stamps, agreements, chinese, phone: phone && phoneProof, reached };
  },

  // A gateway that lies to the page: one bit of one entry differs from what it signed.
  async altered() {
    const { context, page } = await enter(null);
    await context.route("**/jali.v1.AuditService/ListEntries", async (route) => {
      const r = await route.fetch(), body = await r.body();
      const at = body.indexOf('"seq":5,"t":1');
      if (at >= 0) body[at + 14] ^= 1;
      await route.fulfill({ response: r, body });
    });
    await page.goto(config.links.altered);
    await page.waitForSelector('[data-seal="own"], [data-seal="good"], [data-seal="bad"]', patient);
    const answer = { state: await page.getAttribute("[data-seal]", "data-seal"), text: (await texts(page, "[data-seal]"))[0] };
    await view(page, 4);
    await judge(page, "proof of a broken record");
    await shot(page, "regulator-broken");
    await context.close();
    return answer;
  },

  async operator() {
    const { context, page } = await enter(config.links.operator);
    await page.waitForSelector("main dl", patient);
    await judge(page, "gateway");
    await shot(page, "operator");
    const text = (await texts(page, "main"))[0], buttons = await page.locator("main button, main input, main select").count();
    await context.close();
    return { text, buttons };
  },

  // A long list: only what is looked at is fetched.
  async long() {
    const { context, page } = await enter(config.links.regulator, {});
    let calls = 0, entries = 0;
    const seen = new Set();
    await page.waitForSelector("ol a", patient);
    // The verifier reads everything, in its own worker and in pages of a thousand; the list is what is counted here.
    page.on("response", async (r) => {
      const entry = /AuditService\/(ListEntries|FindEntries)$/.exec(r.url());
      if (!entry || r.request().serviceWorker()) return;
      const asked = r.request().postDataBuffer();
      // limit is field 2 of a list, 200 in the timeline's own calls.
      const timeline = entry[1] === "FindEntries" || asked.includes(Buffer.from([0x10, 0xc8, 0x01]));
      if (!timeline) return;
      calls++;
      entries += ((await r.body().catch(() => Buffer.alloc(0))).toString("latin1").match(/"k":"/g) ?? []).length;
    });
    const total = Number(await page.getAttribute("[data-count]", "data-count"));
    const list = page.locator(".list");
    for (const f of [0.25, 0.5, 0.9, 1]) {
      await list.evaluate((e, f) => (e.scrollTop = f * (e.scrollHeight - e.clientHeight)), f);
      await page.waitForTimeout(150);
      await page.waitForFunction(() => !document.querySelector("ol .wait"), null, patient);
      for (const s of await texts(page, "ol .seq")) seen.add(Number(s));
    }
    const scrolled = { calls, entries, lowest: Math.min(...seen), highest: Math.max(...seen) };
    calls = entries = 0;
    const began = Date.now();
    await page.selectOption("main form select", "changes");
    await page.waitForFunction(() => document.querySelectorAll("ol .tag").length >= 5, null, patient);
    await page.waitForFunction(() => !/…/.test(document.querySelector("[data-count]").textContent), null, patient);
    const filtered = { ms: Date.now() - began, calls, entries, kinds: [...new Set(await texts(page, "ol .tag"))] };
    await page.waitForSelector('[data-seal="own"], [data-seal="bad"]', { timeout: 600_000 });
    const verified = (await texts(page, "[data-seal]"))[0];
    await shot(page, "regulator-long", false);
    await context.close();
    return { total, scrolled, filtered, verified };
  },
};

for (const name of config.flows) {
  try {
    out.steps[name] = await flows[name]();
  } catch (e) {
    out.errors.push(`${name}: ${e.stack ?? e}`);
    // What stood there when it went wrong.
    const open = browser.contexts().flatMap((c) => c.pages());
    for (const [i, page] of open.entries()) await shot(page, `failed-${name}-${i}`).catch(() => {});
    for (const c of browser.contexts()) await c.close();
  }
}
await browser.close();
console.log(JSON.stringify(out));
