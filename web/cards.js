// Wide tables on a phone: each row is a card whose cells say by themselves what they are.

/** As narrow as a phone: the same bound stands in style/cards.css. */
const PHONE = matchMedia("(max-width: 480px)");

/** Writes the heads of a table's columns onto its cells.
 * @param {Element} table */
function label(table) {
  const heads = [...table.querySelectorAll(":scope > thead th")].map((head) => head.textContent?.trim() ?? "");
  for (const row of table.querySelectorAll(":scope > tbody > tr")) {
    let column = 0;
    for (const cell of /** @type {NodeListOf<HTMLTableCellElement>} */ (row.querySelectorAll(":scope > td, :scope > th"))) {
      const head = heads[column] ?? "";
      if (cell.dataset.head !== head) cell.dataset.head = head;
      column += cell.colSpan;
    }
  }
}

/** Labels every table of rows below `root`, now and whenever rows come.
 * @param {Element} root */
export function followTables(root) {
  const all = () => { if (PHONE.matches) root.querySelectorAll("table.plain:has(> thead)").forEach(label); };
  let asked = 0;
  const soon = () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(all); };
  new MutationObserver(soon).observe(root, { childList: true, subtree: true, characterData: true });
  PHONE.addEventListener("change", soon);
  soon();
}
