// Conversations: sessions, an answer that grows while it arrives, citations that open their passage.
import { ask, get, post, remove, entityPath } from "./api.js";
import { confirmed, el, plural, toast } from "./dom.js";
import { viewById } from "./viewer.js";

const sessionPath = (id, ...more) => ["/api/chat/sessions", encodeURIComponent(id), ...more].join("/");

/** Where each number of an answer points: from the stored message, or from the sources of a stream. */
function citationsOf(message, sources) {
  const found = new Map();
  (sources ?? []).forEach((one, i) => found.set(i + 1, { doc_id: one.doc_id, doc_name: one.doc_name, start: one.start ?? -1, end: one.end ?? -1, quote: one.content }));
  for (const one of message?.metadata?.citations ?? []) {
    if (Number.isInteger(one.n) && one.doc_id) found.set(one.n, { start: -1, end: -1, ...one });
  }
  return found;
}

/** The text of an answer, with buttons in place of [1], [2]. */
function answerText(text, citations, open) {
  return text.split(/\[(\d+)\]/).map((part, i) => {
    if (i % 2 === 0) return part;
    const citation = citations.get(Number(part));
    return citation === undefined ? `[${part}]`
      : el("button", { class: "cite", "data-test": "cite", "aria-label": `Source ${part}: ${citation.doc_name ?? citation.doc_id}`, onclick: () => open(citation) }, part);
  });
}

export async function showChat(body, entity, sessionId, page) {
  const id = entity.entity_id;
  const here = (session) => `#/e/${encodeURIComponent(id)}/chat${session ? "/" + encodeURIComponent(session) : ""}`;
  const sessions = (await get(entityPath(id, "sessions"))).sort((a, b) => b.last_activity.localeCompare(a.last_activity));
  const session = sessions.find((one) => one.session_id === sessionId) ?? null;
  const stored = session ? await get(sessionPath(session.session_id, "messages")) : [];
  if (!page.isCurrent()) return null;

  const open = (citation) => viewById(id, citation.doc_id, citation.doc_name, citation);
  const list = el("div", { class: "messages", role: "log", "aria-label": "Conversation", tabindex: "0" });
  let stopping = null;

  function draw(message, sources) {
    const mine = message.role === "user";
    const citations = mine ? new Map() : citationsOf(message, sources);
    const text = el("div", { class: "text" }, mine ? message.content : answerText(message.content, citations, open));
    const used = new Set([...message.content.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1])));
    const shown = [...citations].filter(([n]) => used.has(n));
    return el("div", { class: `message ${mine ? "user" : "assistant"}` },
      el("p", { class: mine ? "unseen" : "who" }, mine ? "You" : message.metadata?.partial ? "Answer, cut short" : "Answer"), text,
      shown.length > 0 ? el("div", { class: "sources" }, shown.map(([n, one]) =>
        el("button", { onclick: () => open(one) }, `${n} · ${one.doc_name ?? one.doc_id}${one.page ? `, page ${one.page}` : ""}`))) : null);
  }

  async function begin() {
    try {
      const made = await post("/api/chat/sessions", { entity_id: id });
      location.hash = here(made.session_id);
      return made;
    } catch (error) {
      toast(error.message);
      return null;
    }
  }

  async function drop() {
    if (!await confirmed(`Delete “${session.session_name}”?`, `The conversation goes with ${plural(session.message_count, "message")}.`, "Delete")) return;
    try {
      await remove(sessionPath(session.session_id));
      location.hash = here(null);
    } catch (error) {
      toast(error.message);
    }
  }

  const box = el("textarea", { rows: 1, id: "question", required: true, maxlength: 16000, placeholder: "Ask about these documents", "aria-label": "Your question" });
  const send = el("button", { class: "primary", "data-test": "send" }, "Send");
  const stop = el("button", { type: "button", hidden: true, "data-test": "stop", onclick: () => stopping?.abort() }, "Stop");

  async function run(event) {
    event.preventDefault();
    const question = box.value.trim();
    if (question === "" || stopping !== null) return;
    const text = el("div", { class: "text waiting" });
    const answer = el("div", { class: "message assistant", "aria-busy": "true" }, el("p", { class: "who" }, "Answer"), text);
    let sources = [];
    let said = "";
    list.querySelector(".empty")?.remove();
    list.append(draw({ role: "user", content: question }), answer);
    box.value = "";
    stopping = new AbortController();
    send.hidden = true;
    stop.hidden = false;
    answer.scrollIntoView({ block: "nearest" });
    try {
      await ask({ session_id: session.session_id, message: question }, stopping.signal, (name, data) => {
        if (name === "sources") sources = data;
        else if (name === "delta") {
          said += data.text;
          text.textContent = said;
          answer.scrollIntoView({ block: "nearest" });
        } else if (name === "done") answer.replaceWith(draw(data.message, sources));
        else if (name === "error") throw new Error(`${data.error}: ${data.detail}`);
      });
    } catch (error) {
      text.classList.remove("waiting");
      answer.removeAttribute("aria-busy");
      answer.append(error.name === "AbortError" ? el("p", { class: "soft small", "data-test": "stopped" }, "Stopped. What had been said is kept, and is here when you open the conversation again.")
        : el("p", { class: "refused small", role: "alert" }, error.message));
    }
    stopping = null;
    send.hidden = false;
    stop.hidden = true;
    if (page.isCurrent()) box.focus({ preventScroll: true });
  }
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); box.form.requestSubmit(); }
  });

  const aside = el("aside", { class: "sessions", "aria-label": "Conversations" },
    el("button", { "data-test": "new-session", onclick: begin }, "New conversation"),
    el("ul", {}, sessions.map((one) => el("li", {}, el("a", { href: here(one.session_id), "aria-current": one === session ? "page" : null }, one.session_name)))));
  const nothing = el("div", { class: "empty" }, el("h2", {}, session ? "Ask something" : "No conversation open"),
    el("p", {}, session ? "Answers quote the documents, and each quote opens where it stands." : "Begin one, or open one that is there."));
  body.replaceChildren(el("div", { class: "chat" }, aside,
    el("div", { class: "card talk" }, session ? [
      el("div", { class: "head" }, el("h2", {}, session.session_name), el("button", { class: "quiet danger", "data-test": "delete-session", onclick: drop }, "Delete")),
      list, el("form", { class: "ask", onsubmit: run }, box, send, stop)] : nothing)));
  list.replaceChildren(...(stored.length > 0 ? stored.map((one) => draw(one)) : [nothing]));
  if (session) {
    box.focus({ preventScroll: true });
    if (stored.length > 0) list.lastElementChild.scrollIntoView({ block: "nearest" });
  }
  return () => stopping?.abort();
}
