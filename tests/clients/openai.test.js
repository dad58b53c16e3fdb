// The official client of OpenAI.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import OpenAI from "openai";

import { behave, callEnded, history, key, limitedKey, limitedUrl, model, npc, requests, until, url } from "./product.js";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: "hello" }];

beforeEach(() => behave({}));

async function textOf(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  return text;
}

test("models are listed and found", async () => {
  const ids = [];
  for await (const found of client.models.list()) ids.push(found.id);
  assert.ok(ids.includes(model) && ids.includes(npc));
  assert.equal((await client.models.retrieve(npc)).id, npc);
  assert.equal((await client.models.retrieve("meta-llama/Meta-Llama-3.1-8B-Instruct")).object, "model");
  await assert.rejects(client.models.retrieve("npc/nobody"), OpenAI.NotFoundError);
});

for (const name of [model, npc]) {
  test(`${name}: a completion`, async () => {
    const completion = await client.chat.completions.create({ model: name, messages, temperature: 0.5 });
    assert.match(completion.choices[0].message.content, /You said: hello/);
    assert.equal(completion.choices[0].finish_reason, "stop");
    assert.ok(completion.usage.total_tokens > 0);
    assert.equal((await requests())[0].body.temperature, 0.5);
  });

  test(`${name}: a stream`, async () => {
    await behave({ pieces: ["Good", " day", "."] });
    const stream = await client.chat.completions.create({ model: name, messages, stream: true });
    assert.equal(await textOf(stream), "Good day.");
  });

  test(`${name}: a stream with its usage`, async () => {
    await behave({ pieces: ["Good", " day", "."] });
    const runner = client.chat.completions.stream({ model: name, messages, stream_options: { include_usage: true } });
    assert.equal(await runner.finalContent(), "Good day.");
    assert.ok((await runner.totalUsage()).total_tokens > 0);
  });

  test(`${name}: the first piece is there while the model hangs, and leaving ends the call`, async () => {
    await behave({ pieces: ["Good", " day."], hang_after: 2 });
    const stream = await client.chat.completions.create({ model: name, messages, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content === "Good") break;
    }
    assert.ok((await callEnded()) < 1500);
  });

  test(`${name}: aborting ends the call`, async () => {
    for (const [behaviour, stream] of [
      [{ malformed: "hang" }, false],
      [{ malformed: "hang" }, true],
      [{ hang_after: 1 }, true],
    ]) {
      await behave(behaviour);
      const aborter = new AbortController();
      const failed = client.chat.completions
        .create({ model: name, messages, stream }, { signal: aborter.signal })
        .then((answer) => stream && textOf(answer))
        .then(
          () => false,
          () => true,
        );
      await until(async () => (await requests()).length === 1, "the call to the model");
      aborter.abort();
      // A stream that has begun ends quietly in this client.
      assert.ok((await failed) || behaviour.hang_after);
      assert.ok((await callEnded()) < 1500);
    }
  });

  test(`${name}: what failed is tried again`, async () => {
    const patient = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 2 });
    for (const fault of [{ status: 500 }, { status: 429, retry_after: 1 }, { malformed: "reset" }]) {
      for (const stream of [true, false]) {
        await behave({ ...fault, count: 1 }, { answer: "Good day." });
        const answer = await patient.chat.completions.create({ model: name, messages, stream });
        assert.equal(stream ? await textOf(answer) : answer.choices[0].message.content, "Good day.");
      }
    }
  });

  test(`${name}: a stream that breaks off throws`, async () => {
    await behave({ pieces: ["a", "b", "c", "d"], cut_after: 4 });
    const stream = await client.chat.completions.create({ model: name, messages, stream: true });
    await assert.rejects(textOf(stream), (error) => error instanceof OpenAI.APIError && /model endpoint/.test(error.message));
  });

  test(`${name}: a failure is an error of its status`, async () => {
    await behave({ status: 500 });
    await assert.rejects(client.chat.completions.create({ model: name, messages, stream: true }), (error) => {
      assert.ok(error instanceof OpenAI.InternalServerError);
      assert.equal(error.status, 502);
      assert.equal(error.type, "server_error");
      return true;
    });
  });
}

test("errors are those that the client knows", async () => {
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "npc_unknown", maxRetries: 0 });
  await assert.rejects(stranger.chat.completions.create({ model, messages }), OpenAI.AuthenticationError);
  await assert.rejects(client.chat.completions.create({ model: "nope", messages }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ model, messages: [] }), (error) => {
    assert.ok(error instanceof OpenAI.UnprocessableEntityError);
    assert.equal(error.param, "messages");
    assert.equal(error.type, "invalid_request_error");
    return true;
  });
  const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
  await assert.rejects(client.chat.completions.create({ model: npc, messages, tools }), OpenAI.UnprocessableEntityError);
  await client.chat.completions.create({ model, messages, tools });
});

test("over the limit", async () => {
  const limited = new OpenAI({ baseURL: `${limitedUrl}/v1`, apiKey: limitedKey, maxRetries: 0 });
  await limited.chat.completions.create({ model, messages });
  await assert.rejects(limited.chat.completions.create({ model, messages, stream: true }), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.ok(Number(error.headers.get("retry-after")) > 0);
    return true;
  });
});

test("a chat of ours, by metadata or header", async () => {
  await client.chat.completions.create({ model: npc, messages, metadata: { chat_id: "openai-client" } });
  const again = [{ role: "user", content: "never said" }, { role: "assistant", content: "no" }, { role: "user", content: "again" }];
  const headers = { "X-Chat-Id": "openai-client" };
  const stream = await client.chat.completions.create({ model: npc, messages: again, stream: true }, { headers });
  await textOf(stream);
  assert.deepEqual((await history("openai-client")).filter((_, at) => at % 2 === 0), ["hello", "again"]);
});

test("embeddings", async () => {
  const answer = await client.embeddings.create({ model, input: ["a", "b"], encoding_format: "float" });
  assert.equal(answer.data.length, 2);
  assert.equal(answer.data[1].embedding.length, 3);
});
