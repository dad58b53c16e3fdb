// The AI SDK with its provider for OpenAI-compatible services.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, streamText } from "ai";

import { behave, callEnded, history, key, model, npc, requests, until, url } from "./product.js";

const provider = createOpenAICompatible({ name: "npcchat", baseURL: `${url}/v1`, apiKey: key, includeUsage: true });
const prompt = "hello";

beforeEach(() => behave({}));

for (const name of [model, npc]) {
  test(`${name}: a text`, async () => {
    const { text, usage, finishReason } = await generateText({ model: provider(name), prompt, temperature: 0.5 });
    assert.match(text, /You said: hello/);
    assert.ok(usage.totalTokens > 0);
    assert.equal(finishReason, "stop");
  });

  test(`${name}: a stream`, async () => {
    await behave({ pieces: ["Good", " day", "."], finish: "length" });
    const result = streamText({ model: provider(name), prompt });
    const pieces = [];
    for await (const piece of result.textStream) pieces.push(piece);
    assert.equal(pieces.join(""), "Good day.");
    assert.ok((await result.usage).totalTokens > 0);
    assert.equal(await result.finishReason, "length");
  });

  test(`${name}: aborting ends the call`, async () => {
    for (const behaviour of [{ malformed: "hang" }, { pieces: ["a", "b"], hang_after: 2 }]) {
      await behave(behaviour);
      const aborter = new AbortController();
      const result = streamText({ model: provider(name), prompt, abortSignal: aborter.signal, onError: () => {} });
      const read = result.consumeStream();
      await until(async () => (await requests()).length === 1, "the call to the model");
      aborter.abort();
      await read;
      assert.ok((await callEnded()) < 1500);
    }
  });

  test(`${name}: what failed is tried again`, async () => {
    await behave({ status: 500, count: 1 }, { answer: "Good day." });
    assert.equal((await generateText({ model: provider(name), prompt, maxRetries: 1 })).text, "Good day.");
    await behave({ status: 500, count: 1 }, { pieces: ["Good day."] });
    assert.equal(await streamText({ model: provider(name), prompt, maxRetries: 1 }).text, "Good day.");
  });

  test(`${name}: a stream that breaks off is an error`, async () => {
    await behave({ pieces: ["a", "b", "c", "d"], cut_after: 4 });
    const errors = [];
    const result = streamText({ model: provider(name), prompt, onError: ({ error }) => errors.push(error) });
    await result.consumeStream();
    assert.equal(errors.length, 1);
  });
}

test("errors have their status and text", async () => {
  const asked = generateText({ model: provider("nope"), prompt, maxRetries: 0 });
  await assert.rejects(asked, (error) => {
    assert.ok(APICallError.isInstance(error));
    assert.equal(error.statusCode, 404);
    assert.equal(error.message, "Unknown model");
    return true;
  });
});

test("a system message of the NPC's owner is added, a chat of ours is gone on with", async () => {
  const headers = { "X-Chat-Id": "ai-sdk" };
  await generateText({ model: provider(npc), system: "Speak in rhymes.", prompt, headers });
  assert.match((await requests())[0].body.messages[0].content, /knight[^]*Speak in rhymes\./);
  await generateText({ model: provider(npc), prompt: "again", headers });
  assert.deepEqual((await history("ai-sdk")).filter((_, at) => at % 2 === 0), ["hello", "again"]);
});

test("embeddings", async () => {
  const { embeddings } = await embedMany({ model: provider.textEmbeddingModel(model), values: ["a", "b"] });
  assert.equal(embeddings.length, 2);
});
