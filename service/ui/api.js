// Calls of the service. Ids are strings throughout: JavaScript numbers lose digits above 2^53.

export class Problem extends Error {
  constructor(title, detail, requestId, status) {
    super(detail);
    Object.assign(this, { title, requestId, status });
  }
}

export async function call(path, body, signal) {
  const started = performance.now();
  let answer;
  let text;
  try {
    answer = await fetch(path, { signal, ...(body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }) });
    text = await answer.text();
  } catch {
    throw new Problem("No answer", "The service cannot be reached. Is it running? Try again in a moment.");
  }
  const latency = performance.now() - started;
  const content = parse(text);
  if (!answer.ok) throw problemOf(answer, content);
  return { ...content, latency };
}

export const about = () => call("/playground/about");
export const generators = () => call("/cgs");
export const releases = () => call("/releases");

export const user = (id, release, signal) => call(`/playground/user?${new URLSearchParams({ user_id: id, release: release ?? "" })}`, undefined, signal);
export const candidates = (body, release, signal) => call(...route("candidates", { ...body, ids: "string" }, release), signal);
export const mix = (body, release, signal) => call(...route("mix", { ...body, ids: "string" }, release), signal);
export const curves = (body, signal) => call("/playground/curves", body, signal);

const known = new Map();

export async function facts(ids, release, signal) {
  // names and categories, each item asked for once; latency undefined: nothing was asked
  const missing = [...new Set(ids)].filter((id) => !known.has(id));
  if (!missing.length) return { facts: known };
  const { items, latency } = await call("/playground/items", { ids: missing, release }, signal);
  for (const item of items) known.set(item.item_id, item);
  return { facts: known, latency };
}

function route(name, body, release) {
  return release ? [`/playground/${name}`, { ...body, release }] : [`/${name}`, body];
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problemOf(answer, content) {
  const detail = content?.detail ?? "The service answered with something that is not JSON.";
  const wait = answer.status === 503 ? " Try again in a moment." : "";
  return new Problem(content?.title ?? `Status ${answer.status}`, detail + wait, content?.request_id, answer.status);
}
