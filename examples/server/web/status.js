// How the server is.
import { get } from "./api.js";
import { el, failed, sizeText } from "./dom.js";

const EVERY_MS = 5000;

/** The samples of /metrics that have no labels. */
export function samples(text) {
  return new Map([...text.matchAll(/^([a-z_]+) (\S+)$/gm)].map((match) => [match[1], Number(match[2])]));
}

function fact(name, value) {
  return el("div", { class: "card" }, el("dt", {}, name), el("dd", {}, value));
}

export async function showStatus(main, isCurrent) {
  const facts = el("dl", { class: "facts" });
  const problems = el("div", { role: "status" });
  async function draw() {
    try {
      const [health, metrics] = await Promise.all([get("/health"),
        fetch("/metrics").then((reply) => (reply.ok ? reply.text() : "")).then(samples)]);
      if (!isCurrent()) return;
      const number = (name) => (metrics.has(name) ? metrics.get(name).toLocaleString() : "–");
      const bytes = (name) => (metrics.has(name) ? sizeText(metrics.get(name)) : "–");
      facts.replaceChildren(
        fact("State", health.status === "healthy" ? "Healthy" : "Degraded"), fact("Version", health.version),
        fact("Entities", health.entities_loaded.toLocaleString()), fact("Documents", health.total_documents.toLocaleString()),
        fact("Passages", number("ragstore_chunks")), fact("Conversations", number("ragstore_sessions")),
        fact("Search", health.search_mode === "hybrid" ? "Keywords and meaning" : "Keywords only"),
        fact("Embedding model", health.embedder ? health.embedder.split("/")[0] : "none"),
        fact("Answers", health.answer_mode === "extractive" ? "Quoted from the documents" : String(health.answer_mode)),
        fact("Journal on disk", bytes("ragstore_journal_bytes")), fact("Free on the disk", bytes("ragstore_disk_free_bytes")),
        fact("Memory", bytes("process_resident_memory_bytes")));
      problems.replaceChildren(...health.problems.map((text) => el("p", { class: "notice bad" }, text)));
    } catch (error) {
      if (isCurrent()) problems.replaceChildren(failed(error));
    }
  }
  await draw();
  if (!isCurrent()) return null;
  main.replaceChildren(el("div", { class: "head" }, el("h1", {}, "Status"),
    el("p", { class: "small" }, el("a", { href: "/metrics" }, "All figures (Prometheus)"))), problems, facts);
  const timer = setInterval(() => document.hidden || draw(), EVERY_MS);
  return () => clearInterval(timer);
}
