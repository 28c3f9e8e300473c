// A document's text in a dialog, with a passage marked in it. Offsets count bytes of the text.
import { get, getText, save, entityPath } from "./api.js";
import { el, failed, loading, openDialog, toast } from "./dom.js";

const AROUND = 200000; // bytes shown on each side of a passage; more would make the page slow

/** Move back to the first byte of a character. */
function boundary(bytes, at) {
  let place = Math.max(0, Math.min(at, bytes.length));
  while (place > 0 && place < bytes.length && (bytes[place] & 0xc0) === 0x80) place--;
  return place;
}

function pieces(bytes, passage) {
  const decoder = new TextDecoder();
  const known = passage && passage.start >= 0 && passage.end > passage.start && passage.end <= bytes.length;
  const start = known ? boundary(bytes, passage.start) : 0;
  const end = known ? boundary(bytes, passage.end) : 0;
  const from = boundary(bytes, start - AROUND);
  const to = boundary(bytes, end + AROUND);
  const text = (a, b) => decoder.decode(bytes.subarray(a, b));
  return {
    mark: known ? el("mark", { id: "passage", tabindex: "-1" }, text(start, end)) : null,
    before: (from > 0 ? "[…]\n" : "") + text(from, start), after: text(end, to) + (to < bytes.length ? "\n[…]" : ""),
  };
}

/** Show a document {doc_id, doc_name}; `passage` is {start, end, quote}, or nothing. */
export async function view(entityId, document_, passage) {
  const body = el("div", { class: "body", tabindex: "0", role: "region", "aria-label": "Text of the document" }, loading());
  const content = entityPath(entityId, "files", document_.doc_id, "content");
  const dialog = el("dialog", { class: "viewer", "aria-labelledby": "viewer-title" },
    el("div", { class: "inside" },
      el("h2", { id: "viewer-title" }, document_.doc_name ?? document_.doc_id), body,
      el("div", { class: "ends" },
        el("a", { class: "button", href: content, download: document_.doc_name ?? "",
          onclick: (event) => save(event, content, document_.doc_name ?? document_.doc_id).catch((error) => toast(error.message)) }, "Download"),
        el("button", { class: "primary", "data-test": "close-viewer", autofocus: true, onclick: () => dialog.close() }, "Close"))));
  const closed = openDialog(dialog);
  try {
    const bytes = new Uint8Array(await getText(entityPath(entityId, "files", document_.doc_id, "text")));
    const { before, mark, after } = pieces(bytes, passage);
    body.replaceChildren(...(passage && !mark && passage.quote ? [el("p", {}, el("mark", { id: "passage" }, passage.quote))] : []),
      before, ...(mark ? [mark] : []), after);
    mark?.scrollIntoView({ block: "center" });
  } catch (error) {
    // a document of ready-made chunks has no text of its own, but the passage is known
    body.replaceChildren(passage?.quote && error.status === 404 ? el("mark", { id: "passage" }, passage.quote) : failed(error));
  }
  await closed;
}

/** The name of a document that is known by its id only. */
export async function viewById(entityId, docId, name, passage) {
  const known = name ? { doc_id: docId, doc_name: name } : await get(entityPath(entityId, "files", docId)).catch(() => ({ doc_id: docId }));
  return view(entityId, known, passage);
}
