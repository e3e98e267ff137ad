// The page around the two verifiers: reads files, calls both, shows what each says was checked. It writes text only, never markup: what
// a file says cannot become part of the page.
import { verifyExport, verifyReceipt } from "./verify.js";

const go = new Go();
// Both verifiers are here before anything is chosen; from then on the page needs no network.
const ready = WebAssembly.instantiateStreaming(fetch("jali-verify.wasm"), go.importObject).then(({ instance }) => void go.run(instance));
const $ = (id) => document.getElementById(id);
const bytes = async (file) => new Uint8Array(await file.arrayBuffer());
const said = async (f) => { try { return await f(); } catch (e) { return { ok: false, error: String(e.message ?? e), entry: e.entry }; } };

const el = (tag, className, ...children) => {
  const e = document.createElement(tag);
  e.className = className;
  e.append(...children);
  return e;
};
const list = (items) => el("ul", "", ...items.map((i) => el("li", "", i)));
const count = (n) => n.toLocaleString("en");

function card(who, answer, ms) {
  const c = el("div", `card ${answer.ok ? "good" : "bad"}`, el("h3", "", answer.ok ? `${who}: verified` : `${who}: DOES NOT VERIFY`));
  if (!answer.ok) c.append(el("p", "", answer.error));
  if (answer.checked) c.append(list(answer.checked));
  if (answer.notChecked) c.append(el("p", "hint", "Not checked by this one:"), list(answer.notChecked));
  c.append(el("p", "hint", `took ${count(Math.round(ms))} ms`));
  return c;
}

function facts(rows) {
  const dl = el("dl", "");
  for (const [k, v] of rows) if (v !== undefined && v !== "") dl.append(el("dt", "", k), el("dd", "", v));
  return dl;
}

// verdict says at the top what follows from both answers. Only if both accept it is the verdict good.
function verdict(what, ours, independent, ownKeys) {
  const when = `${new Date().toISOString().replace("T", " ").slice(0, 19)} UTC, by your browser`;
  if (!ours.ok || !independent.ok) {
    const bad = ours.ok ? independent : ours, one = ours.ok !== independent.ok;
    return el("div", "verdict bad", el("p", "title", `This ${what} does not verify`),
      el("p", "", `${bad.error}${one ? ". Only one of the two verifiers refuses it: report both answers." : ""}`),
      el("p", "", "Keep it as it is, and show it to whoever gave it to you and to a witness. It may be damaged in transit; ask for another copy and compare."),
      facts([["entry", bad.entry === undefined || bad.entry === null ? "" : count(bad.entry)], ["checked", when]]));
  }
  const rows = facts([["record", ours.origin], ["entries", ours.size === undefined ? "" : count(ours.size)], ["root", ours.root], ["signed with", (ours.signed_by ?? []).join(" and ")], ["checked", when]]);
  if (ownKeys) {
    return el("div", "verdict warn", el("p", "title", `This ${what} agrees with itself`),
      el("p", "", "It was checked under the keys that it brought along: nothing in it was changed after it was signed, but whose it is is not shown. Enter the log's verifier keys above."), rows);
  }
  return el("div", "verdict good", el("p", "title", `This ${what} verifies: two verifiers agree`), rows);
}

async function verify() {
  const vkeys = $("vkeys").value.trim(), receipts = $("receipt").files, chosen = $("export").files;
  if (!receipts.length && !chosen.length) return [el("div", "verdict warn", el("p", "title", "Nothing chosen"), el("p", "", "Choose the directory of an export, or a receipt."))];
  if (receipts.length && chosen.length) return [el("div", "verdict warn", el("p", "title", "Chosen twice"), el("p", "", "Choose an export or a receipt, one at a time; reload the page to begin anew."))];
  await ready;
  const timed = async (f) => { const at = performance.now(), answer = await f(); return [answer, performance.now() - at]; };
  let what, ours, independent;
  if (receipts.length) {
    const receipt = await receipts[0].text(), result = $("result").files.length ? await bytes($("result").files[0]) : null;
    what = "receipt";
    ours = await timed(() => said(() => JSON.parse(jaliVerifyReceipt(receipt, result, vkeys))));
    independent = await timed(() => said(() => verifyReceipt(receipt, result, vkeys)));
  } else {
    const files = {};
    for (const f of chosen) files[f.webkitRelativePath.split("/").slice(1).join("/")] = await bytes(f);
    what = "export";
    ours = await timed(() => said(() => JSON.parse(jaliVerifyExport(files, vkeys, ""))));
    independent = await timed(() => said(() => verifyExport(files, vkeys)));
  }
  return [verdict(what, ours[0], independent[0], what === "export" && !vkeys), card("Auditor's program", ...ours), card("Independent verifier", ...independent)];
}

$("verify").onclick = async () => {
  const button = $("verify");
  button.disabled = true;
  button.textContent = "Verifying …";
  $("said").replaceChildren();
  await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
  try {
    $("said").replaceChildren(...(await verify()));
  } catch (e) {
    $("said").replaceChildren(el("div", "verdict bad", el("p", "title", "The verifiers did not start"), el("p", "", String(e.message ?? e))));
  } finally {
    button.disabled = false;
    button.textContent = "Verify";
  }
};
ready.then(() => document.documentElement.setAttribute("data-ready", ""), () => {});
