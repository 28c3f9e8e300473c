// Draws /openapi.json as a page: the calls in groups, with their fields, examples and a curl line.
import { get } from "./api.js";
import { el, failed } from "./dom.js";

let description = {};
const target = (value) => (value?.$ref ? target(value.$ref.slice(2).split("/").reduce((at, key) => at[key], description)) : value);

function typeText(schema) {
  const one = target(schema) ?? {};
  const name = schema?.$ref?.split("/").pop();
  if (one.enum) return one.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (one.anyOf) return one.anyOf.map(typeText).join(" or ");
  if (one.type === "array") return `array of ${typeText(one.items)}`;
  return name ?? [one.type].flat().filter(Boolean).join(" or ") ?? "anything";
}

function example(schema) {
  const one = target(schema) ?? {};
  if (one.example !== undefined) return one.example;
  if (one.examples) return one.examples[0];
  if (one.anyOf) return example(one.anyOf[0]);
  if (one.type === "array") return [example(one.items)];
  if (one.properties) return Object.fromEntries(Object.entries(one.properties).map(([key, value]) => [key, example(value)]));
  return one.default ?? one.enum?.[0] ?? null;
}

function table(title, rows) {
  return rows.length === 0 ? null : el("div", {}, el("h3", {}, title), el("table", {},
    el("thead", {}, el("tr", {}, ["Name", "Type", "Meaning"].map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows.map(([name, type, text, required]) => el("tr", {},
      el("td", {}, el("code", {}, name), required ? " (required)" : ""), el("td", {}, type), el("td", {}, text ?? ""))))));
}

function curlLine(method, path, content) {
  const lines = [`curl${method === "get" ? "" : ` -X ${method.toUpperCase()}`} ${location.origin}${path}`];
  if (content?.["application/json"]) {
    lines.push("-H 'Content-Type: application/json'");
    lines.push(`-d '${JSON.stringify(example(content["application/json"].schema)).replaceAll("'", "'\\''")}'`);
  }
  if (content?.["multipart/form-data"]) lines.push("-F file=@document.txt");
  return lines.join(" \\\n  ");
}

function call(path, method, one) {
  const content = one.requestBody?.content;
  const [kind, media] = Object.entries(content ?? {})[0] ?? [];
  const body = target(media?.schema);
  const reply = target(one.responses["200"]);
  const json = reply?.content?.["application/json"]?.schema;
  return el("details", { class: "card call" },
    el("summary", {}, el("span", { class: "method" }, method.toUpperCase()), el("code", {}, path), el("span", { class: "soft" }, one.summary)),
    el("div", { class: "inside" },
      one.description ? el("p", {}, one.description) : null,
      table("In the URL", (one.parameters ?? []).map(target).map((p) => [p.name, typeText(p.schema), p.description, p.required])),
      table(`Body (${kind})`, Object.entries(body?.properties ?? {}).map(([name, schema]) => [name, typeText(schema), schema.description ?? target(schema).description, body.required?.includes(name)])),
      el("h3", {}, "Try it"), el("pre", { tabindex: "0" }, curlLine(method, path, content)),
      json ? [el("h3", {}, "Reply"), el("pre", { tabindex: "0" }, JSON.stringify(example(json), null, 2))] : null,
      table("Answers", Object.entries(one.responses).map(([status, value]) => [status, Object.keys(target(value).content ?? {}).join(", "), target(value).description]))));
}

const place = document.getElementById("calls");
try {
  description = await get("/openapi.json");
  document.getElementById("about").textContent = `${description.info.description} Version ${description.info.version}.`;
  const groups = new Map(description.tags.map((tag) => [tag.name, []]));
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, one] of Object.entries(methods)) groups.get(one.tags[0]).push(call(path, method, one));
  }
  place.replaceChildren(...[...groups].flatMap(([name, calls]) => [el("h2", { class: "group" }, name), el("div", { class: "calls" }, calls)]));
} catch (error) {
  place.replaceChildren(failed(error));
}
