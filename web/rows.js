// Long lists: only the rows in sight are in the page.

import { useEffect, useRef, useState } from "./vendor/htm-preact.js";

/** Rows above and below what is in sight. */
const EXTRA = 12;
/** Shorter lists are shown whole. */
const WHOLE = 80;

/** Which of `count` rows to show: of one height each, unless all are. Give `body` to the element that holds them.
 * @param {number} count @param {number} guess the height of a row until one can be measured */
export function useRows(count, guess) {
  const body = useRef(/** @type {HTMLElement|null} */ (null));
  const [[first, last, height], set] = useState([0, WHOLE, guess]);
  useEffect(() => {
    if (count <= WHOLE) return undefined;
    const look = () => {
      if (!body.current) return;
      const row = /** @type {HTMLElement|null} */ (body.current.querySelector(":scope > :not(.space)"));
      const tall = row?.offsetHeight || guess;
      const top = body.current.getBoundingClientRect().top;
      // In steps, so that scrolling a little changes nothing.
      const from = Math.max(0, Math.floor(-top / tall / EXTRA) * EXTRA - EXTRA);
      const to = Math.max(from, Math.ceil((innerHeight - top) / tall / EXTRA) * EXTRA) + EXTRA;
      set((old) => (old[0] === from && old[1] === to && old[2] === tall ? old : [from, to, tall]));
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => { removeEventListener("scroll", look); removeEventListener("resize", look); };
  }, [count]);
  if (count <= WHOLE) return { body, first: 0, last: count, above: 0, below: 0, isWhole: true };
  const from = Math.min(first, count);
  const to = Math.min(last, count);
  return { body, first: from, last: to, above: from * height, below: (count - to) * height, isWhole: false };
}

/** Reads all pages of a list, up to `most` items; tells each page as it comes. `wanted` says whether to go on.
 * @param {(after?: string|null) => Promise<{items: any[], next?: string|null}>} read
 * @param {(items: any[], next?: string|null) => boolean} wanted @param {number} most */
export async function readAll(read, wanted, most) {
  let items = [];
  let after;
  do {
    const page = await read(after);
    items = items.concat(page.items);
    after = page.next;
    if (!wanted(items, after)) return;
  } while (after && items.length < most);
}
