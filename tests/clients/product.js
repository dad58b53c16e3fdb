// What the tests talk to: a running product and its stub model, both started by test_clients.py.
export const url = process.env.NPCCHAT_URL;
export const limitedUrl = process.env.NPCCHAT_LIMITED_URL;
export const key = process.env.NPCCHAT_KEY;
export const limitedKey = process.env.NPCCHAT_LIMITED_KEY;
export const npc = `npc/${process.env.NPCCHAT_NPC_ID}`;
export const model = "gpt-4o-mini";

const stub = process.env.STUB_URL;

async function call(method, path, body) {
  const answer = await fetch(stub + path, { method, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// Sets how the stub model behaves, and forgets what it was sent.
export async function behave(...behaviours) {
  await call("POST", "/stub/behaviour", behaviours);
  await call("DELETE", "/stub/requests");
}

export async function requests() {
  return (await call("GET", "/stub/requests")).requests;
}

// Waits until `condition` gives something true, and returns that; throws after `seconds`.
export async function until(condition, what, seconds = 5) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// The model's call was given up because nobody wanted it any more.
export async function callEnded() {
  const begun = Date.now();
  await until(async () => (await requests())[0]?.outcome === "client left", "the end of the call to the model");
  return Date.now() - begun;
}

export async function history(chatId) {
  const answer = await fetch(`${url}/chat/${chatId}/history`, { headers: { Authorization: key } });
  return answer.ok ? (await answer.json()).history.map((turn) => turn.text) : null;
}
