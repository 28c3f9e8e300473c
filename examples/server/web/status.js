// How the server is: health, what is stored, and work behind the calls.
import { get, getPlain, post, remove } from "./api.js";
import { confirmed, el, failed, sizeText, timeText, toast } from "./dom.js";
import { token } from "./token.js";

const EVERY_MS = 3000;

/** The samples of /metrics that have no labels. */
export function samples(text) {
  return new Map([...text.matchAll(/^([a-z_]+) (\S+)$/gm)].map((match) => [match[1], Number(match[2])]));
}

function fact(name, value) {
  return el("div", { class: "card" }, el("dt", {}, name), el("dd", {}, value));
}

const kinds = { upload: "Upload", chunks: "Chunks", reembed: "New vectors", check: "Check", compact: "Compaction", backup: "Backup" };

/** What a job has come to, in a few words. */
function outcome(job) {
  if (job.next_try_at) return `${job.error.message}; tried again by ${timeText(job.next_try_at)}`;
  if (job.error) return job.error.message;
  if (job.state === "waiting" || job.state === "running") {
    const part = job.total > 0 ? `, ${Math.round(100 * job.done / job.total)} %` : "";
    return job.stage ? `${job.stage}${part}` : "";
  }
  if (job.kind === "check" && job.result) return job.result.ok ? "Everything is as it should be." : `${job.result.findings.length} findings: ${job.result.findings[0]?.problem ?? ""}`;
  if (job.kind === "compact" && job.result) return `${sizeText(job.result.bytes_before)} → ${sizeText(job.result.bytes_after)}`;
  if (job.kind === "backup" && job.result) return `${sizeText(job.result.bytes)} in ${job.result.directory}`;
  return "";
}

function row(job, again) {
  const open = job.state === "waiting" || job.state === "running";
  const name = `${kinds[job.kind] ?? job.kind}${job.filename ? `: ${job.filename}` : ""}`;
  return el("li", {},
    el("div", { class: "what" },
      el("p", { class: "name" }, name),
      el("p", { class: job.state === "failed" ? "refused small" : "soft small" }, [job.entity_id, timeText(job.updated_at), outcome(job)].filter(Boolean).join(" · "))),
    el("span", { class: "small", "data-test": "job-state" }, job.state),
    open ? el("button", { class: "quiet", "aria-label": `Cancel ${name}`, onclick: async () => {
      try { await remove(`/api/jobs/${job.job_id}`); } catch (error) { toast(error.message); }
      again();
    } }, "Cancel") : null);
}

export async function showStatus(main, isCurrent) {
  const facts = el("dl", { class: "facts" });
  const problems = el("div", { role: "status" });
  const jobs = el("ul", { class: "list card", "aria-label": "Jobs" });
  const none = el("p", { class: "soft" }, "Nothing has been done behind the calls yet.");

  async function draw() {
    try {
      const [health, metrics, list] = await Promise.all([get("/health"),
        getPlain("/metrics").catch(() => "").then(samples), // for operators only, where there are tokens
        get("/api/jobs?limit=20")]);
      if (!isCurrent()) return;
      const number = (name) => (metrics.has(name) ? metrics.get(name).toLocaleString() : "–");
      const bytes = (name) => (metrics.has(name) ? sizeText(metrics.get(name)) : "–");
      facts.replaceChildren(
        fact("State", health.status === "healthy" ? "Healthy" : "Degraded"), fact("Version", health.version),
        fact("Entities", health.entities_loaded.toLocaleString()), fact("Documents", health.total_documents.toLocaleString()),
        fact("Passages", number("ragstore_chunks")), fact("Conversations", number("ragstore_sessions")),
        fact("Search", health.search_mode === "hybrid" ? "Keywords and meaning" : "Keywords only"),
        fact("Embedding model", health.embedder ? health.embedder.split("/")[0] : "none"),
        fact("Answers", health.answer_mode === "extractive" ? "Quoted from the documents" : "By a language model"),
        fact("Journal on disk", bytes("ragstore_journal_bytes")), fact("Free on the disk", bytes("ragstore_disk_free_bytes")),
        fact("Memory", bytes("process_resident_memory_bytes")));
      problems.replaceChildren(...health.problems.map((text) => el("p", { class: "notice bad" }, text)));
      jobs.replaceChildren(...list.jobs.map((job) => row(job, draw)));
      jobs.hidden = list.jobs.length === 0;
      none.hidden = list.jobs.length > 0;
    } catch (error) {
      if (isCurrent()) problems.replaceChildren(failed(error));
    }
  }

  const start = (kind, title, question) => el("button", { "data-test": kind, onclick: async () => {
    if (question && !await confirmed(title, question, title)) return;
    try { await post(`/api/admin/${kind}`); } catch (error) { toast(error.message); }
    draw();
  } }, title);

  await draw();
  if (!isCurrent()) return null;
  main.replaceChildren(el("div", { class: "head" }, el("h1", {}, "Status"),
    token() === "" ? el("p", { class: "small" }, el("a", { href: "/metrics" }, "All figures (Prometheus)")) : ""), problems, facts,
    el("div", { class: "head" }, el("h2", {}, "Jobs"),
      el("div", { class: "row" },
        start("check", "Check the store"),
        start("compact", "Compact", "What was deleted is taken out of every file. Others read and write meanwhile."),
        start("backup", "Back up"))),
    none, jobs);
  const timer = setInterval(() => document.hidden || draw(), EVERY_MS);
  return () => clearInterval(timer);
}
