// Texts of the console in three languages. English is the catalogue that the others must complete: the type of Texts makes a missing one an error of
// the build. What the gateway says in English (refusals, remarks) is translated beside the original: said.ts.
import en from "./en";
import type { Said } from "./said";

export type Texts = Record<keyof typeof en, string>;
export type Key = keyof typeof en;

export const languages = { en: "English", zh: "中文", ko: "한국어" } as const;
export type Code = keyof typeof languages;

const loaders: Record<Code, () => Promise<[{ default: Texts }, { default: Said | null }]>> = {
  en: async () => [{ default: en }, { default: null }],
  zh: () => Promise.all([import("./zh"), import("./said.zh")]),
  ko: () => Promise.all([import("./ko"), import("./said.ko")]),
};

export const language: { code: Code; texts: Texts; said: Said | null } = $state({ code: "en", texts: en, said: null });

const key = "jali.language";

export async function setLanguage(code: Code) {
  const [{ default: texts }, { default: said }] = await loaders[code]();
  language.code = code;
  language.texts = texts;
  language.said = said;
  document.documentElement.lang = code;
}

export async function keepLanguage(code: Code) {
  localStorage.setItem(key, code);
  await setLanguage(code);
}

// chooseLanguage takes what was chosen here before, else the first of the browser's that we have.
export async function chooseLanguage() {
  const wanted = [localStorage.getItem(key), ...navigator.languages].map((l) => (l ?? "").slice(0, 2));
  await setLanguage((wanted.find((l) => l in languages) as Code | undefined) ?? "en");
}

// What is said instead: a page that is not the console says some things otherwise.
const instead: Partial<Record<Key, Key>> = {};
export const speak = (texts: Partial<Record<Key, Key>>) => void Object.assign(instead, texts);

// t is a text with {name} replaced.
export function t(k: Key, values: Record<string, string | number> = {}): string {
  return language.texts[instead[k] ?? k].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
