// Signing in with a token; the browser keeps only a session cookie that scripts cannot read.

import { html, useState } from "../vendor/htm-preact.js";
import { send } from "../api.js";
import { t } from "../i18n.js";

/** What the address hands over, as `demo` prints it: it leaves the address at once and waits for a click, so that
 * nobody is signed in by a link that somebody else made. */
function handedOver() {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

export const Login = ({ ended, onSignedIn, onLang }) => {
  const [token, setToken] = useState(handedOver);
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onSignedIn(await send("POST", "/api/v1/session", { token: token.trim() }), token.trim());
    } catch (failure) {
      setWrong(failure.status === 401 ? t("login.bad") : failure.status === 403 ? t("login.source") : failure.message);
      setBusy(false);
    }
  };
  return html`<main class="login">
    <form onSubmit=${submit}>
      <img src="/assets/icon.svg" alt="" width="46" height="46" />
      <h1>${t("login.title")}</h1>
      ${ended && html`<p class="notice" role="status">${t("login.ended")}</p>`}
      <input class="unseen" type="text" name="username" autocomplete="username" value="headwater" tabindex="-1" aria-hidden="true" readonly />
      <label>${t("login.token")}
        <input type="password" name="token" autocomplete="current-password" autofocus value=${token} onInput=${(e) => setToken(e.target.value)} />
      </label>
      ${wrong && html`<p class="bad" role="alert">${wrong}</p>`}
      <button class="main" type="submit" disabled=${busy || !token.trim()}>${t("login.go")}</button>
      <p class="dim">${t("login.help")}</p>
      <button type="button" class="icon lang" onClick=${onLang}>${t("lang")}</button>
    </form>
  </main>`;
};
