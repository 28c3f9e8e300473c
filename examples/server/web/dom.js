// Small helpers. Text always goes through text nodes: nothing from a document or a model is ever
// read as HTML.

/** An element: el("a", {href: "#/", class: "x", onclick: f}, "text", child, …). */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

let fading = 0;

/** Say something for a few seconds; screen readers hear it. */
export function toast(text) {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => box.classList.remove("shown"), 5000);
}

/** Open a dialog that is removed when it closes; resolves to its return value. */
export function openDialog(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue);
  }, { once: true }));
}

/** Ask before something is lost. */
export async function confirmed(title, text, action) {
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" },
    el("form", { method: "dialog", class: "inside" },
      el("h2", { id: "dialog-title" }, title), el("p", { class: "soft" }, text),
      el("div", { class: "ends" },
        el("button", { value: "no", autofocus: true }, "Cancel"),
        el("button", { value: "yes", class: "danger primary", "data-test": "confirm" }, action))));
  return await openDialog(dialog) === "yes";
}

export const loading = () => el("p", { class: "loading", role: "status" }, "Loading…");

/** What to show in place of something that could not be loaded. */
export function failed(error, again) {
  return el("div", { class: "notice bad", role: "alert" },
    el("p", {}, error.message),
    again ? el("button", { class: "quiet", onclick: again }, "Try again") : null);
}

export function plural(count, one, many = one + "s") {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

export function sizeText(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = -1;
  do { value /= 1000; unit++; } while (value >= 999.5 && unit < units.length - 1);
  return `${value.toLocaleString(undefined, { maximumFractionDigits: 1 })} ${units[unit]}`;
}

/** The server's times are UTC without a zone mark. */
export function timeText(time) {
  const date = new Date(/Z|[+-]\d\d:\d\d$/.test(time) ? time : time + "Z");
  return Number.isNaN(date.getTime()) ? time
    : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
