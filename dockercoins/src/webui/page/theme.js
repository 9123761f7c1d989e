// The theme: the system's, or the one chosen with the three radio buttons and kept for the next visit. Runs
// before the first paint; style.css does the rest from `data-theme`.

const STORED_AS = "dockercoins.theme";
const THEMES = ["system", "light", "dark"];

// Storage can be forbidden (private windows, blocked site data); the page then just forgets.
export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Nothing to do: the choice holds until the page is closed.
  }
}

export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

// Calls `changed` after each change of theme, whoever made it.
export function watchTheme(changed) {
  const chosen = document.documentElement.dataset.theme;
  for (const input of document.querySelectorAll("input[name=theme]")) {
    input.checked = input.value === chosen;
    input.addEventListener("change", () => {
      apply(input.value);
      remember(STORED_AS, input.value);
      changed();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

function apply(theme) {
  document.documentElement.dataset.theme = THEMES.includes(theme) ? theme : "system";
}

apply(recall(STORED_AS));
