// Search: mode, filter, hits with the query's words marked.
import { get, post, entityPath } from "./api.js";
import { el, failed, plural } from "./dom.js";
import { viewById } from "./viewer.js";

const COMMON = new Set("a an and are as at be by did do does for from had has have how in is it of on or that the this to was were what when where which who why will with".split(" "));

/** The words of a query, cut so that other endings match as well: "prices" marks "price". */
export function stems(query) {
  const words = query.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.filter((word) => word.length > 1 && !COMMON.has(word)).map((word) => word.length > 5 ? word.slice(0, Math.max(4, word.length - 3)) : word);
}

/** Text nodes and <mark>s. */
export function marked(text, wanted) {
  return text.split(/([\p{L}\p{N}]+)/u).map((part, i) =>
    i % 2 === 1 && wanted.some((stem) => part.toLowerCase().startsWith(stem) && part.length <= stem.length + 6) ? el("mark", {}, part) : part);
}

function hit(entityId, one, wanted) {
  const place = [one.heading, one.page ? `page ${one.page}` : null].filter(Boolean).join(" · ");
  return el("li", { class: "card hit", "data-test": "hit" },
    el("header", {},
      el("h3", {}, el("button", { class: "link", onclick: () =>
        viewById(entityId, one.doc_id, one.doc_name, { start: one.start ?? -1, end: one.end ?? -1, quote: one.content }) }, one.doc_name ?? one.source ?? one.doc_id)),
      el("span", { class: "soft small" }, `score ${one.score?.toFixed(2) ?? "–"}`)),
    place ? el("p", { class: "soft small" }, place) : null,
    el("p", { class: "text" }, marked(one.content, wanted)));
}

export async function showSearch(body, entity, _rest, page) {
  const id = entity.entity_id;
  const documents = await get(entityPath(id, "files"));
  if (!page.isCurrent()) return null;
  const query = el("input", { type: "search", id: "query", placeholder: "Ask in your own words, or name a term", required: true, maxlength: 8000, autocomplete: "off" });
  const mode = el("select", { id: "mode" }, el("option", { value: "" }, "Best of both"),
    el("option", { value: "keyword" }, "Keywords"), el("option", { value: "vector" }, "Meaning"));
  const which = el("select", { id: "which" }, el("option", { value: "" }, "All documents"),
    documents.map((one) => el("option", { value: one.doc_id }, one.doc_name ?? one.doc_id)));
  const limit = el("select", { id: "limit" }, [5, 10, 20, 50].map((n) => el("option", { value: n }, String(n))));
  const filter = el("input", { id: "filter", placeholder: '{"year": {"$gte": 2020}}', spellcheck: "false", autocomplete: "off" });
  const found = el("p", { class: "found", role: "status" });
  const hits = el("ol", { class: "hits" });
  const button = el("button", { class: "primary" }, "Search");
  let asked = 0;
  async function run(event) {
    event.preventDefault();
    const number = ++asked;
    const request = { entity_id: id, query: query.value, limit: Number(limit.value) };
    if (mode.value) request.mode = mode.value;
    if (which.value) request.doc_ids = [which.value];
    if (filter.value.trim()) {
      try { request.filter = JSON.parse(filter.value); } catch {
        found.textContent = "";
        hits.replaceChildren(el("li", {}, failed(new Error('The filter is not JSON. It should look like {"year": 2024}.'))));
        return;
      }
    }
    found.textContent = "Searching…";
    button.disabled = true;
    try {
      const reply = await post("/api/search", request);
      if (number !== asked || !page.isCurrent()) return;
      const wanted = stems(query.value);
      found.textContent = reply.total === 0 ? "Nothing found. Other words may help, or fewer conditions."
        : `${plural(reply.total, "passage")}, best first${reply.mode === "keyword" && mode.value === "" ? " (by keyword)" : ""}`;
      hits.replaceChildren(...reply.results.map((one) => hit(id, one, wanted)));
    } catch (error) {
      found.textContent = "";
      hits.replaceChildren(el("li", {}, failed(error)));
    } finally {
      button.disabled = false;
    }
  }
  body.replaceChildren(
    el("form", { onsubmit: run, role: "search" },
      el("div", { class: "row" }, el("div", { class: "grow" }, el("label", { for: "query" }, "Search for"), query), button),
      el("details", { class: "more" }, el("summary", {}, "How to search"),
        el("div", { class: "row" },
          el("div", { class: "grow" }, el("label", { for: "mode" }, "By"), mode),
          el("div", { class: "grow" }, el("label", { for: "which" }, "In"), which),
          el("div", { class: "grow" }, el("label", { for: "limit" }, "At most"), limit),
          el("div", { class: "grow" }, el("label", { for: "filter" }, "Filter on metadata (JSON)"), filter)))),
    found, hits);
  query.focus({ preventScroll: true });
  return null;
}
