// New critical incidents: read aloud by screen readers, shown on every page, and, when the viewer wants it, heard or
// told by the desktop.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { hear } from "./feed.js";
import { t } from "./i18n.js";
import { now } from "./now.js";
import { toast } from "./parts.js";

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

/** Chooses; the desktop is asked for its leave, and without it only a sound is made. @param {string} wanted */
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

/** Two tones, made here: no file is loaded. */
export function chime() {
  if (Date.now() - soundedAt < PAUSE_MS) return;
  soundedAt = Date.now();
  try {
    audio ??= new AudioContext();
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
  const note = new Notification(t("announce", { id: incident.id, title: "" }).trim(), { body: incident.title, tag: incident.id });
  note.onclick = () => { window.focus(); location.href = `/incidents/${incident.id}`; };
}

/** Tells; a `quiet` one (on the wall) only sounds. */
export const Announcer = ({ quiet = false }) => {
  const [said, say] = useState("");
  useEffect(() => {
    const since = now() - 5000;
    const known = new Set();
    return hear((changes) => {
      for (const { kind, data } of changes) {
        const incident = kind === "incident" ? data.incident : null;
        const news = incident && incident.severity === "critical" && incident.state === "abnormal" && incident.progress === "triggered";
        if (!news || known.has(incident.id) || Date.parse(incident.opened_at) < since) continue;
        if (known.size >= KNOWN_MAX) known.clear();
        known.add(incident.id);
        const text = t("announce", { id: incident.id, title: incident.title });
        say(text);
        const choice = noticeChoice();
        if (choice !== "off") chime();
        if (choice === "desktop" && document.hidden) tellDesktop(incident);
        if (!quiet && location.pathname !== "/") toast(text, "bad", { to: `/incidents/${incident.id}`, text: t("open") });
      }
    });
  }, []);
  return html`<div class="unseen" aria-live="assertive" role="alert" id="announcer">${said}</div>`;
};
