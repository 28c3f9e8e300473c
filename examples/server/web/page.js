// Which view is shown: #/  #/status  #/e/<entity>/documents|search|chat[/<session>]
import { get, entityPath } from "./api.js";
import { el, failed, loading, plural } from "./dom.js";
import { showEntities, deleteEntity } from "./entities.js";
import { showDocuments } from "./documents.js";
import { showSearch } from "./search.js";
import { showChat } from "./chat.js";
import { showStatus } from "./status.js";

const main = document.getElementById("main");
const tabs = [["documents", "Documents", showDocuments], ["search", "Search", showSearch], ["chat", "Chat", showChat]];
let current = 0; // rises with each view: an older one must not draw any more
let leave = null;
let shownEntity = "";

async function showEntity(id, tab, rest, isCurrent) {
  const entity = await get(entityPath(id));
  if (!isCurrent()) return null;
  document.title = `${entity.entity_name} · ragstore`;
  const counts = el("p", { id: "counts" });
  const recount = (now) => {
    counts.textContent = `${plural(now.total_documents, "document")} · ${plural(now.total_chunks, "passage")}`;
  };
  recount(entity);
  const body = el("section", { "aria-label": tab[1] });
  main.replaceChildren(
    el("p", { class: "crumb" }, el("a", { href: "#/" }, "← All entities")),
    el("div", { class: "head" },
      el("div", {}, el("h1", {}, entity.entity_name), counts),
      el("button", { class: "danger", "data-test": "delete-entity", onclick: () => deleteEntity(entity) }, "Delete entity")),
    ...(entity.notice ? [el("p", { class: "notice" }, entity.notice)] : []),
    el("nav", { class: "tabs", "aria-label": "Parts of this entity" }, tabs.map(([name, title]) =>
      el("a", { href: `#/e/${encodeURIComponent(id)}/${name}`, "aria-current": name === tab[0] ? "page" : null }, title))),
    body);
  return tab[2](body, entity, rest, {
    isCurrent,
    recount: async () => { const now = await get(entityPath(id)); if (isCurrent()) recount(now); },
  });
}

async function show() {
  const number = ++current;
  const isCurrent = () => number === current;
  const [page, id, tabName, rest] = location.hash.slice(2).split("/").map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  leave?.();
  leave = null;
  for (const link of document.querySelectorAll("[data-nav]")) {
    const here = link.dataset.nav === (page === "status" ? "status" : "entities");
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  document.title = "ragstore";
  const key = page === "e" ? `e/${id}` : page;
  if (key !== shownEntity) main.replaceChildren(loading());
  shownEntity = key;
  try {
    let end = null;
    if (page === "e" && id) end = await showEntity(id, tabs.find(([name]) => name === tabName) ?? tabs[0], rest, isCurrent);
    else if (page === "status") end = await showStatus(main, isCurrent);
    else end = await showEntities(main, isCurrent);
    if (isCurrent()) leave = end; else end?.();
  } catch (error) {
    if (isCurrent()) main.replaceChildren(failed(error, show), el("p", {}, el("a", { href: "#/" }, "All entities")));
  }
}

async function showHealth() {
  const dot = document.querySelector("#health .dot");
  const text = document.getElementById("health-text");
  try {
    const health = await get("/health");
    dot.className = "dot " + (health.status === "healthy" ? "good" : "bad");
    text.textContent = health.status === "healthy" ? "Healthy" : "Degraded";
  } catch {
    dot.className = "dot bad";
    text.textContent = "Not reachable";
  }
}

let before = location.hash;
addEventListener("hashchange", () => {
  if (location.hash === "#main") { history.replaceState(null, "", before || "#/"); main.focus(); return; }
  before = location.hash;
  show().then(() => main.focus({ preventScroll: true }));
});
showHealth();
setInterval(() => document.hidden || showHealth(), 30000);
show();
