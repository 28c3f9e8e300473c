// The token of a server that wants one. It is asked for once, and kept as long as this tab is open.
import { el, openDialog } from "./dom.js";

const KEY = "ragstore-token";
let asking = null; // one dialog for all calls that wait

export const token = () => sessionStorage.getItem(KEY) ?? "";

/** The header to send, as far as there is a token. */
export const authorization = () => (token() === "" ? {} : { Authorization: `Bearer ${token()}` });

/** Ask for a token; resolves to whether there is a new one. */
export function askForToken() {
  asking ??= ask().finally(() => { asking = null; });
  return asking;
}

async function ask() {
  const wrong = token() !== "";
  const input = el("input", { id: "token", type: "password", required: true, autocomplete: "off", spellcheck: "false", "aria-describedby": "token-hint" });
  const dialog = el("dialog", { "aria-labelledby": "token-title" },
    el("form", { class: "inside", onsubmit: (event) => { event.preventDefault(); dialog.close(input.value.trim()); } },
      el("h2", { id: "token-title" }, "This server wants a token"),
      wrong ? el("p", { class: "refused", role: "alert" }, "The server does not know the last one.") : null,
      el("div", { class: "field" }, el("label", { for: "token" }, "Token"), input,
        el("p", { class: "hint", id: "token-hint" }, "The operator makes one with ragstore-server --make-token. It is kept until this tab is closed.")),
      el("div", { class: "ends" },
        el("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"),
        el("button", { class: "primary", "data-test": "use-token" }, "Use it"))));
  const given = await openDialog(dialog);
  if (given) sessionStorage.setItem(KEY, given);
  return Boolean(given);
}
