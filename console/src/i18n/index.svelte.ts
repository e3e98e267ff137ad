// Texts of the console in three languages. English is the catalogue that the others must complete: the type of Texts makes a missing one an error of
// the build. What the gateway says (reasons, hints, names) comes as it says it.
import en from "./en";

export type Texts = Record<keyof typeof en, string>;
export type Key = keyof typeof en;

export const languages = { en: "English", zh: "中文", ko: "한국어" } as const;
export type Code = keyof typeof languages;

const loaders: Record<Code, () => Promise<{ default: Texts }>> = {
  en: async () => ({ default: en }),
  zh: () => import("./zh"),
  ko: () => import("./ko"),
};

export const language: { code: Code; texts: Texts } = $state({ code: "en", texts: en });

const key = "jali.language";

export async function setLanguage(code: Code) {
  const { default: texts } = await loaders[code]();
  language.code = code;
  language.texts = texts;
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
