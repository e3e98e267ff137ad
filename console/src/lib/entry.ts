// Entries of the audit log as the page reads them: the header line is the truth, what is read from it is for people.
import type { Entry } from "../gen/jali/v1/audit_pb";

export interface Header {
  v: number;
  o: string;
  k: string;
  seq: number;
  t: number;
  prev: string;
  ref?: number;
  dtl?: Record<string, string>;
  ag?: string;
  ds?: string;
  pu?: string;
  pop?: string;
  pol?: string;
  dec?: string;
  why?: string;
  mode?: string;
  acct?: string;
  cost?: { d: number; r: number };
  bud0?: Record<string, number>;
  bud1?: Record<string, number>;
  cap?: { d: number; r: number };
  [field: string]: unknown;
}

export interface Row {
  seq: number;
  line: string;
  h: Header;
  disclosed: string[];
}

export const rowOf = (e: Entry): Row => ({ seq: Number(e.seq), line: e.header, h: JSON.parse(e.header), disclosed: e.details });

// Detail is one that the header commits to: shown, or not to be had.
export interface Detail {
  name: string;
  value?: string;
  // checked: the SHA-256 of the disclosure is what the header says.
  checked?: boolean;
}

const encoder = new TextEncoder();
const base64url = (b: Uint8Array) => btoa(String.fromCharCode(...b)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const unbase64url = (s: string) => Uint8Array.from(atob(s.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

function open(d: string): { name: string; value: string } | null {
  try {
    const parts: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(unbase64url(d)));
    if (!Array.isArray(parts) || parts.length !== 3 || parts.some((p) => typeof p !== "string")) return null;
    return { name: parts[1], value: parts[2] };
  } catch {
    return null;
  }
}

export async function detailsOf(row: Row): Promise<Detail[]> {
  const out = new Map<string, Detail>(Object.keys(row.h.dtl ?? {}).map((name) => [name, { name }]));
  for (const d of row.disclosed) {
    const opened = open(d);
    // One that cannot be read is one that does not match, of a name nobody knows.
    if (!opened) {
      out.set("?", { name: "?", value: "", checked: false });
      continue;
    }
    const { name, value } = opened;
    const digest = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(d))));
    out.set(name, { name, value, checked: row.h.dtl?.[name] === digest });
  }
  return [...out.values()];
}

// title says in a few codes what an entry is about.
export function title(h: Header): string {
  switch (h.k) {
    case "INTENT":
    case "REFUSED":
      return [h.ag, h.ds, h.pu].filter(Boolean).join(" · ");
    case "AGREEMENT":
      return `${h.ag} v${h.agv} ${h.st}`;
    case "BUDGET":
      return [h.ag, h.pop].filter(Boolean).join(" · ");
    case "DATASET":
      return `${h.ds} ${h.st ?? ""}`;
    case "REVIEW":
    case "EXPORT":
    case "HOLD":
    case "ERASE":
      return h.a === undefined ? "" : `${h.a}–${h.b}`;
    case "LOGIN":
      return `${h.why} ×${h.cnt}`;
    case "ADMIN":
      return String(h.act ?? "");
    case "WITNESS":
      return `${h.ev} ${h.w}`;
    case "TIMESTAMP":
      return `${h.tsa} · ${h.size}`;
    case "POLICY":
      return String(h.rev ?? "");
    case "KEY":
      return `${h.use} ${h.act}`;
  }
  return h.ref === undefined ? "" : `→ ${h.ref}`;
}
