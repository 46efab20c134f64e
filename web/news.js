// New critical incidents: read aloud by screen readers, shown on every page, and, when the viewer wants it, heard or
// told by the desktop.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { hear } from "./feed.js";
import { t } from "./i18n.js";
import { now } from "./now.js";
import { titleOf, toast } from "./parts.js";

export const NOTICES = ["off", "sound", "desktop"];
/** Two sounds are at least so far apart. */
const PAUSE_MS = 1500;
/** The longest tab may remember so many. */
const KNOWN_MAX = 5000;

/** How the viewer wants to be told: one of NOTICES. */
export const noticeChoice = () => {
  const kept = localStorage.getItem("notice") ?? "off";
  return NOTICES.includes(kept) ? kept : "off";
};

/** Chooses; the desktop is asked for its leave, and without it only a sound is made.
 * @param {string} wanted */
export async function chooseNotice(wanted) {
  let choice = wanted;
  if (choice === "desktop") {
    const leave = "Notification" in window ? await Notification.requestPermission().catch(() => "denied") : "denied";
    if (leave !== "granted") { toast(t("notice.denied"), "bad"); choice = "off"; }
  }
  localStorage.setItem("notice", choice);
  if (choice !== "off") chime();
  return choice;
}

/** @type {AudioContext|null} */
let audio = null;
let soundedAt = 0;
/** A sound that a browser does not let out yet. */
let pending = false;

/** Gets ready to sound; a browser may hold it back until somebody clicks or types. */
function ready() {
  try { audio ??= new AudioContext(); } catch { /* A browser without sound shows and says it all the same. */ }
}

/** Whether what is to be heard is heard: after a reload nobody has clicked yet. */
export const mayChime = () => audio?.state !== "suspended";

// Any gesture lets the sound out, and what waited is heard then.
for (const kind of ["click", "keydown"]) addEventListener(kind, () => { if (audio?.state === "suspended") audio.resume().catch(() => {}); }, { passive: true });

/** Two tones, made here: no file is loaded. One that is held back is heard as soon as it may be. */
export async function chime() {
  ready();
  if (!audio || pending) return;
  if (audio.state === "suspended") {
    pending = true;
    await audio.resume().catch(() => {});
    pending = false;
  }
  if (Date.now() - soundedAt < PAUSE_MS) return;
  soundedAt = Date.now();
  try {
    for (const [place, pitch] of [[0, 880], [0.18, 660]]) {
      const tone = audio.createOscillator();
      const gain = audio.createGain();
      const at = audio.currentTime + place;
      tone.frequency.value = pitch;
      gain.gain.setValueAtTime(0.0001, at);
      gain.gain.exponentialRampToValueAtTime(0.18, at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.3);
      tone.connect(gain).connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.32);
    }
  } catch { /* A browser without sound shows and says it all the same. */ }
}

/** @param {import("./types.js").Incident} incident */
function tellDesktop(incident) {
  const note = new Notification(t("announce", { id: incident.id, title: "" }).trim(), { body: titleOf(incident), tag: incident.id });
  note.onclick = () => { window.focus(); location.href = `/incidents/${incident.id}`; };
}

/** Sounds when something begins that the screen must not be trusted for.
 * @param {string[]} reasons what holds now */
export function useAlarm(reasons) {
  const told = useRef(/** @type {Set<string>} */ (new Set()));
  useEffect(() => {
    const news = reasons.some((reason) => !told.current.has(reason));
    told.current = new Set(reasons);
    if (news && noticeChoice() !== "off") chime();
  }, [reasons.join("\n")]);
}

/** Tells of incidents that are critical when they open or become so; a `quiet` one (on the wall) only sounds. */
export const Announcer = ({ quiet = false }) => {
  const [said, say] = useState("");
  useEffect(() => {
    const since = now() - 5000;
    const known = new Set();
    if (noticeChoice() !== "off") ready();
    const tell = (incident, word) => {
      if (incident?.severity !== "critical" || incident.state !== "abnormal" || known.has(incident.id)) return;
      if (known.size >= KNOWN_MAX) known.clear();
      known.add(incident.id);
      const text = t(word, { id: incident.id, title: titleOf(incident) });
      say(text);
      const choice = noticeChoice();
      if (choice !== "off") chime();
      if (choice === "desktop" && document.hidden) tellDesktop(incident);
      if (!quiet && location.pathname !== "/") toast(text, "bad", { to: `/incidents/${incident.id}`, text: t("open") });
    };
    return hear((changes) => {
      for (const { kind, data } of changes) {
        if (kind === "incident" && data.incident?.severity !== "critical") known.delete(data.id);
        // One that somebody has already is no news.
        else if (kind === "incident" && data.incident.progress === "triggered" && Date.parse(data.incident.opened_at) >= since) tell(data.incident, "announce");
        // One that was opened before was told then, unless it is critical only now.
        else if (kind === "timeline" && data.entry.kind === "severity_changed" && data.entry.detail === "critical") {
          call(`/api/v1/incidents/${encodeURIComponent(data.incident)}`).then((incident) => tell(incident, "announce.became"), () => {});
        }
      }
    });
  }, []);
  return html`<div class="unseen" aria-live="assertive" role="alert" id="announcer">${said}</div>`;
};
