// Runs before the first paint, so that the page never flashes in the other theme.
"use strict";
(() => {
  const asked = localStorage.getItem("theme");
  // A wall is dark unless somebody has chosen otherwise: it hangs in dim rooms.
  const dark = asked ? asked === "dark" : location.pathname === "/wall" || !matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
