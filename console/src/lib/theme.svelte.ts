// Light or dark, as the system says or as its user chose. A choice is no secret: it is kept in web storage.
const key = "jali.theme";
type Theme = "system" | "light" | "dark";

export const theme: { choice: Theme } = $state({ choice: (localStorage.getItem(key) as Theme | null) ?? "system" });

export function setTheme(choice: Theme) {
  theme.choice = choice;
  if (choice === "system") {
    localStorage.removeItem(key);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(key, choice);
    document.documentElement.dataset.theme = choice;
  }
}
setTheme(theme.choice);
