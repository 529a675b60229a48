/** Light, dark, or as the system is. */
import { byId } from "./dom.ts";

const themes = ["auto", "light", "dark"] as const;
type Theme = typeof themes[number];
const key = "theme";

/** Sets the theme that was chosen last, and lets the button change it. */
export function startTheme(): void {
  const button = byId("theme");
  let theme: Theme = themes.find((theme) => theme === recall()) ?? "auto";
  const show = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    keep(theme);
    show();
  });
  show();
}

// Where a browser keeps nothing, the choice lasts as long as the page.
function recall(): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(theme: Theme): void {
  try {
    localStorage.setItem(key, theme);
  } catch {
    // See recall().
  }
}
