// The page around the two verifiers: reads files, calls both, shows what each says was checked.
import { verifyExport, verifyReceipt } from "./verify.js";

const go = new Go();
const ready = WebAssembly.instantiateStreaming(fetch("jali-verify.wasm"), go.importObject).then(({ instance }) => void go.run(instance));
const $ = (id) => document.getElementById(id);
const bytes = async (file) => new Uint8Array(await file.arrayBuffer());
const said = async (f) => { try { return await f(); } catch (e) { return { ok: false, error: String(e.message ?? e) }; } };

function show(who, answer) {
  const pre = document.createElement("pre");
  pre.className = answer.ok ? "ok" : "bad";
  const lines = answer.ok ? [`${who}: verified, ${answer.origin}`, ...(answer.checked ?? []), ...(answer.notChecked ?? []).map((n) => `not checked: ${n}`)] : [`${who}: DOES NOT VERIFY: ${answer.error}`];
  pre.textContent = [...lines, `checked at ${new Date().toISOString()}, by your browser`].join("\n");
  $("said").append(pre);
}

$("verify").onclick = async () => {
  $("said").replaceChildren();
  await ready;
  const vkeys = $("vkeys").value;
  if ($("receipt").files.length) {
    const receipt = await $("receipt").files[0].text(), result = $("result").files.length ? await bytes($("result").files[0]) : null;
    show("auditor's program", JSON.parse(jaliVerifyReceipt(receipt, result, vkeys)));
    show("independent verifier", await said(() => verifyReceipt(receipt, result, vkeys)));
    return;
  }
  const files = {};
  for (const f of $("export").files) files[f.webkitRelativePath.split("/").slice(1).join("/")] = await bytes(f);
  show("auditor's program", JSON.parse(jaliVerifyExport(files, vkeys, "")));
  show("independent verifier", await said(() => verifyExport(files, vkeys)));
};
