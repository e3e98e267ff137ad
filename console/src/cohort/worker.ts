// An encrypted question, start to end, in a worker: which codes are selected leaves it encrypted or not at all. The steps are those of docs/clients-encrypted.md.
import { createClient } from "@connectrpc/connect";
import { catalogs, failureOf, transport, type Failure } from "../lib/api";
import { CohortService, type CohortServiceQuoteResponse } from "../gen/jali/v1/cohort_pb";
import { auditor } from "../verify/wasm";
import { verifyReceipt } from "../../../audit/wasm/verify.js";
import { load } from "../../../crypto/cohort/wasm/cohort.mjs";
import { forget, get, put, remember } from "./keystore";

export interface Question {
  agreement: string;
  purpose: string;
  dataset: string;
  by: string;
  where: string;
  aggregate: "count" | "sum" | "mean";
  measure: string;
  error: string;
  minSize: number;
}

export interface Run {
  question: Question;
  codes: string[];
  auditor: string; // base64 of the public key that the researcher got from the auditor; empty: to nobody
  vkeys: string;
}

export interface Outcome {
  value: string | null;
  half: string | null;
  unit: string;
  price: number;
  replayed: boolean;
  decision: string;
  uploaded: number;
  downloaded: number;
  newKey: boolean;
  receipt: Uint8Array;
  reply: Uint8Array;
  notes: string[];
  checked: string[];
  vkeys: string;
}

export type Told = { step: "list" | "key" | "queue" | "encrypt" | "upload" | "evaluate" | "verify"; done?: number; total?: number } | { outcome: Outcome } | { failure: Failure };

