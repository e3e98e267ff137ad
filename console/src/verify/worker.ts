// Verifies the log in a worker: fetches its entries page by page, and has both implementations check each. It keeps both readings open, so that a log that has
// grown is checked from where it was.
import { audits, failureOf } from "../lib/api";
import { Sums, type Figures } from "./figures";
import { Second, type Cosigned } from "./second";
import { auditor, type Answer } from "./wasm";
import { verifyReceipt } from "../../../audit/wasm/verify.js";

// Tamper changes one byte of what the gateway sends, before either implementation sees it.
export interface Tamper {
  seq: number;
  at: number;
}

export type Ask =
  | { id: number; do: "log"; vkeys: string; earlier: string; tamper?: Tamper }
  | { id: number; do: "receipt"; receipt: string; result: Uint8Array; vkeys: string }
  | { id: number; do: "entry"; line: string; proof: string; vkeys: string }
  | { id: number; do: "fhir"; checkpoint: string; vkeys: string; entries: { line: string; details: string[] }[] };

export interface Verdict {
  ok: boolean;
  // What each implementation says: the program in WebAssembly, and the independent one.
  first: Answer;
  second: { ok: boolean; error?: string; entry?: number; checked: string[] };
  origin: string;
  size: number;
  root: string;
  signedBy: string[];
  checkpoint: string;
  // The names of witnesses under an older checkpoint, where there is one.
  cosigned?: Cosigned;
  vkeys: string;
  ms: number;
  at: number;
  figures: Figures;
  // The changed line, where one was changed on purpose.
  changed?: { before: string; after: string; at: number };
}

interface Reading {
  key: string;
  log: number;
  second: Second;
  sums: Sums;
  size: number;
}

let kept: Reading | undefined;
const page = 1000;

async function begin(key: string, vkeys: string, final: string, earlier: string): Promise<Reading> {
  const go = await auditor();
  const opened: Answer = JSON.parse(go.jaliLive.open(vkeys, final, earlier));
  if (!opened.ok) throw Object.assign(new Error(opened.error), { first: opened });
  return { key, log: opened.log!, second: await Second.open(vkeys, final), sums: new Sums(), size: 0 };
}

// flip changes the lowest bit of one character, and of the next when that would leave the characters a line may have.
function flip(line: string, at: number) {
  const code = line.charCodeAt(at) ^ 1;
  return line.slice(0, at) + String.fromCharCode(code) + line.slice(at + 1);
}

async function verifyLog(ask: Extract<Ask, { do: "log" }>, progress: (done: number, total: number) => void): Promise<Verdict> {
  const began = performance.now();
  const go = await auditor();
  const cp = await audits.getCheckpoint({});
  const vkeys = ask.vkeys || cp.vkeys.join("\n") + "\n";
  const lines = cp.checkpoint.split("\n"), total = Number(lines[1]);
  const key = JSON.stringify([vkeys, cp.final, ask.earlier]);
  let first: Answer = { ok: true }, second: Verdict["second"] = { ok: true, checked: [] }, changed: Verdict["changed"], cosigned: Verdict["cosigned"];
  let r: Reading | undefined;
  try {
    // A log that was tampered with is read anew, and a reading that failed is never used again.
    r = !ask.tamper && kept?.key === key && kept.size <= total ? kept : await begin(key, vkeys, cp.final, ask.earlier);
    if (!ask.tamper) kept = undefined;
    while (r.size < total && first.ok && second.ok) {
      const got = await audits.listEntries({ from: BigInt(r.size), limit: Math.min(page, total - r.size) });
      const batch = got.entries.map((e) => e.header);
      if (batch.length === 0) throw new Error(`the gateway sends no entry ${r.size}`);
      if (ask.tamper && ask.tamper.seq >= r.size && ask.tamper.seq < r.size + batch.length) {
        const i = ask.tamper.seq - r.size, before = batch[i], at = Math.min(ask.tamper.at, before.length - 1);
        batch[i] = flip(before, at);
        changed = { before, after: batch[i], at };
      }
      first = JSON.parse(go.jaliLive.feed(r.log, batch.join("\n")));
      try {
        for (const line of batch) {
          const h = await r.second.next(line);
          r.sums.add(h, h.k === "TIMESTAMP" ? await r.second.rootAt(Number(h.size)) : undefined);
        }
      } catch (e) {
        second = { ok: false, error: (e as Error).message, entry: (e as { entry?: number }).entry, checked: [] };
      }
      r.size += batch.length;
      progress(Math.min(r.size, total), total);
    }
    if (first.ok) first = JSON.parse(go.jaliLive.check(r.log, cp.checkpoint));
    if (second.ok) {
      try {
        const s = await r.second.check(cp.checkpoint);
        if (cp.cosigned) cosigned = await r.second.cosigned(cp.cosigned, cp.checkpoint);
        second.checked = [`${s.size} entries hashed and chained; the root is the one signed with Ed25519`, `${s.ledgers} budget ledgers follow from the entries`, `${s.open} questions without outcome`];
      } catch (e) {
        second = { ok: false, error: (e as Error).message, entry: (e as { entry?: number }).entry, checked: [] };
      }
    }
  } catch (e) {
    const said = (e as { first?: Answer }).first;
    first = said ?? { ok: false, error: failureOf(e).text };
    second = { ok: false, error: first.error, checked: [] };
  }
  const ok = first.ok && second.ok;
  if (r && ok && !ask.tamper) kept = r;
  else if (r) go.jaliLive.close(r.log);
  return {
    ok, first, second, changed, origin: lines[0], size: total, root: lines[2], signedBy: first.signed_by ?? [], checkpoint: cp.checkpoint, cosigned, vkeys,
    ms: Math.round(performance.now() - began), at: Date.now(), figures: (r?.sums ?? new Sums()).figures(),
  };
}

self.onmessage = async ({ data: ask }: MessageEvent<Ask>) => {
  const reply = (value: unknown) => self.postMessage({ id: ask.id, value });
  try {
    const go = await auditor();
    switch (ask.do) {
      case "log":
        return reply(await verifyLog(ask, (done, total) => self.postMessage({ id: ask.id, done, total })));
      case "receipt": {
        const first: Answer = JSON.parse(go.jaliVerifyReceipt(ask.receipt, ask.result, ask.vkeys));
        const second = await verifyReceipt(ask.receipt, ask.result, ask.vkeys).catch((e: Error) => ({ ok: false, checked: [], error: e.message }));
        return reply({ first, second });
      }
      case "entry":
        return reply(JSON.parse(go.jaliLive.entry(ask.vkeys, ask.line, ask.proof)));
      case "fhir":
        return reply(JSON.parse(go.jaliLive.fhir(ask.vkeys, ask.checkpoint, JSON.stringify(ask.entries))));
    }
  } catch (e) {
    self.postMessage({ id: ask.id, failed: String((e as Error).message ?? e) });
  }
};
