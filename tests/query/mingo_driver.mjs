// Answers the questions of query_driver.c with mingo. The argument is mingo's directory.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const mingo = createRequire(import.meta.url)(process.argv[2] + "/cjs/index.js");

const answers = {
  match: (r) => new mingo.Query(r.query).test(r.document),
  update: (r) => {
    const changed = structuredClone(r.document);
    mingo.update(changed, r.update);
    return changed;
  },
  aggregate: (r) => new mingo.Aggregator(r.pipeline).run(r.documents),
  project: (r) => mingo.find([r.document], {}, r.projection).all()[0],
};

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    const request = JSON.parse(line);
    reply = { answer: answers[request.do](request) };
    if (reply.answer === undefined) reply = { error: "UNDEFINED" };
  } catch (problem) {
    reply = { error: String(problem.message ?? problem) };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}
