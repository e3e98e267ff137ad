// A second, independent verifier of Jali audit logs: plain JavaScript on WebCrypto, nothing of the Go code. It checks exports and
// receipts as the specification says, but for three things, which it reports as not checked: the log's ML-DSA-44 signatures (it
// checks Ed25519), that entries hold the fields that their kind requires, and that decisions name what was active. testdata/agree.mjs holds it against the Go verifier.

const text = new TextEncoder(), utf8 = new TextDecoder("utf-8", { fatal: true });
export const fail = (what, entry) => { throw Object.assign(new Error(entry === undefined ? what : `entry ${entry}: ${what}`), { entry }); };
const join = (...parts) => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  parts.reduce((at, p) => (out.set(p, at), at + p.length), 0);
  return out;
};
export const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
export const leafHash = (line) => sha256([0], line);
export const nodeHash = (l, r) => sha256([1], l, r);
export const b64 = (bytes) => btoa(String.fromCharCode(...bytes));
export const b64url = (bytes) => b64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const unb64 = (s) => {
  let raw;
  try { raw = Uint8Array.from(atob(s), (c) => c.charCodeAt(0)); } catch { fail("not base64"); }
  return b64(raw) === s ? raw : fail("not canonical base64");
};
export const same = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);

// keysOf reads verifier keys, one "name+hash+base64" per line, and returns the origin and the Ed25519 key.
export async function keysOf(vkeys) {
  const lines = vkeys.split("\n").map((l) => l.trim()).filter((l) => l && !l.startsWith("#"));
  const keys = { lines };
  for (const l of lines) {
    const [name, hash, ...rest] = l.split("+"), raw = unb64(rest.join("+"));
    if (keys.origin !== undefined && keys.origin !== name) fail("keys of two logs");
    keys.origin = name;
    const id = (await sha256(text.encode(name + "\n"), raw)).slice(0, 4);
    if ([...id].map((b) => b.toString(16).padStart(2, "0")).join("") !== hash) fail("a key does not have its hash");
    if (raw[0] === 1 && raw.length === 33) {
      keys.id = id;
      keys.key = await crypto.subtle.importKey("raw", raw.slice(1), { name: "Ed25519" }, false, ["verify"]);
    }
  }
  return keys.key ? keys : fail("no Ed25519 key");
}

// openCheckpoint verifies a signed note and returns size and root.
export async function openCheckpoint(note, keys) {
  const at = note.lastIndexOf("\n\n");
  if (at < 0 || !note.endsWith("\n")) fail("checkpoint is not a signed note");
  const body = note.slice(0, at + 1), lines = body.split("\n"), signatures = note.slice(at + 2).split("\n").slice(0, -1);
  let signed = false;
  for (const s of signatures) {
    const m = /^— (\S+) (\S+)$/.exec(s), raw = m ? unb64(m[2]) : fail("malformed signature");
    if (m[1] !== keys.origin || !same(raw.slice(0, 4), keys.id)) continue;
    if (!(await crypto.subtle.verify("Ed25519", keys.key, raw.slice(4), text.encode(body)))) fail("the log's signature is wrong");
    signed = true;
  }
  if (!signed) fail("checkpoint is not signed by the log");
  if (lines.length !== 4 || lines[0] !== keys.origin || !/^(0|[1-9]\d{0,15})$/.test(lines[1])) fail("checkpoint is not origin, size, root");
  return { size: Number(lines[1]), root: unb64(lines[2]) };
}

// parseEntry holds a line to the grammar: what comes out of JSON and back is the same, keys are sorted, values are codes.
export function parseEntry(line, seq) {
  let e;
  try { e = JSON.parse(line); } catch { fail("not JSON", seq); }
  const check = (o, deep) => {
    const keys = Object.keys(o);
    if (keys.some((k, i) => !/^[a-z][a-z0-9_]{0,15}$/.test(k) || (i > 0 && keys[i - 1] >= k))) fail("keys", seq);
    for (const v of Object.values(o)) {
      if (typeof v === "string" ? !/^[A-Za-z0-9._:/@+=-]{0,255}$/.test(v) : typeof v === "number" ? !Number.isSafeInteger(v) || v < 0 : true) {
        if (v === null || typeof v !== "object" || Array.isArray(v) || deep) fail("value outside the grammar", seq);
        check(v, true);
      }
    }
  };
  if (e === null || typeof e !== "object" || Array.isArray(e) || line.length > 4096) fail("not an entry", seq);
  check(e, false);
  return JSON.stringify(e) === line && e.v === 1 ? e : fail("not in the one spelling", seq);
}

