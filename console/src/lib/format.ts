// Numbers and times as the chosen language writes them. Times are UTC everywhere and say so: the record's are, and two people who compare them must not need to ask where the other sits.
import { language } from "../i18n/index.svelte";

// English is written as most of the world reads it: day before month, 24 hours.
const locale = () => (language.code === "en" ? "en-GB" : language.code);

export const count = (n: number | bigint) => new Intl.NumberFormat(locale()).format(n);
export const figure = (n: number, digits = 4) =>
  new Intl.NumberFormat(locale(), { maximumSignificantDigits: digits, notation: n !== 0 && Math.abs(n) < 1e-4 ? "scientific" : "standard" }).format(n);
// grouped writes the digits of a recorded number in groups of three, and changes none: it may be longer than a double holds.
export const grouped = (text: string) => text.replace(/^(-?)(\d{4,})(?=\.|$)/, (_, sign, whole) => sign + whole.replace(/\B(?=(\d{3})+$)/g, ","));
// ticks are round values from lo to hi, about n of them, for an axis.
export function ticks(lo: number, hi: number, n = 4): number[] {
  const rough = (hi - lo) / n || 1, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999) ?? rough;
  const out: number[] = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9; i++) out.push(Number((i * step).toPrecision(12)));
  return out;
}
export const percent = (x: number) => new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }).format(x);
export const bytes = (n: number) => (n < 1e6 ? `${count(Math.round(n / 1e3))} kB` : `${figure(n / 1e6, 3)} MB`);

const micro = (t: number | bigint) => new Date(Number(t) / 1000);
export const instant = (d: Date) => `${new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC", hourCycle: "h23" }).format(d)} UTC`;
export const when = (t: number | bigint) => instant(micro(t));
export const exactly = (t: number | bigint) => micro(t).toISOString().replace("T", " ").replace("Z", " UTC");
export const day = (t: number | bigint) => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeZone: "UTC" }).format(micro(t));

// One PU is 10,000 nano-rho; a price is rounded up, as the gateway does.
export const pu = (nanoRho: number) => Math.ceil(nanoRho / 10_000);
// axis is a moment on the axis of times that reach from one second to another: with the hour while the whole axis is but a few days.
export function axis(from: number, to: number) {
  const fine = to - from < 3 * 86_400;
  const f = new Intl.DateTimeFormat(locale(), { timeZone: "UTC", ...(fine ? { hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: to - from < 600 ? "2-digit" : undefined } : { month: "short", day: "numeric", year: "2-digit" }) });
  return (s: number) => f.format(new Date(s * 1000));
}
export const compact = (n: number) => new Intl.NumberFormat(locale(), { notation: "compact", maximumSignificantDigits: 3 }).format(n);
export const short = (digest: string) => (digest.length > 14 ? `${digest.slice(0, 10)}…` : digest);
