// The log as a list that may be a million entries long: only what is on the screen is fetched. Without filters a row is found by its number; with filters the gateway
// searches from the newest on, a piece at a time, as far as the reader scrolls.
import { audits, failureOf } from "../lib/api";
import { rowOf, type Row } from "../lib/entry";

export interface Filter {
  kinds: string[];
  agreement: string;
  dataset: string;
  purpose: string;
  since: number; // microseconds; 0: none
  until: number;
}

const chunk = 200;
const mostChunks = 40;

export class Log {
  filter: Filter;
  size = $state(0);
  // Rows of the list: all entries, or those found so far.
  length = $state(0);
  searching = $state(false);
  done = $state(false);
  scanned = $state(0);
  problem = $state("");
  // Counts what has arrived, so that what is shown follows.
  version = $state(0);
  #chunks = new Map<number, Row[]>();
  #loading = new Set<number>();
  #found: Row[] = [];
  #next: bigint | undefined;
  #stopped = false;

  constructor(filter: Filter) {
    this.filter = filter;
  }

  get plain() {
    const f = this.filter;
    return f.kinds.length === 0 && !f.agreement && !f.dataset && !f.purpose && !f.since && !f.until;
  }

  async begin() {
    try {
      if (!this.plain) return await this.more();
      const got = await audits.listEntries({ from: 0n, limit: 1 });
      this.size = this.length = Number(got.size);
      this.done = true;
    } catch (e) {
      this.problem = failureOf(e).text;
    }
  }

  stop() {
    this.#stopped = true;
  }

  // row is entry i from the newest on, if it is here; what is missing is asked for.
  row(i: number): Row | undefined {
    if (!this.plain) return this.#found[i];
    const seq = this.size - 1 - i, at = Math.floor(seq / chunk);
    const rows = this.#chunks.get(at);
    if (!rows) void this.#load(at);
    return rows?.[seq - at * chunk];
  }

  async #load(at: number) {
    if (this.#loading.has(at) || at < 0) return;
    this.#loading.add(at);
    try {
      const got = await audits.listEntries({ from: BigInt(at * chunk), limit: chunk });
      this.#chunks.set(at, got.entries.map(rowOf));
      // The farthest chunks are forgotten first.
      while (this.#chunks.size > mostChunks) {
        const far = [...this.#chunks.keys()].reduce((a, b) => (Math.abs(b - at) > Math.abs(a - at) ? b : a));
        this.#chunks.delete(far);
      }
      this.version++;
    } catch (e) {
      this.problem = failureOf(e).text;
    } finally {
      this.#loading.delete(at);
    }
  }

  // more searches on until a screenful more is found, the log ends, or the search is stopped.
  async more(wanted = 100) {
    if (this.searching || this.done || this.plain) return;
    this.searching = true;
    const until = this.#found.length + wanted;
    try {
      while (!this.#stopped && !this.done && this.#found.length < until) {
        const f = this.filter;
        const got = await audits.findEntries({
          kinds: f.kinds, agreement: f.agreement, dataset: f.dataset, purpose: f.purpose, since: BigInt(f.since), until: BigInt(f.until),
          start: this.#next, limit: wanted,
        });
        this.#found.push(...got.entries.map(rowOf));
        this.#next = got.next;
        this.size = Number(got.size);
        this.scanned += Number(got.scanned);
        this.done = got.next === undefined;
        this.length = this.#found.length;
        this.version++;
      }
    } catch (e) {
      this.problem = failureOf(e).text;
      this.done = true;
    } finally {
      this.searching = false;
    }
  }

  // all is every row of a search, for an export; at most n.
  async all(n: number): Promise<Row[]> {
    if (this.plain) {
      const out: Row[] = [];
      for (let end = this.size; end > 0 && out.length < n; ) {
        const from = Math.max(0, end - 1000);
        const got = await audits.listEntries({ from: BigInt(from), limit: end - from });
        out.push(...got.entries.map(rowOf).reverse());
        end = from;
      }
      return out.slice(0, n);
    }
    while (!this.done && this.#found.length < n && !this.#stopped) await this.more(1000);
    return this.#found.slice(0, n);
  }
}