// openDetail checks a disclosure against the header that commits to it.
async function openDetail(e, d) {
  let parts;
  try { parts = JSON.parse(utf8.decode(Uint8Array.from(atob(d.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)))); } catch { fail("malformed detail", e.seq); }
  if (!Array.isArray(parts) || parts.length !== 3 || e.dtl?.[parts[1]] !== b64url(await sha256(text.encode(d)))) fail("detail does not match", e.seq);
  return { name: parts[1], value: parts[2] };
}

// ledgers follow every budget: bud1 = bud0 + cost, bud0 = the bud1 before, never above the cap.
export function charge(ledgers, e) {
  const of = (ag) => ledgers[`${ag}/${e.pop}`] ??= { r: 0n, d: 0n, cr: 0n, cd: 0n };
  if (e.k === "BUDGET") {
    const l = of(e.ag ?? "");
    if (BigInt(e.cap0.r) !== l.cr || BigInt(e.cap0.d) !== l.cd) fail("cap0", e.seq);
    [l.cr, l.cd] = [BigInt(e.cap.r), BigInt(e.cap.d)];
    if (e.spent) [l.r, l.d] = [BigInt(e.spent.r), BigInt(e.spent.d)];
    return;
  }
  for (const [l, r, d] of [[of(e.ag), "ar", "ad"], [of(""), "pr", "pd"]]) {
    if (BigInt(e.bud0[r]) !== l.r || BigInt(e.bud0[d]) !== l.d) fail("bud0: not what was spent before", e.seq);
    [l.r, l.d] = [l.r + BigInt(e.cost.r), l.d + BigInt(e.cost.d)];
    if (BigInt(e.bud1[r]) !== l.r || BigInt(e.bud1[d]) !== l.d || l.r > l.cr || l.d > l.cd) fail("bud1: does not add up", e.seq);
  }
}

const utf16 = (bytes) => utf8.decode(bytes);
const linesOf = (bytes) => {
  const s = utf16(bytes);
  return s === "" ? [] : s.endsWith("\n") ? s.slice(0, -1).split("\n") : fail("last line is cut");
};

// rootOf folds hashes: full subtrees of powers of two, then their peaks from the right.
async function rootOf(hashes) {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0];
  const k = 2 ** Math.floor(Math.log2(hashes.length - 1));
  return nodeHash(await rootOf(hashes.slice(0, k)), await rootOf(hashes.slice(k)));
}

export const tilePath = (level, n, width) => {
  let s = String(n % 1000).padStart(3, "0");
  for (n = Math.floor(n / 1000); n > 0; n = Math.floor(n / 1000)) s = `x${String(n % 1000).padStart(3, "0")}/${s}`;
  return `tile/${level}/${s}${width < 256 ? `.p/${width}` : ""}`;
};

// verifyExport checks the files of an export: {name: Uint8Array}. vkeys "" takes the export's own.
export async function verifyExport(files, vkeys) {
  const file = (name) => files[name] ?? fail(`${name} is missing`), own = utf16(file("vkeys"));
  const keys = await keysOf(vkeys || own), cp = await openCheckpoint(utf16(file("checkpoint")), keys);
  const lines = linesOf(file("entries.jsonl")), leaves = [], ledgers = {}, open = new Set();
  if (lines.length !== cp.size) fail(`${lines.length} entries, the checkpoint says ${cp.size}`);
  let prev = await sha256(text.encode(`jali-audit/1 genesis\n${keys.origin}\n${keys.lines.join("\n")}\n`), files.final ?? []), t = 0;
  const disclosed = Object.keys(files).filter((n) => /^disclosures\.[^/]*\.jsonl$/.test(n));
  if (disclosed.length > 1) fail("disclosures for more than one audience");
  const details = disclosed.length ? linesOf(files[disclosed[0]]).map((l) => JSON.parse(l)) : [];
  let next = 0, opened = 0;
  for (const [seq, line] of lines.entries()) {
    const e = parseEntry(line, seq);
    if (e.seq !== seq || e.o !== keys.origin) fail("seq or origin", seq);
    if (e.prev !== b64url(prev)) fail("prev", seq);
    if (e.t < t) fail("t", seq);
    if (e.k === "INTENT" || e.k === "BUDGET") charge(ledgers, e);
    if (e.k === "INTENT") open.add(seq);
    if (["RELEASE", "FAILURE", "INTERRUPTED"].includes(e.k) && !open.delete(e.ref)) fail("ref", seq);
    leaves.push((prev = await leafHash(text.encode(line))));
    t = e.t;
    if (details[next]?.seq !== seq) continue;
    for (const d of details[next++].d) { await openDetail(e, d); opened++; }
  }
  if (next !== details.length) fail("disclosures of no entry");
  let level = 0;
  for (let hashes = leaves; hashes.length > 0; level++) {
    const up = [];
    for (let i = 0; i * 256 < hashes.length; i++) {
      const part = hashes.slice(i * 256, i * 256 + 256);
      if (!same(file(tilePath(level, i, part.length)), join(...part))) fail(`tile ${level}/${i} holds other hashes`);
      if (level === 0) {
        const packed = lines.slice(i * 256, i * 256 + 256).map((l) => join([l.length >> 8, l.length & 255], text.encode(l)));
        if (!same(file(tilePath("entries", i, part.length)), join(...packed))) fail(`bundle ${i} holds other entries`);
      }
      if (part.length === 256) up.push(await rootOf(part));
    }
    hashes = up;
  }
  if (!same(await rootOf(leaves), cp.root)) fail("the entries do not give the root of the checkpoint");
  const checked = [
    `the checkpoint of ${cp.size} entries is signed by ${keys.origin} with Ed25519`, `${lines.length} entries hashed and chained from the genesis on; every tile and bundle holds the same; the root is the one signed`,
    `${Object.keys(ledgers).length} budget ledgers follow from the entries`, `${opened} details match their headers`,
  ];
  return { ok: true, origin: keys.origin, size: cp.size, details: opened, checked, notChecked: ["ML-DSA-44 signatures", "required fields of each kind", "that decisions name what was active"] };
}

