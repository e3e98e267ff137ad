// The kinds of entries in words. The code of a kind is what stands in the log; a kind that this page does not know is shown by its code.
import { t, type Key } from "../i18n/index.svelte";

const names: Record<string, Key> = {
  GENESIS: "entryGENESIS", AGREEMENT: "entryAGREEMENT", BUDGET: "entryBUDGET", POLICY: "entryPOLICY", DATASET: "entryDATASET", KEY: "entryKEY", INTENT: "entryINTENT", REFUSED: "entryREFUSED",
  RELEASE: "entryRELEASE", FAILURE: "entryFAILURE", INTERRUPTED: "entryINTERRUPTED", REPLAY: "entryREPLAY", HOLD: "entryHOLD", UNHOLD: "entryUNHOLD", ERASE: "entryERASE", ERASED: "entryERASED",
  WITNESS: "entryWITNESS", TIMESTAMP: "entryTIMESTAMP", CLOCK: "entryCLOCK", HEARTBEAT: "entryHEARTBEAT", ADMIN: "entryADMIN", LOGIN: "entryLOGIN", REVIEW: "entryREVIEW", EXPORT: "entryEXPORT",
  SHARDCLOSE: "entrySHARDCLOSE",
};
const reasons: Record<string, Key> = { parse: "whyParse", schema: "whySchema", policy: "whyPolicy", budget: "whyBudget", stale: "whyStale", rate: "whyRate" };

// whyOf is the public reason of a REFUSED entry in words, or nothing.
export const whyOf = (why: unknown) => (typeof why === "string" && reasons[why] ? t(reasons[why]) : "");
export const kindOf = (kind: string) => (names[kind] ? t(names[kind]) : kind);
