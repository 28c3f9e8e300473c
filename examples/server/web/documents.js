// The documents of an entity: upload, list, preview, delete.
import { get, remove, upload, entityPath } from "./api.js";
import { confirmed, el, plural, sizeText, timeText, toast } from "./dom.js";
import { view } from "./viewer.js";

const AT_ONCE = 2;

export async function showDocuments(body, entity, _rest, page) {
  const id = entity.entity_id;
  const list = el("ul", { class: "list card", "aria-label": "Documents" });
  const none = el("div", { class: "card empty", hidden: true }, el("h2", {}, "No documents yet"),
    el("p", {}, "Put files above; what they say can be searched a moment later."));
  const uploads = el("ul", { class: "list card uploads", "aria-label": "Uploads", hidden: true });
  const spoken = el("p", { class: "unseen", role: "status" });
  const waiting = [];
  let running = 0;
  let drawn = 0;

  async function draw() {
    const number = ++drawn;
    const documents = await get(entityPath(id, "files"));
    if (!page.isCurrent() || number !== drawn) return;
    list.hidden = documents.length === 0;
    none.hidden = documents.length > 0;
    list.replaceChildren(...documents.reverse().map((one) => el("li", {},
      el("div", { class: "what" },
        el("button", { class: "link", "data-test": "preview", onclick: () => view(id, one) }, one.doc_name ?? one.doc_id),
        el("p", { class: "soft small" }, `${plural(one.chunks_count, "passage")} · ${sizeText(one.file_size)} · ${timeText(one.indexed_at)}`)),
      el("button", { class: "quiet danger", "data-test": "delete-document", "aria-label": `Delete ${one.doc_name ?? one.doc_id}`,
        onclick: () => drop(one) }, "Delete"))));
  }

  async function drop(document) {
    if (!await confirmed(`Delete “${document.doc_name ?? document.doc_id}”?`, "The file and everything found in it go. This cannot be undone.", "Delete")) return;
    try {
      await remove(entityPath(id, "files", document.doc_id));
      toast("The document was deleted.");
    } catch (error) {
      toast(error.message);
    }
    await Promise.all([draw(), page.recount()]);
  }

  function begin() {
    while (running < AT_ONCE && waiting.length > 0) {
      running++;
      waiting.shift()().finally(() => { running--; begin(); });
    }
  }

  function add(file) {
    const state = el("p", { class: "soft small" }, "Waiting");
    const bar = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
    const button = el("button", { class: "quiet" }, "Cancel");
    const item = el("li", {}, el("div", { class: "what" }, el("p", { class: "name" }, file.name), state, bar), button);
    let sending = null;
    let cancelled = false;
    const end = (text, refused) => {
      state.textContent = text;
      state.className = refused ? "refused small" : "soft small";
      state.dataset.test = refused ? "refused" : "uploaded";
      spoken.textContent = `${file.name}: ${text}`;
      bar.remove();
      button.textContent = "Dismiss";
      button.setAttribute("aria-label", `Dismiss ${file.name}`);
      button.onclick = () => { item.remove(); uploads.hidden = uploads.children.length === 0; };
    };
    button.onclick = () => { cancelled = true; if (sending) sending.cancel(); else end("Cancelled", false); };
    uploads.hidden = false;
    uploads.append(item);
    waiting.push(async () => {
      if (cancelled || !page.isCurrent()) return;
      try {
        state.textContent = "Sending";
        sending = upload(entityPath(id, "files"), file, (part) => {
          bar.value = part;
          state.textContent = part < 1 ? `Sending, ${Math.round(part * 100)} %` : "Reading and indexing";
          if (part >= 1) bar.removeAttribute("value");
        });
        const reply = await sending.done;
        end(reply.is_duplicate ? "This document is here already." : `Stored, ${plural(reply.chunks_count, "passage")}.${reply.notice ? " " + reply.notice : ""}`, false);
      } catch (error) {
        end(error.name === "AbortError" ? "Cancelled" : error.message, error.name !== "AbortError");
      }
      await Promise.all([draw(), page.recount()]).catch(() => {});
    });
    begin();
  }

  const picker = el("input", { type: "file", multiple: true, class: "unseen", id: "files", tabindex: "-1", "aria-hidden": "true" });
  picker.addEventListener("change", () => { [...picker.files].forEach(add); picker.value = ""; });
  const target = el("div", { class: "drop" },
    el("button", { class: "primary", onclick: () => picker.click() }, "Choose files"), picker,
    el("p", {}, "or drop them here: text, Markdown, HTML, PDF, Office files, e-books, mails"));
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const over = (event) => { if (holdsFiles(event)) { event.preventDefault(); target.classList.add("over"); } };
  const out = (event) => { if (event.relatedTarget === null) target.classList.remove("over"); };
  const dropped = (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    target.classList.remove("over");
    [...event.dataTransfer.files].forEach(add);
  };
  addEventListener("dragover", over);
  addEventListener("dragleave", out);
  addEventListener("drop", dropped);
  body.replaceChildren(target, uploads, spoken, none, list);
  list.hidden = true;
  await draw();
  return () => {
    removeEventListener("dragover", over);
    removeEventListener("dragleave", out);
    removeEventListener("drop", dropped);
  };
}
