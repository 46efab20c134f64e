// One feed for all tabs of a browser: over plain HTTP a browser opens six connections to a host, and a feed holds one as
// long as it is open. Six tabs with a feed each would leave none for anything else.

const KINDS = ["incident", "timeline", "silence", "command", "resync", "pulse"];
/** A connection that stays silent for this long is given up. */
const DEAD_MS = 20_000;
/** A tab that has not been heard of for this long is gone; tabs in the background speak once a minute at least. */
const GONE_MS = 150_000;

/** Feeds by language.
 * @type {Map<string, {lang: string, source: EventSource|null, lastId: string, heardAt: number, connected: boolean, pulse: string, tabs: Map<MessagePort, number>}>} */
const feeds = new Map();

/** @param {any} feed @param {object} message */
function tell(feed, message) {
  for (const tab of feed.tabs.keys()) tab.postMessage(message);
}

function heard(feed) {
  feed.connected = true;
  feed.heardAt = Date.now();
}

function connect(feed) {
  feed.source?.close();
  const query = new URLSearchParams({ lang: feed.lang });
  if (feed.lastId) query.set("after", feed.lastId);
  const source = new EventSource(`/api/v1/feed?${query}`);
  feed.source = source;
  feed.heardAt = Date.now();
  source.onopen = () => { heard(feed); tell(feed, { state: "open" }); };
  source.onerror = () => {
    feed.connected = false;
    tell(feed, { state: source.readyState === EventSource.CLOSED ? "closed" : "lost" });
  };
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      const { data, lastEventId } = /** @type {MessageEvent} */ (event);
      heard(feed);
      if (lastEventId) feed.lastId = lastEventId;
      if (kind === "pulse") feed.pulse = data;
      tell(feed, { kind, data, id: lastEventId });
    });
  }
}

function leave(tab) {
  for (const feed of feeds.values()) {
    if (!feed.tabs.delete(tab) || feed.tabs.size) continue;
    feed.source?.close();
    feeds.delete(feed.lang);
  }
}

/** What a tab says: `{join: language}`, `{again: language}`, `{alive: true}` or `{leave: true}`. */
function listen(tab, said) {
  if (said.leave) { leave(tab); return; }
  if (said.join) {
    leave(tab);
    const known = feeds.get(said.join);
    const feed = known ?? { lang: said.join, source: null, lastId: said.after ?? "", heardAt: Date.now(), connected: false, pulse: "", tabs: new Map() };
    feeds.set(said.join, feed);
    feed.tabs.set(tab, Date.now());
    if (!known) connect(feed);
    else if (feed.connected) tab.postMessage({ state: "open" });
    if (known?.pulse && feed.connected) tab.postMessage({ kind: "pulse", data: feed.pulse, id: feed.lastId });
  }
  for (const feed of feeds.values()) {
    if (feed.tabs.has(tab)) feed.tabs.set(tab, Date.now());
    if (said.again && feed.tabs.has(tab) && feed.source?.readyState !== EventSource.CONNECTING && !(feed.connected && Date.now() - feed.heardAt < DEAD_MS / 4)) connect(feed);
  }
}

setInterval(() => {
  for (const feed of [...feeds.values()]) {
    for (const [tab, at] of feed.tabs) if (Date.now() - at > GONE_MS) leave(tab);
    if (feeds.has(feed.lang) && feed.connected && Date.now() - feed.heardAt > DEAD_MS) {
      feed.connected = false;
      tell(feed, { state: "lost" });
      connect(feed);
    }
  }
}, 1000);

/** @type {any} */ (self).onconnect = (event) => {
  const tab = event.ports[0];
  tab.onmessage = (message) => listen(tab, message.data);
};
