// Numbers and times as the chosen language writes them.
import { language } from "../i18n/index.svelte";

export const count = (n: number | bigint) => new Intl.NumberFormat(language.code).format(n);
export const figure = (n: number, digits = 4) =>
  new Intl.NumberFormat(language.code, { maximumSignificantDigits: digits, notation: n !== 0 && Math.abs(n) < 1e-4 ? "scientific" : "standard" }).format(n);
export const percent = (x: number) => new Intl.NumberFormat(language.code, { style: "percent", maximumFractionDigits: 1 }).format(x);
export const bytes = (n: number) => (n < 1e6 ? `${count(Math.round(n / 1e3))} kB` : `${figure(n / 1e6, 3)} MB`);

const micro = (t: number | bigint) => new Date(Number(t) / 1000);
export const when = (t: number | bigint) =>
  new Intl.DateTimeFormat(language.code, { dateStyle: "medium", timeStyle: "medium" }).format(micro(t));
export const exactly = (t: number | bigint) => micro(t).toISOString().replace("T", " ").replace("Z", " UTC");
export const day = (t: number | bigint) => new Intl.DateTimeFormat(language.code, { dateStyle: "medium" }).format(micro(t));
export const instant = (d: Date) => new Intl.DateTimeFormat(language.code, { dateStyle: "medium", timeStyle: "medium" }).format(d);

// One PU is 10,000 nano-rho; a price is rounded up, as the gateway does.
export const pu = (nanoRho: number) => Math.ceil(nanoRho / 10_000);
export const short = (digest: string) => (digest.length > 14 ? `${digest.slice(0, 10)}…` : digest);
