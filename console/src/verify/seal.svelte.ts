// The state of the seal: what was verified in this browser, by whose keys, when. One worker does the work.
import type { Answer } from "./wasm";
import type { Ask, Tamper, Verdict } from "./worker";

type Pending = { resolve: (v: never) => void; reject: (e: Error) => void; progress?: (done: number, total: number) => void };

let worker: Worker | undefined;
let last = 0;
const pending = new Map<number, Pending>();

type Without<T> = T extends unknown ? Omit<T, "id"> : never;

function ask<T>(what: Without<Ask>, progress?: (done: number, total: number) => void): Promise<T> {
  if (!worker) {
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      const p = pending.get(data.id);
      if (!p) return;
      if ("done" in data) return p.progress?.(data.done, data.total);
      pending.delete(data.id);
      if ("failed" in data) p.reject(new Error(data.failed));
      else p.resolve(data.value as never);
    };
    worker.onerror = (e) => {
      for (const p of pending.values()) p.reject(new Error(e.message || "the verifier did not start"));
      pending.clear();
      worker = undefined;
    };
  }
  const id = ++last;
  return new Promise<T>((resolve, reject) => {
    pending.set(id, { resolve, reject, progress });
    worker!.postMessage({ ...what, id });
  });
}

// Public keys and an earlier checkpoint are no secrets: they are kept in web storage, by origin.
const keysKey = "jali.vkeys", seenKey = "jali.seen";

export interface Seen {
  checkpoint: string;
  vkeys: string;
  size: number;
  at: number;
}

export const seal: {
  state: "idle" | "working" | "good" | "own" | "bad";
  done: number;
  total: number;
  verdict: Verdict | null;
  error: string;
  vkeys: string;
  seen: Seen | null;
} = $state({
  state: "idle", done: 0, total: 0, verdict: null, error: "", vkeys: localStorage.getItem(keysKey) ?? "", seen: JSON.parse(localStorage.getItem(seenKey) ?? "null"),
});

let running: Promise<void> | undefined;

// verify checks the whole log, or what is new of it. The log must also continue the checkpoint that this browser verified last time.
export function verify(): Promise<void> {
  running ??= (async () => {
    if (seal.state !== "good" && seal.state !== "own") seal.state = "working";
    seal.done = seal.total = 0;
    try {
      const earlier = seal.seen && (!seal.vkeys || seal.vkeys === seal.seen.vkeys) ? seal.seen.checkpoint : "";
      const v = await ask<Verdict>({ do: "log", vkeys: seal.vkeys, earlier }, (done, total) => ((seal.done = done), (seal.total = total)));
      seal.verdict = v;
      seal.state = !v.ok ? "bad" : seal.vkeys ? "good" : "own";
      if (v.ok && !seal.seen) keepSeen(v);
    } catch (e) {
      seal.state = "bad";
      seal.error = String((e as Error).message);
    } finally {
      running = undefined;
    }
  })();
  return running;
}

function keepSeen(v: Verdict) {
  seal.seen = { checkpoint: v.checkpoint, vkeys: v.vkeys, size: v.size, at: v.at };
  localStorage.setItem(seenKey, JSON.stringify(seal.seen));
}

// remember makes what was verified now what the log must continue from now on.
export function remember() {
  if (seal.verdict?.ok) keepSeen(seal.verdict);
}

// forget drops what was remembered. A log that is another one on purpose (a new year, another gateway at the address) is read from its beginning.
export function forget() {
  seal.seen = null;
  localStorage.removeItem(seenKey);
  seal.state = "idle";
  return verify();
}

// useKeys pins the log's keys; empty: those that the gateway names.
export function useKeys(text: string) {
  seal.vkeys = text.trim() === "" ? "" : text.trim() + "\n";
  if (seal.vkeys) localStorage.setItem(keysKey, seal.vkeys);
  else localStorage.removeItem(keysKey);
  seal.state = "idle";
  return verify();
}

export const cheat = (tamper: Tamper, progress: (done: number, total: number) => void) =>
  ask<Verdict>({ do: "log", vkeys: seal.vkeys, earlier: "", tamper }, progress);
export const checkReceipt = (receipt: string, result: Uint8Array, vkeys: string) =>
  ask<{ first: Answer; second: { ok: boolean; error?: string; checked: string[] } }>({ do: "receipt", receipt, result, vkeys });
export const checkEntry = (line: string, proof: string, vkeys: string) => ask<Answer>({ do: "entry", line, proof, vkeys });
export const fhirOf = (vkeys: string, checkpoint: string, entries: { line: string; details: string[] }[]) =>
  ask<Answer>({ do: "fhir", vkeys, checkpoint, entries });
