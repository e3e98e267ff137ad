// A released answer as a table. Numbers keep the text they were recorded with: counts and sums are exact and may be larger than a double holds.
import type { QueryResponse, ResultValue } from "../gen/jali/v1/query_pb";

export interface Cell {
  text: string | null; // null: hidden, or the group without a value
  value: number | null;
}

export interface Column {
  name: string;
  measure: boolean;
  unit: string;
}

export interface Table {
  columns: Column[];
  rows: Cell[][];
  half: Cell[][]; // half-widths, parallel to rows; null for groups
  hidden: number;
  derived: boolean; // by the gateway from the recorded histogram, for a table function
}

const none: Cell = { text: null, value: null };

// parse keeps the text of every number.
function parse(text: string): { columns: { name: string; role: string; unit: string }[]; rows: Cell[][]; error95: Cell[][]; hidden_groups: Cell } {
  // The text of a number comes with the third argument (ECMAScript 2026); a browser without it shows what a double holds.
  return JSON.parse(text, function (_key, v, context?: { source?: string }) {
    if (typeof v === "number") return { text: context?.source ?? String(v), value: v };
    return v;
  } as (this: unknown, key: string, value: unknown) => unknown);
}

const cell = (v: unknown): Cell => (v === null || v === undefined ? none : typeof v === "string" ? { text: v, value: null } : (v as Cell));

function typed(v: ResultValue | undefined): Cell {
  switch (v?.value.case) {
    case "text":
      return { text: v.value.value, value: null };
    case "integer":
      return { text: String(v.value.value), value: Number(v.value.value) };
    case "number":
      return { text: String(v.value.value), value: v.value.value };
  }
  return none;
}

// tableOf reads the recorded bytes, which the receipt commits to, and applies the view: it can leave out, order and name, and cannot change a value.
export function tableOf(a: QueryResponse): Table {
  if (a.analysis.length > 0) {
    return {
      columns: a.columns.map((c) => ({ name: c.name, measure: c.role === "measure", unit: c.unit })),
      rows: a.rows.map((r) => r.values.map(typed)), half: a.rows.map((r) => r.error95.map(typed)), hidden: Number(a.hiddenGroups), derived: true,
    };
  }
  const recorded = parse(new TextDecoder("utf-8", { fatal: true }).decode(a.result));
  const measures: number[] = [];
  recorded.columns.forEach((c, i) => c.role === "measure" && measures.push(i));
  const columns = a.viewColumns.map((v) => ({ name: v.name, measure: recorded.columns[v.index].role === "measure", unit: recorded.columns[v.index].unit }));
  return {
    columns,
    rows: a.viewRows.map((r) => a.viewColumns.map((v) => cell(recorded.rows[r][v.index]))),
    half: a.viewRows.map((r) => a.viewColumns.map((v) => (measures.includes(v.index) ? cell(recorded.error95[r][measures.indexOf(v.index)]) : none))),
    hidden: recorded.hidden_groups?.value ?? 0, derived: false,
  };
}
