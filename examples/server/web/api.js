// The calls of the server. Every failure becomes an Error whose message a person can read.

import { askForToken, authorization, token } from "./token.js";

export class Refused extends Error {
  constructor(status, body) {
    super(reason(status, body));
    this.status = status;
  }
}

function reason(status, body) {
  if (Array.isArray(body?.detail)) {
    return body.detail.map((one) => `${one.loc.slice(1).join(" ") || "The request"}: ${one.msg}`).join(". ");
  }
  if (body?.error) return body.detail ? `${body.error}: ${body.detail}` : body.error;
  return `The server answered ${status}.`;
}

const unreachable = () => new Error("The server cannot be reached. Is it running?");

async function send(method, path, body, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  do {
    try {
      response = await fetch(path, { method, headers: { ...headers, ...authorization() }, signal: options.signal,
        body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
  } while (response.status === 401 && await askForToken());
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => null));
  return response;
}

export const get = async (path) => (await send("GET", path)).json();
export const getText = async (path) => (await send("GET", path)).arrayBuffer();
export const getPlain = async (path) => (await send("GET", path)).text();
export const post = async (path, body) => (await send("POST", path, body)).json();
export const remove = async (path) => (await send("DELETE", path)).json();

/** The path of an entity and what is below it; every part is escaped. */
export const entityPath = (...parts) => "/api/entities/" + parts.map(encodeURIComponent).join("/");

/** Save what is at a path. A link cannot send a token, so the bytes are fetched then. */
export async function save(event, path, name) {
  if (token() === "") return;
  event.preventDefault();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await (await send("GET", path)).blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** Send one file; `progress` gets 0 to 1. Returns {done: Promise, cancel()}. */
export function upload(path, file, progress) {
  const request = new XMLHttpRequest();
  const form = new FormData();
  form.append("file", file, file.name);
  const done = new Promise((resolve, reject) => {
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => {
      let body = null;
      try { body = JSON.parse(request.responseText); } catch { /* told by the status */ }
      if (request.status === 200) resolve(body);
      else reject(new Refused(request.status, body));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
  });
  request.open("POST", path);
  request.setRequestHeader("Accept", "application/json");
  for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
  request.send(form);
  return { done, cancel: () => request.abort() };
}

/** Ask, and call `on(name, data)` for each event of the answer. */
export async function ask(body, signal, on) {
  const response = await send("POST", "/api/chat", body, { signal, headers: { Accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let finished = false;
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new Error("The connection broke before the answer was complete.");
    });
    if (done) break;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const name = /^event: (.*)$/m.exec(frame)?.[1];
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      if (!name || !data) continue;
      finished ||= name === "done" || name === "error";
      on(name, JSON.parse(data));
    }
  }
  if (!finished) throw new Error("The connection broke before the answer was complete.");
}
