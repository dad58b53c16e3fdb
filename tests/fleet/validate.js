// Reads a JSON list of Kubernetes objects from stdin, and prints a JSON list of what the API's schemas find wrong.

const KUBERNETES = "kubernetes-models";
const GROUPS = { "": KUBERNETES, apps: `${KUBERNETES}/apps`, autoscaling: `${KUBERNETES}/autoscaling`,
                 batch: `${KUBERNETES}/batch`, policy: `${KUBERNETES}/policy`,
                 "networking.k8s.io": `${KUBERNETES}/networking.k8s.io`,
                 "gateway.networking.k8s.io": "@kubernetes-models/gateway-api/gateway.networking.k8s.io" };

// The schemas' checks ask an object for every field that they know, and for no other: what they never asked for is a
// field that the API would drop or refuse.
function watched(value, path, unread) {
  if (typeof value !== "object" || value === null) return value;
  const children = new Map();
  if (!Array.isArray(value)) for (const key of Object.keys(value)) unread.add(`${path}/${key}`);
  return new Proxy(value, {
    get(target, key) {
      if (typeof key !== "string" || !Object.hasOwn(target, key)) return target[key];
      unread.delete(`${path}/${key}`);
      if (!children.has(key)) children.set(key, watched(target[key], `${path}/${key}`, unread));
      return children.get(key);
    },
  });
}

async function problems(object) {
  const name = `${object.kind} ${object.metadata?.name}`;
  const parts = (object.apiVersion ?? "").split("/");
  const [group, version] = parts.length === 1 ? ["", parts[0]] : parts;
  if (!(group in GROUPS)) return [`${name}: no schemas for ${object.apiVersion}`];
  const models = await import(`${GROUPS[group]}/${version}`);
  const Model = models[object.kind];
  if (!Model) return [`${name}: ${object.apiVersion} has no such kind`];
  const unread = new Set();
  try {
    Model.prototype.validate.call(watched(object, "", unread));
  } catch (error) {
    return [`${name}: ${error.message}`];
  }
  return [...unread].map((path) => `${name}: unknown field ${path}`);
}

let text = "";
for await (const chunk of process.stdin) text += chunk;
const found = [];
for (const object of JSON.parse(text)) found.push(...(await problems(object)));
console.log(JSON.stringify(found));
