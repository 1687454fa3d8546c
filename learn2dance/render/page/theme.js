// Light and dark: as the system asks for, until the switch is used.

const LIGHT = window.matchMedia("(prefers-color-scheme: light)");

/** Set the theme, "light" or "dark". */
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new Event("theme"));
}

/** Change from light to dark, or back. */
export function switchTheme() {
  LIGHT.removeEventListener("change", followSystem);
  setTheme(document.documentElement.dataset.theme === "light" ? "dark" : "light");
}

function followSystem() {
  setTheme(LIGHT.matches ? "light" : "dark");
}

followSystem();
LIGHT.addEventListener("change", followSystem);
