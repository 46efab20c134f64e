// The server's clock: ages are told by it, because the viewer's may be wrong.

let ahead = 0;

/** @param {string} at what the server's clock shows now */
export const setNow = (at) => { ahead = Date.parse(at) - Date.now(); };

/** Now, in milliseconds, by the server's clock. */
export const now = () => Date.now() + ahead;
