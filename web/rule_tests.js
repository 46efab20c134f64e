// Tests of rules, played by the engine: which hold, and what came out otherwise.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { send } from "./api.js";
import { t } from "./i18n.js";
import { Panel } from "./parts.js";

/** What a test file begins with. */
export const SKELETON = `tests:
  - name: a critical alert is an incident at once
    steps:
      - at: 0s
        events:
          - { name: power-lost, severity: critical, object: { name: db-1 } }
        verdicts: [opened]
        incidents: [{ severity: critical, alerts: 1 }]
`;

/** @param {{one: import("headwater-api").TestItem, onPlace: any}} props */
const Test = ({ one, onPlace }) => html`<tr class=${one.differences.length ? "failed" : ""}><td class="mark">${one.differences.length ? html`<em class="tag bad">${t("rtest.failed")}</em>` : html`<em class="tag good">${t("rtest.holds")}</em>`}</td>
  <td><b>${one.name}</b>${one.differences.map((difference, i) => html`<p key=${i} class="bad"><button class="linkish" onClick=${() => onPlace(one.file, difference.line)}>${one.file}:${difference.line}</button> ${difference.what}</p>`)}</td><td class="dim">${one.file}</td></tr>`;

/** Plays at once, or when it is asked to.
 * @param {{files?: () => Record<string, string>, atOnce?: boolean, onPlace: (file: string, line: number) => void}} props */
export const RuleTests = ({ files = undefined, atOnce = false, onPlace }) => {
  const [found, set] = useState(/** @type {import("headwater-api").RulesTested|null} */ (null));
  const [failed, setFailed] = useState(/** @type {string[]} */ ([]));
  const [busy, setBusy] = useState(false);
  const run = () => {
    setBusy(true);
    send("POST", "/api/v1/rules/tests", files ? { files: files() } : {}).then((result) => { set(result); setFailed([]); }, (failure) => { set(null); setFailed([failure.message, ...failure.errors]); }).finally(() => setBusy(false));
  };
  useEffect(() => { if (atOnce) run(); }, []);
  const mark = found && found.tests.length > 0 && html`<em class=${`tag ${found.failed ? "bad" : "good"}`}>${t(found.failed ? "rtest.some" : "rtest.all", { n: found.tests.length, failed: found.failed })}</em>`;
  return html`<${Panel} title=${t("rtest.title")} aside=${html`${mark}<button data-act="ruletests" disabled=${busy} onClick=${run}>${t("rtest.run")}</button>`} kind="ruletests">
    ${failed.map((why) => html`<p key=${why} class="bad">${why}</p>`)}
    ${!found && failed.length === 0 && html`<p class="dim">${t(busy ? "sug.working" : "rtest.help")}</p>`}
    ${found?.tests.length === 0 && html`<p class="dim">${t("rtest.none")}</p>`}
    ${found && found.tests.length > 0 && html`<div class="scroll"><table class="plain"><tbody>${[...found.tests].sort((a, b) => b.differences.length - a.differences.length).map((one) => html`<${Test} key=${one.file + one.name} one=${one} onPlace=${onPlace} />`)}</tbody></table></div>`}<//>`;
};
