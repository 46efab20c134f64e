// Runs before the first paint, so that the page never flashes in the other theme.
"use strict";
(() => {
  const asked = localStorage.getItem("theme");
  const dark = asked ? asked === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
