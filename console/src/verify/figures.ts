// What a reader wants to see of a whole log, added up while it is verified: so these figures are of checked entries, and nothing has to be asked for twice.
import type { Header } from "../lib/entry";

export interface Day {
  day: number; // days since 1970 UTC
  released: number;
  refused: number;
  failed: number;
  replayed: number;
}

export interface Burn {
  agreement: string; // empty: the population as a whole
  population: string;
  account: string;
  cap: number;
  spent: number;
  // [t in seconds, spent], thinned when there are many
  points: [number, number][];
}

export interface Span {
  a: number;
  b: number;
  seq: number;
  law?: string;
  scope?: string;
  t?: number;
  until?: number;
}

// A time stamp as its entry says; root, the log's at that size, where this browser has computed it.
export interface Stamp {
  seq: number;
  t: number;
  size: number;
  authority: string;
  token: string; // SHA-256
  root?: string;
}

// An agreement as its newest entry registers it.
export interface Agreed {
  id: string;
  version: number;
  state: string;
  purpose: string;
  seq: number;
  t: number;
  entries: number; // registered so often
}

export interface Figures {
  kinds: Record<string, number>;
  days: Day[];
  burns: Burn[];
  refusals: Record<string, number>;
  agreements: Agreed[];
  stamps: Stamp[];
  holds: Span[];
  erasures: Span[];
  from: number;
  to: number;
}

const most = 2000;

export class Sums {
  #kinds: Record<string, number> = {};
  #days = new Map<number, Day>();
  #burns = new Map<string, Burn>();
  #refusals: Record<string, number> = {};
  #agreements = new Map<string, Agreed>();
  #stamps: Stamp[] = [];
  #holds: Span[] = [];
  #erasures: Span[] = [];
  #from = 0;
  #to = 0;

  // stamped is the root at the size that a TIMESTAMP names.
  add(h: Header, stamped?: string) {
    this.#kinds[h.k] = (this.#kinds[h.k] ?? 0) + 1;
    this.#from ||= h.t;
    this.#to = h.t;
    switch (h.k) {
      case "RELEASE":
        this.#day(h.t).released++;
        break;
      case "REFUSED":
        this.#day(h.t).refused += Number(h.cnt ?? 1);
        this.#refusals[h.why ?? "?"] = (this.#refusals[h.why ?? "?"] ?? 0) + Number(h.cnt ?? 1);
        break;
      case "FAILURE":
      case "INTERRUPTED":
        this.#day(h.t).failed++;
        break;
      case "REPLAY":
        this.#day(h.t).replayed++;
        break;
      case "BUDGET": {
        const b = this.#burn(h.ag ?? "", h.pop ?? "", h.acct ?? "");
        b.cap = h.cap?.r ?? 0;
        const carried = h.spent as { r: number } | undefined;
        if (carried) this.#point(b, h.t, carried.r);
        else if (b.points.length === 0) this.#point(b, h.t, 0);
        break;
      }
      case "INTENT":
        this.#point(this.#burn(h.ag ?? "", h.pop ?? "", h.acct ?? ""), h.t, h.bud1?.ar ?? 0);
        this.#point(this.#burn("", h.pop ?? "", h.acct ?? ""), h.t, h.bud1?.pr ?? 0);
        break;
      case "AGREEMENT":
        this.#agreements.set(h.ag ?? "", {
          id: h.ag ?? "", version: Number(h.agv), state: String(h.st), purpose: h.pu ?? "", seq: h.seq, t: h.t, entries: (this.#agreements.get(h.ag ?? "")?.entries ?? 0) + 1,
        });
        break;
      case "TIMESTAMP":
        this.#stamps.push({ seq: h.seq, t: h.t, size: Number(h.size), authority: String(h.tsa), token: String(h.tok), root: stamped });
        break;
      case "HOLD":
        this.#holds.push({ a: Number(h.a ?? h.ref), b: Number(h.b ?? h.ref), seq: h.seq, until: Number(h.until) });
        break;
      case "UNHOLD":
        this.#holds = this.#holds.filter((x) => x.seq !== h.ref);
        break;
      case "ERASE":
        this.#erasures.push({ a: Number(h.a), b: Number(h.b), seq: h.seq, law: String(h.law ?? ""), scope: String(h.scope ?? ""), t: h.t });
        break;
    }
  }

  #day(t: number): Day {
    const day = Math.floor(t / 86_400e6);
    let d = this.#days.get(day);
    if (!d) this.#days.set(day, (d = { day, released: 0, refused: 0, failed: 0, replayed: 0 }));
    return d;
  }

  #burn(agreement: string, population: string, account: string): Burn {
    const key = `${agreement}/${population}`;
    let b = this.#burns.get(key);
    if (!b) this.#burns.set(key, (b = { agreement, population, account, cap: 0, spent: 0, points: [] }));
    b.account ||= account;
    return b;
  }

  #point(b: Burn, t: number, spent: number) {
    b.spent = spent;
    b.points.push([t / 1e6, spent]);
    if (b.points.length > most) b.points = b.points.filter((_, i) => i % 2 === 0 || i === b.points.length - 1);
  }

  figures(): Figures {
    return {
      kinds: { ...this.#kinds }, days: [...this.#days.values()], burns: [...this.#burns.values()].map((b) => ({ ...b, points: [...b.points] })),
      refusals: { ...this.#refusals }, agreements: [...this.#agreements.values()], stamps: [...this.#stamps],
      holds: [...this.#holds], erasures: [...this.#erasures], from: this.#from, to: this.#to,
    };
  }
}
