// The list of entities; making and deleting one.
import { get, post, remove, entityPath } from "./api.js";
import { confirmed, el, openDialog, plural, toast } from "./dom.js";

const PAGE = 60;

function card(entity) {
  return el("li", {}, el("article", { class: "card entity" },
    el("h2", {}, el("a", { href: `#/e/${encodeURIComponent(entity.entity_id)}/documents` }, entity.entity_name)),
    el("p", { class: "soft small clip" }, entity.description || entity.entity_id),
    el("p", { class: "counts" },
      el("span", {}, plural(entity.total_documents, "document")), el("span", {}, plural(entity.total_chunks, "passage")))));
}

function idFrom(name) {
  return name.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60);
}

async function newEntity() {
  const name = el("input", { id: "new-name", required: true, autocomplete: "off", maxlength: 200 });
  const id = el("input", { id: "new-id", required: true, autocomplete: "off", maxlength: 120, spellcheck: "false", "aria-describedby": "new-id-hint" });
  const description = el("input", { id: "new-description", autocomplete: "off" });
  const problem = el("div", { role: "alert" });
  let own = false;
  name.addEventListener("input", () => { if (!own) id.value = idFrom(name.value); });
  id.addEventListener("input", () => { own = id.value !== ""; });
  const create = el("button", { class: "primary", "data-test": "create" }, "Create");
  const dialog = el("dialog", { "aria-labelledby": "new-title" },
    el("form", {
      class: "inside",
      onsubmit: async (event) => {
        event.preventDefault();
        create.disabled = true;
        try {
          await post("/api/entities", { entity_id: id.value, entity_name: name.value, description: description.value });
          dialog.close(id.value);
        } catch (error) {
          problem.replaceChildren(el("p", { class: "refused" }, error.message));
          create.disabled = false;
        }
      },
    },
    el("h2", { id: "new-title" }, "New entity"),
    el("div", {}, el("label", { for: "new-name" }, "Name"), name),
    el("div", { class: "field" }, el("label", { for: "new-id" }, "Id"), id,
      el("p", { class: "hint", id: "new-id-hint" }, "Programs use it in URLs; it cannot be changed later.")),
    el("div", {}, el("label", { for: "new-description" }, "Description, if you like"), description),
    problem,
    el("div", { class: "ends" },
      el("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"), create)));
  const made = await openDialog(dialog);
  if (made) location.hash = `#/e/${encodeURIComponent(made)}/documents`;
}

export async function deleteEntity(entity) {
  const counts = `${plural(entity.total_documents, "document")} and all its conversations`;
  if (!await confirmed(`Delete “${entity.entity_name}”?`, `The entity goes with ${counts}. This cannot be undone.`, "Delete")) return;
  try {
    await remove(entityPath(entity.entity_id));
    toast(`“${entity.entity_name}” was deleted.`);
    location.hash = "#/";
  } catch (error) {
    toast(error.message);
  }
}

export async function showEntities(main, isCurrent) {
  const page = (query, offset) => get(`/api/entities?${new URLSearchParams({ limit: PAGE, offset, ...(query ? { q: query } : {}) })}`);
  let found = await page("", 0);
  if (!isCurrent()) return null;
  const list = el("ul", { class: "grid" });
  const total = el("p", { "aria-live": "polite" });
  const more = el("button", { class: "quiet" }, "Show more");
  const none = el("div", { class: "card empty", hidden: true });
  const search = el("input", { type: "search", "aria-label": "Find entities by name or id", placeholder: "Find an entity" });
  let query = "";
  const draw = (result, append) => {
    list.replaceChildren(...(append ? list.children : []), ...result.entities.map(card));
    total.textContent = plural(result.total, "entity", "entities") + (query ? " found" : "");
    more.hidden = list.children.length >= result.total;
    none.hidden = result.total > 0;
    none.replaceChildren(...(query ? [el("h2", {}, "Nothing by that name")] : [
      el("h2", {}, "Begin with an entity"),
      el("p", {}, "An entity is one walled-off set of documents: a client, a project, a person."),
      el("button", { class: "primary", onclick: newEntity }, "Create the first one")]));
  };
  more.addEventListener("click", async () => draw(await page(query, list.children.length), true));
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      query = search.value.trim();
      const asked = query;
      const result = await page(query, 0).catch((error) => { toast(error.message); return null; });
      if (result && asked === query && isCurrent()) draw(result, false);
    }, 150);
  });
  draw(found, false);
  main.replaceChildren(
    el("div", { class: "head" }, el("div", {}, el("h1", {}, "Entities"), total),
      el("button", { class: "primary", "data-test": "new-entity", onclick: newEntity }, "New entity")),
    el("div", { class: "field", hidden: found.total === 0 }, search), none, list, el("p", { class: "soft" }, more));
  return null;
}