const cohorts = createClient(CohortService, transport);
const text = new TextEncoder();
const base64 = (b: Uint8Array) => btoa(String.fromCharCode(...b));
const hex = (b: Uint8Array) => [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((x, i) => x === b[i]);
const stop = (code: string, why: string, hint = ""): never => {
  throw Object.assign(new Error(why), { failure: { code, text: why, hint, reasons: [] } satisfies Failure });
};

const le64 = (n: number) => {
  const b = new Uint8Array(8);
  new DataView(b.buffer).setBigUint64(0, BigInt(n), true);
  return b;
};

// digest hashes parts, each after its length.
async function digest(...parts: (string | Uint8Array)[]): Promise<Uint8Array> {
  const bytes = parts.map((p) => (typeof p === "string" ? text.encode(p) : p)), all = new Uint8Array(bytes.reduce((n, b) => n + 8 + b.length, 0));
  let at = 0;
  for (const b of bytes) {
    all.set(le64(b.length), at);
    all.set(b, at + 8);
    at += 8 + b.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
}

// published fetches the whole list, so that what is asked of it says nothing of the selection.
async function published(q: Question): Promise<string[]> {
  const [table, column] = q.by.split("."), list: string[] = [];
  for (;;) {
    const page = await catalogs.listCodes({ dataset: q.dataset, table, column, offset: list.length, limit: 1000 });
    list.push(...page.codes.map((c) => c.code));
    if (page.codes.length < 1000) return list;
  }
}

const request = (q: Question, key: Uint8Array) => ({
  agreement: q.agreement, purpose: q.purpose, dataset: q.dataset, key, by: q.by, where: q.where, aggregate: q.aggregate, measure: q.measure, error: q.error,
  rule: q.minSize > 0 ? { rule: { case: "range" as const, value: { min: BigInt(q.minSize), max: 0n } } } : undefined,
});

function allowed(offer: CohortServiceQuoteResponse): CohortServiceQuoteResponse {
  if (offer.allowed) return offer;
  const reasons = offer.reasons.map((r) => ({ code: r.code, text: r.text, hint: r.hint }));
  throw Object.assign(new Error("denied"), { failure: { code: reasons[0]?.code ?? "POLICY_DENIED", text: reasons[0]?.text ?? "", hint: offer.fits ? `± ${offer.fits}` : "", reasons } satisfies Failure });
}

type Library = Awaited<ReturnType<typeof load>>;
type Key = ReturnType<Library["restoreKey"]>;
let library: Promise<Library> | undefined;

async function newKey(lib: Library, at: string, q: Question, params: string, opener: Uint8Array | null): Promise<Key> {
  const asked = await cohorts.newKey({ agreement: q.agreement, params });
  checkAuditor(asked.auditor, opener);
  const { key, registration } = lib.generateKey(params, asked.crs, opener);
  const got = await cohorts.registerKey({ crs: asked.crs, body: registration });
  if (!same(got.key, key.id)) stop("KEY", "the gateway names another key than was sent");
  await put(at, hex(key.id), Number(got.expiresAt), key.store() as Uint8Array<ArrayBuffer>);
  return key;
}

function checkAuditor(named: Uint8Array, given: Uint8Array | null) {
  if (named.length === 0 && !given) return;
  if (named.length === 0) stop("AUDITOR", "the agreement opens encrypted questions to nobody, and an auditor was named", "leave the auditor's key out");
  if (!given) stop("AUDITOR", "the agreement opens encrypted questions to an auditor, who can read what you select", "get the auditor's public key from the auditor, not from the gateway");
  if (!same(named, given!)) stop("AUDITOR", "the gateway names another auditor than the one you trust", "nothing was sent");
}

async function ask(run: Run, tell: (t: Told) => void): Promise<Outcome> {
  const q = run.question, opener = run.auditor ? Uint8Array.from(atob(run.auditor), (c) => c.charCodeAt(0)) : null;
  // The auditor's program is loaded first: without it no receipt can be verified, and nothing is asked. Both need Go's glue.
  const go = await auditor();
  const lib = await (library ??= load(fetch("/console/jali-cohort.wasm")));

  tell({ step: "list" });
  const free = allowed(await cohorts.quote(request(q, new Uint8Array())));
  checkAuditor(free.auditor, opener);
  const list = await published(q);
  if (BigInt(list.length) !== free.entries || !same(await digest("jali cohort entries 1", q.by, ...list), free.mapping)) stop("MAPPING", "the published list is not the one that the question is bound to", "ask again: the catalogue may just have changed");
  const place = new Map(list.map((c, i) => [c, i]));
  const selected = run.codes.map((c) => place.get(c) ?? stop("UNKNOWN_CODE", `${c} is not on the list`, "this was checked here; the gateway has not seen the codes"));

  tell({ step: "key" });
  const at = JSON.stringify([location.origin, q.agreement, free.params, run.auditor]);
  const stored = await get(at);
  let made = false, key = stored ? lib.restoreKey(stored) : null, offer: CohortServiceQuoteResponse | undefined;
  stored?.fill(0);
  for (let attempt = 0; !offer; attempt++) {
    if (!key) [key, made] = [await newKey(lib, at, q, free.params, opener), true];
    try {
      offer = allowed(await cohorts.quote(request(q, key.id)));
    } catch (e) {
      // A gateway forgets keys when it restarts: then there is a new one.
      if (attempt > 0 || failureOf(e).code !== "KEY_UNKNOWN") throw e;
      key.erase();
      key = null;
      await forget(at);
    }
  }
  // What both sides know is computed here again from public facts.
  const plan = offer.plan;
  const table = await digest("ecq1/table", plan?.dataset ?? "", plan?.version ?? "", le64(list.length), le64(lib.sizes(free.params).slotsPerBlock), free.params, hex(offer.mapping), new Uint8Array(32));
  if (offer.params !== free.params || offer.entries !== free.entries || !same(offer.mapping, free.mapping) || plan?.dataset !== q.dataset || !same(table, offer.table)) stop("TABLE", "the gateway names another table than its data version and list make", "ask again");

  tell({ step: "encrypt" });
  const question = {
    params: offer.params, entries: String(offer.entries), table: base64(offer.table), nonce: base64(offer.nonce),
    ...(q.minSize > 0 ? { rule: { range: { min: String(q.minSize) } } } : {}),
  };
  const upload = await key!.encrypt(question, selected, { remember, auditor: opener });
  selected.fill(0);
  const part = 1 << 20;
  let pending = new Uint8Array(0), offset = 0;
  const flush = async () => {
    await cohorts.uploadPart({ nonce: offer!.nonce, offset: BigInt(offset), data: pending });
    offset += pending.length;
    pending = new Uint8Array(0);
    tell({ step: "upload", done: offset, total: upload.bytes });
  };
  for await (const place of cohorts.admit({ nonce: offer.nonce })) {
    if (place.admitted) break;
    tell({ step: "queue", done: place.ahead, total: Number(place.bytesAhead) });
  }
  await upload.send(async (bytes: Uint8Array) => {
    for (let i = 0; i < bytes.length; ) {
      const take = Math.min(part - pending.length, bytes.length - i), joined = new Uint8Array(pending.length + take);
      joined.set(pending);
      joined.set(bytes.subarray(i, i + take), pending.length);
      pending = joined;
      i += take;
      if (pending.length === part) await flush();
    }
  });
  if (pending.length > 0) await flush();

  tell({ step: "evaluate" });
  const commit: Uint8Array = upload.commit();
  const answer = await cohorts.evaluate({ nonce: offer.nonce, commit });
  upload.erase();

  tell({ step: "verify" });
  const receipt = new TextDecoder().decode(answer.receipt);
  const first = JSON.parse(go.jaliVerifyReceipt(receipt, answer.reply, run.vkeys));
  if (!first.ok) stop("RECEIPT", first.error, "keep receipt and reply, and tell the regulator");
  await verifyReceipt(receipt, answer.reply, run.vkeys);
  const r = JSON.parse(receipt), intent = JSON.parse(r.entries[0]);
  const details = Object.fromEntries(r.details.find((d: { seq: number }) => d.seq === intent.seq).d.map((d: string) => JSON.parse(atob(d.replaceAll("-", "+").replaceAll("_", "/"))).slice(1)));
  const on = JSON.parse(details.request ?? "{}");
  const other = intent.ag !== q.agreement || intent.ds !== q.dataset || intent.pu !== q.purpose ? "agreement, data set or purpose"
    : intent.mode !== "he" || details.query !== `${offer.params} upload sha256:${hex(commit)}` ? "upload"
      : Math.ceil(intent.cost.r / 10_000) !== Number(offer.pricePu) ? "price"
        : on.key !== hex(key!.id) || on.nonce !== hex(offer.nonce) || on.by !== q.by || on.aggregate !== q.aggregate || on.error !== q.error ? "question" : "";
  if (other) stop("RECEIPT", `the receipt is of another ${other}`, "keep receipt and reply, and tell the regulator");

  const { numbers, outOfRange } = key!.decrypt(answer.reply, offer.aggregates.map((a) => a.bound));
  key!.erase();
  if (outOfRange) stop("REJECTED", "the decrypted number is out of range; the charge stands", "check the declared size against the codes; do not report this to the gateway automatically");
  const [value, half] = reading(q.aggregate, offer.aggregates, numbers.map(Number));
  return {
    value, half, unit: offer.aggregates.at(-1)?.unit ?? "", price: Number(answer.pricePu), replayed: answer.replayed, decision: String(answer.decision),
    uploaded: upload.bytes, downloaded: answer.reply.length, newKey: made, receipt: answer.receipt, reply: answer.reply, notes: answer.notes, checked: first.checked ?? [], vkeys: run.vkeys,
  };
}

// reading turns scaled numbers into figures; a mean is center + sum/count with Fieller's interval (Fieller 1954).
function reading(aggregate: string, parts: CohortServiceQuoteResponse["aggregates"], numbers: number[]): [string | null, string | null] {
  const last = parts.at(-1)!, scale = 10 ** last.decimals;
  if (aggregate !== "mean") return [(numbers[0] / scale).toFixed(last.decimals), (Number(last.halfWidth) / scale).toFixed(last.decimals)];
  const z = 1.959963984540054, spread = (p: { halfWidth: bigint }) => (Number(p.halfWidth) + 0.5) / z;
  const [n, s] = numbers, sn = spread(parts[0]), ss = spread(parts[1]);
  if (n < 1 || n < 4 * sn) return [null, null];
  const ratio = s / n, g = ((z * sn) / n) ** 2, h = (Math.abs(ratio) * g + (z / n) * Math.sqrt(ss * ss * (1 - g) + (ratio * sn) ** 2)) / (1 - g);
  return [((Number(last.center) + ratio) / scale).toPrecision(8), (h / scale).toPrecision(3)];
}

self.onmessage = async ({ data }: MessageEvent<Run>) => {
  const tell = (t: Told) => self.postMessage(t);
  try {
    tell({ outcome: await ask(data, tell) });
  } catch (e) {
    tell({ failure: (e as { failure?: Failure }).failure ?? failureOf(e) });
  }
};
