// The record as an export tells it: the directory export/ beside the page. It takes the place of lib/api in the build of the review site (vite.review.config.ts), so that the views
// and the verifying worker are those of the console. Entries come from entries.jsonl only, whose lines the worker hashes; hash tiles are read for proofs, which are checked.
import { b64, nodeHash, tilePath } from "../../../audit/wasm/verify.js";
import type { Failure } from "../lib/api";
import type { Header } from "../lib/entry";
import { Lines } from "./lines";

// Modules of a build lie in assets/, those of its workers too.
const here = import.meta.url;
const place = new URL("../export/", here);

async function file(name: string): Promise<Blob | null> {
  // no-cache: a newer export at the same place is seen at the next visit.
  const r = await fetch(new URL(name, place), { credentials: "same-origin", redirect: "error", cache: "no-cache" });
  if (r.status === 404) return null;
  if (!r.ok) throw new Error(`${name}: the server answers ${r.status}`);
  return r.blob();
}

async function needed(name: string): Promise<Blob> {
  return (await file(name)) ?? Promise.reject(new Error(`${name} is missing in the export`));
}

interface Record {
  checkpoint: string;
  cosigned: string;
  origin: string;
  vkeys: string[];
  final: string;
  size: number;
  lines: Lines;
}

async function open(): Promise<Record> {
  const checkpoint = await (await needed("checkpoint")).text();
  const [vkeys, final, cosigned, lines] = await Promise.all([needed("vkeys"), file("final"), file("cosigned"), needed("entries.jsonl").then(Lines.of)]);
  const [origin, size] = checkpoint.split("\n");
  if (lines.length !== Number(size)) throw new Error(`entries.jsonl has ${lines.length} entries, the checkpoint says ${size}`);
  return {
    checkpoint, origin, size: lines.length, lines, vkeys: (await vkeys.text()).split("\n").filter((l) => l.trim() !== ""),
    final: (await final?.text()) ?? "", cosigned: (await cosigned?.text()) ?? "",
  };
}

let opened: Promise<Record> | undefined;
const record = () => (opened ??= open());

// present tells whether there is an export beside the page.
export const present = async () => (await file("checkpoint")) !== null;

// Disclosures, by entry, of the one audience that the export is for.
const audiences = ["regulator", "researcher", "citizen"]; // one for the public has none
let disclosures: Promise<Map<number, string[]>> | undefined;

async function readDisclosures(): Promise<Map<number, string[]>> {
  for (const a of audiences) {
    const found = await file(`disclosures.${a}.jsonl`);
    if (!found) continue;
    const lines = (await found.text()).split("\n").filter((l) => l !== "");
    return new Map(lines.map((l) => JSON.parse(l)).map((x: { seq: number; d: string[] }) => [x.seq, x.d]));
  }
  return new Map();
}

async function entry(header: string, seq: number, details: boolean) {
  return { seq: BigInt(seq), header, details: details ? ((await (disclosures ??= readDisclosures())).get(seq) ?? []) : [] };
}

interface Search {
  kinds?: string[];
  agreement?: string;
  dataset?: string;
  purpose?: string;
  since?: bigint;
  until?: bigint;
  ref?: bigint;
  start?: bigint;
  forward?: boolean;
  limit?: number;
  details?: boolean;
}

const fits = (h: Header, s: Search) =>
  (!s.kinds?.length || s.kinds.includes(h.k)) && (!s.agreement || h.ag === s.agreement) && (!s.dataset || h.ds === s.dataset) && (!s.purpose || h.pu === s.purpose) &&
  (!s.since || h.t >= Number(s.since)) && (!s.until || h.t < Number(s.until)) && (s.ref === undefined || h.ref === Number(s.ref));

// A search looks at so many headers a call, as the gateway's does.
const mostScanned = 20_000, block = 1000;

async function find(s: Search) {
  const { lines, size } = await record(), forward = s.forward ?? false, most = s.limit || 100;
  let at = s.start === undefined ? (forward ? 0 : size - 1) : Math.min(Number(s.start), forward ? size : size - 1), scanned = 0;
  const found: { seq: number; line: string }[] = [];
  while (at >= 0 && at < size && found.length < most && scanned < mostScanned) {
    const from = forward ? at : Math.max(0, at - block + 1), batch = await lines.read(from, forward ? Math.min(size, at + block) : at + 1);
    for (let i = 0; i < batch.length && found.length < most; i++, scanned++, at += forward ? 1 : -1) {
      const line = batch[at - from];
      if (fits(JSON.parse(line), s)) found.push({ seq: at, line });
    }
  }
  return {
    entries: await Promise.all(found.map((f) => entry(f.line, f.seq, s.details ?? false))), next: at >= 0 && at < size ? BigInt(at) : undefined,
    size: BigInt(size), scanned: BigInt(scanned),
  };
}

// hash is the root of entries [from, from + n) of a log: out of one tile where the range is a whole subtree, else of its two parts (RFC 9162, 2.1.1).
async function hash(from: number, n: number, size: number): Promise<Uint8Array> {
  const level = Math.floor(Math.log2(n) / 8), unit = 256 ** level;
  if (n === unit) {
    const index = from / unit, tile = Math.floor(index / 256), width = Math.min(256, Math.floor(size / unit) - tile * 256);
    const held = new Uint8Array(await (await needed(tilePath(level, tile, width))).arrayBuffer());
    return held.slice((index % 256) * 32, (index % 256) * 32 + 32);
  }
  const k = 2 ** Math.ceil(Math.log2(n) - 1);
  return nodeHash(await hash(from, k, size), await hash(from + k, n - k, size));
}

// path leads from an entry to the root of [from, from + n), lowest first.
async function path(seq: number, from: number, n: number, size: number): Promise<Uint8Array[]> {
  if (n === 1) return [];
  const k = 2 ** Math.ceil(Math.log2(n) - 1);
  return seq < from + k
    ? [...(await path(seq, from, k, size)), await hash(from + k, n - k, size)]
    : [...(await path(seq, from + k, n - k, size)), await hash(from, k, size)];
}

export const audits = {
  async getCheckpoint() {
    const { checkpoint, cosigned, origin, vkeys, final } = await record();
    return { checkpoint, cosigned, origin, vkeys, final };
  },
  async listEntries({ from = 0n, limit = 1000, details = false }: { from?: bigint; limit?: number; details?: boolean }) {
    const { lines, size } = await record(), start = Number(from);
    const batch = await lines.read(start, Math.min(size, start + limit));
    return { entries: await Promise.all(batch.map((line, i) => entry(line, start + i, details))), size: BigInt(size) };
  },
  findEntries: find,
  async getProof({ seq = 0n }: { seq?: bigint }) {
    const { checkpoint, size } = await record(), hashes = await path(Number(seq), 0, size, size);
    return { proof: `c2sp.org/tlog-proof@v1\nindex ${seq}\n${hashes.map((h) => b64(h) + "\n").join("")}\n${checkpoint}` };
  },
};

// Terms of agreements are with the gateway. What the log says of them is read from its entries.
export const budgets = {
  async listAgreements(_: object) {
    return { agreements: [] };
  },
};

export const failureOf = (e: unknown): Failure => ({ code: "", text: e instanceof Error ? e.message : String(e), hint: "", reasons: [] });
