// Runs both verifiers, Go in WebAssembly and JavaScript on WebCrypto, on the cases in cases.json of a work directory and prints what each
// says: node agree.mjs WORKDIR WASM WASM_EXEC
import { readFileSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import * as own from "../verify.js";

const [work, wasm, exec] = process.argv.slice(2);
const t0 = performance.now();
createRequire(import.meta.url)(resolve(exec));
const go = new Go();
const { instance } = await WebAssembly.instantiate(readFileSync(wasm), go.importObject);
go.run(instance);
const started = performance.now() - t0;

const read = (dir, prefix = "") => Object.assign({}, ...readdirSync(dir).map((n) => {
  const path = join(dir, n);
  return statSync(path).isDirectory() ? read(path, `${prefix}${n}/`) : { [prefix + n]: new Uint8Array(readFileSync(path)) };
}));
const base = read(join(work, "export"));
const receipt = new Uint8Array(readFileSync(join(work, "receipt.json"))), result = new Uint8Array(readFileSync(join(work, "result.json")));
const vkeys = readFileSync(join(work, "vkeys"), "utf8");

const edit = (b, c) => {
  b = b.slice();
  if (c.at !== undefined) b[c.at] ^= c.xor;
  if (c.cut !== undefined) b = b.slice(0, c.cut);
  if (c.find !== undefined) b = new TextEncoder().encode(new TextDecoder().decode(b).replace(c.find, () => c.put));
  return b;
};
const said = async (f) => { try { return await f(); } catch (e) { return { ok: false, error: String(e.message ?? e), entry: e.entry }; } };

const out = [];
for (const c of JSON.parse(readFileSync(join(work, "cases.json"), "utf8"))) {
  let a, b;
  const at = performance.now();
  if (c.file === "receipt" || c.file === "result") {
    const r = new TextDecoder().decode(c.file === "receipt" ? edit(receipt, c) : receipt), res = c.file === "result" ? edit(result, c) : result;
    a = JSON.parse(jaliVerifyReceipt(r, res, vkeys));
    b = await said(() => own.verifyReceipt(r, res, vkeys));
  } else {
    const files = { ...base };
    if (c.remove) delete files[c.file];
    else if (c.file) files[c.file] = edit(files[c.file], c);
    a = JSON.parse(jaliVerifyExport(files, c.own ? "" : vkeys, ""));
    b = await said(() => own.verifyExport(files, c.own ? "" : vkeys));
  }
  out.push({ name: c.name, go: a.ok, js: b.ok, goSays: a.error ?? "", jsSays: b.error ?? "", entry: a.entry ?? -1, ms: performance.now() - at });
}
process.stdout.write(JSON.stringify({ started, out }), () => process.exit(0)); // Go's program never ends by itself
