// Signing in with a token; the browser keeps only a session cookie that scripts cannot read.

import { html, useState } from "../vendor/htm-preact.js";
import { send } from "../api.js";
import { t } from "../i18n.js";

export const Login = ({ onSignedIn, onLang }) => {
  const [token, setToken] = useState("");
  const [wrong, setWrong] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    try {
      onSignedIn(await send("POST", "/api/v1/session", { token }));
    } catch (failure) {
      setWrong(failure.status === 401 ? t("login.bad") : failure.status === 403 ? t("login.source") : failure.message);
    }
  };
  return html`<div class="login">
    <form onSubmit=${submit}>
      <img src="/assets/icon.svg" alt="" />
      <h1>${t("login.title")}</h1>
      <label>${t("login.token")}
        <input type="password" autocomplete="current-password" autofocus value=${token} onInput=${(e) => setToken(e.target.value)} />
      </label>
      ${wrong && html`<p class="bad" role="alert">${wrong}</p>`}
      <button class="main" type="submit" disabled=${!token.trim()}>${t("login.go")}</button>
      <p class="dim">${t("login.help")}</p>
      <button type="button" class="icon" onClick=${onLang}>${t("lang")}</button>
    </form>
  </div>`;
};
