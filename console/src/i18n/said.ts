// What the gateway and the verifiers say, in the reader's language. They speak English, with stable codes: a refusal is translated by its code and by those of its reasons, a remark by
// its pattern. The translation stands above the original and never in its place: it says what a code means, the original also names what this question is about.

// Codes of errors (docs/api.md, "Errors"), of the policy's reasons (docs/policy.md), and what a REFUSED entry says in public.
export type SaidCode =
  | "TEXT_LIMIT" | "SYNTAX" | "NOT_SUPPORTED" | "UNKNOWN_NAME" | "UNKNOWN_CODE" | "BOUND_MISSING" | "PRECISION_RANGE" | "INVALID" | "NOT_FOUND" | "QUOTE_STALE"
  | "UPLOAD_MALFORMED" | "UPLOAD_TRUNCATED" | "UPLOAD_OVERSIZED" | "UPLOAD_OFFSET" | "NONCE_UNKNOWN" | "NONCE_EXPIRED" | "NONCE_USED" | "NONCE_FOREIGN" | "KEY_UNKNOWN"
  | "POLICY_DENIED" | "UNAUTHENTICATED" | "BUDGET_AGREEMENT" | "BUDGET_POPULATION" | "RATE" | "UNAVAILABLE" | "DEADLINE" | "NOT_RELEASED" | "NO_ANSWER" | "INTERNAL"
  | "role" | "agreement" | "state" | "validity" | "purpose_known" | "purpose_agreed" | "dataset" | "tables" | "columns" | "sensitivity" | "kind" | "mode" | "aggregates" | "cells"
  | "groups" | "opening" | "size" | "accuracy" | "price" | "rate" | "hours" | "input" | "denied";

// Remarks of which the words are fixed and the figures are not.
export const remarks = {
  hideBelow: /^groups whose noisy count is below (\d+) are hidden; with public keys this is no strict minimum on the true count$/,
  intervals: /^the interval lower95 to upper95 is for the population behind the data, exact_lower95 to exact_upper95 for the figure that the exact data would give$/,
  thinCurve: /^a curve over fewer than about (\d+) persons per group is too noisy to be read; wider bins or a smaller error help$/,
  raggedCurve: /^noise is above 2 % of the group: expect wide intervals and a ragged curve$/,
  fewAtRisk: /^too noisy: too few are still at risk$/,
  nobodyLeft: /^nobody is left: R gives no interval here, and neither do we$/,
  tooNoisy: /^too noisy: (.+)$/,
  unseen: /^the minimum cohort of (\d+) cannot be held against a selection nobody sees: noise alone protects, and the size rule counts categories, not persons$/,
  addedUp: /^counts are of persons per category, added up: a person in several selected ones counts in each, up to (\d+) times$/,
  capped: /^a person counts in at most (\d+) of all categories and with at most (\d+) rows in each; what lies beyond is left out, selected or not$/,
  didYouMean: /^did you mean (.+)\?$/,
  freshCheckpoint: /^the checkpoint of (\d+) entries is signed by the log with (.+)$/,
  hashed: /^(\d+) entries hashed and chained from the genesis on; their root is the one signed$/,
  ledgers: /^(\d+) budget ledgers follow from the entries, no spend above its cap$/,
  outcomes: /^every question has one outcome, but (\d+) still open$/,
  active: /^every decision names the policy, agreement and data that were active$/,
  hashedToo: /^(\d+) entries hashed and chained; the root is the one signed with Ed25519$/,
  ledgersToo: /^(\d+) budget ledgers follow from the entries$/,
  openToo: /^(\d+) questions without outcome$/,
} as const;

export type Said = { codes: Record<SaidCode, string>; remarks: Record<keyof typeof remarks, string> };

// translate looks a sentence up: by its code, else by its words. Empty: it is shown as it is.
export function translate(said: Said | null, text: string, code = ""): string {
  if (!said) return "";
  if (Object.hasOwn(said.codes, code)) return said.codes[code as SaidCode];
  for (const [name, pattern] of Object.entries(remarks)) {
    const found = pattern.exec(text);
    if (found) return said.remarks[name as keyof typeof remarks].replace(/\{(\d)\}/g, (_, i) => found[Number(i)]);
  }
  return "";
}