// included computes the root that a path leads to (RFC 9162, 2.1.3.2).
async function included(leaf, index, size, path) {
  let fn = index, sn = size - 1, r = leaf;
  for (const p of path) {
    if (sn === 0) fail("path is too long");
    if (fn % 2 === 1 || fn === sn) {
      r = await nodeHash(p, r);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else r = await nodeHash(r, p);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 ? r : fail("path is too short");
}

// verifyReceipt checks a receipt; result may be null.
export async function verifyReceipt(receipt, result, vkeys) {
  const keys = await keysOf(vkeys), r = JSON.parse(receipt), entries = [];
  if (Object.keys(r).sort().join() !== "details,entries,format,policy,proofs" || r.format !== "jali-receipt/1" || r.entries.length !== 2 || r.proofs.length !== 2) fail("not a receipt");
  for (const [i, line] of r.entries.entries()) {
    const m = /^c2sp\.org\/tlog-proof@v1\nindex (\d+)\n((?:[A-Za-z0-9+/=]{44}\n)*)\n([^]*)$/.exec(r.proofs[i]) ?? fail("malformed proof");
    const cp = await openCheckpoint(m[3], keys), index = Number(m[1]);
    const root = await included(await leafHash(text.encode(line)), index, cp.size, m[2].split("\n").slice(0, -1).map(unb64));
    if (!same(root, cp.root) || index >= cp.size || String(index) !== m[1]) fail("not in the log", index);
    const e = parseEntry(line, index);
    if (e.seq !== index || e.o !== keys.origin) fail("seq or origin", index);
    entries.push(e);
  }
  const [intent, release] = entries;
  if (intent.k !== "INTENT" || release.k !== "RELEASE" || release.ref !== intent.seq || release.t < intent.t) fail("not a charge and its release");
  for (const [a, c] of [["ar", "r"], ["pr", "r"], ["ad", "d"], ["pd", "d"]]) {
    if (BigInt(intent.bud1[a]) !== BigInt(intent.bud0[a]) + BigInt(intent.cost[c])) fail("the charge does not add up", intent.seq);
  }
  let recorded;
  const seen = new Set();
  for (const { seq, d, ...rest } of r.details) {
    const e = entries.find((x) => x.seq === seq) ?? fail("details of an entry that is not here");
    for (const one of d) {
      const { name, value } = await openDetail(e, one);
      if (seen.has(`${seq}/${name}`) || Object.keys(rest).length) fail("a detail twice", seq);
      seen.add(`${seq}/${name}`);
      if (e === release && name === "result") recorded = value;
    }
  }
  if (result !== null && !recorded?.startsWith(`sha256:${b64url(await sha256(result))} ${result.length} `)) fail("the result is not the one on record", release.seq);
  const checked = [
    `entries ${intent.seq} and ${release.seq} are in a log signed by ${keys.origin} with Ed25519`, "the charge adds up", `${seen.size} details match their headers`,
    ...(result === null ? [] : ["the result is the one on record"]),
  ];
  return { ok: true, origin: keys.origin, intent: intent.seq, release: release.seq, result: result !== null, checked, notChecked: ["ML-DSA-44 signatures", "required fields of each kind", "that decisions name what was active"] };
}
