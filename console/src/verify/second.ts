// The second implementation: the same entries, checked by plain JavaScript on WebCrypto with nothing of the Go code (audit/wasm/verify.js). It
// follows the chain, every budget and the Merkle root; what it leaves to the first is listed in notChecked.
import { b64, b64url, charge, fail, keysOf, leafHash, nodeHash, openCheckpoint, parseEntry, same, sha256 } from "../../../audit/wasm/verify.js";
import type { Header } from "../lib/entry";

const text = new TextEncoder();

export const notChecked = ["ML-DSA-44", "fields", "active"] as const;

export interface Cosigned {
  size: number;
  witnesses: string[];
}

// So many sizes back a root is still known.
const kept = 4096;

async function fold(peaks: { hash: Uint8Array }[]): Promise<Uint8Array> {
  let root = peaks.at(-1)?.hash ?? (await sha256());
  for (const p of peaks.slice(0, -1).reverse()) root = await nodeHash(p.hash, root);
  return root;
}

// Second reads a log from entry 0 on.
export class Second {
  size = 0;
  #keys: Awaited<ReturnType<typeof keysOf>>;
  #prev: Uint8Array;
  #t = 0;
  #ledgers: Record<string, unknown> = {};
  #open = new Set<number>();
  // Full subtrees from the left, largest first: what a Merkle root is folded from.
  #peaks: { n: number; hash: Uint8Array }[] = [];
  // The peaks at the latest sizes: a time stamp names a root of a moment ago.
  #latest = new Map<number, { n: number; hash: Uint8Array }[]>();

  private constructor(keys: Awaited<ReturnType<typeof keysOf>>, prev: Uint8Array) {
    this.#keys = keys;
    this.#prev = prev;
  }

  static async open(vkeys: string, final: string) {
    const keys = await keysOf(vkeys);
    const prev = await sha256(text.encode(`jali-audit/1 genesis\n${keys.origin}\n${keys.lines.join("\n")}\n`), text.encode(final));
    return new Second(keys, prev);
  }

  // next checks one header line and returns what it says.
  async next(line: string): Promise<Header> {
    const seq = this.size, e = parseEntry(line, seq) as Header;
    if (e.seq !== seq || e.o !== this.#keys.origin) fail("seq or origin", seq);
    if (e.prev !== b64url(this.#prev)) fail("prev: the entry before it was changed", seq);
    if (e.t < this.#t) fail("t", seq);
    if (e.k === "INTENT" || e.k === "BUDGET") charge(this.#ledgers, e);
    if (e.k === "INTENT") this.#open.add(seq);
    if (["RELEASE", "FAILURE", "INTERRUPTED"].includes(e.k) && !this.#open.delete(e.ref ?? -1)) fail("ref", seq);
    let node = { n: 1, hash: (this.#prev = await leafHash(text.encode(line))) };
    while (this.#peaks.at(-1)?.n === node.n) node = { n: 2 * node.n, hash: await nodeHash(this.#peaks.pop()!.hash, node.hash) };
    this.#peaks.push(node);
    this.#t = e.t;
    this.size++;
    this.#latest.set(this.size, this.#peaks.slice());
    this.#latest.delete(this.size - kept);
    return e;
  }

  // rootAt is the root of the first n entries, if that was not long ago.
  async rootAt(n: number): Promise<string | undefined> {
    const peaks = this.#latest.get(n);
    return peaks && b64(await fold(peaks));
  }

  // check compares the entries so far with what the log has signed.
  async check(checkpoint: string) {
    const cp = await openCheckpoint(checkpoint, this.#keys);
    if (cp.size !== this.size) fail(`the checkpoint is of ${cp.size} entries, ${this.size} were read`);
    if (!same(await fold(this.#peaks), cp.root)) fail("the entries do not give the root of the checkpoint");
    return { size: cp.size, open: this.#open.size, ledgers: Object.keys(this.#ledgers).length };
  }

  // cosigned reads whose lines stand under a checkpoint besides the log's own, which is checked. Keys of witnesses are not known here: their signatures are not.
  async cosigned(note: string, newest: string): Promise<Cosigned> {
    const cp = await openCheckpoint(note, this.#keys), [, size, root] = newest.split("\n");
    if (cp.size > Number(size) || (cp.size === Number(size) && note.split("\n")[2] !== root)) fail("the checkpoint with cosignatures is not of this log's past");
    const names = note.slice(note.lastIndexOf("\n\n") + 2).split("\n").flatMap((l) => /^— (\S+) \S+$/.exec(l)?.[1] ?? []);
    return { size: cp.size, witnesses: [...new Set(names)].filter((n) => n !== this.#keys.origin) };
  }
}
