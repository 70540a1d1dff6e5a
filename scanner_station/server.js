// The service, and what its answers mean. An answer counts only when the service itself gave it: the page of a hotspot
// or of a proxy is none, whatever its code.
const PATIENCE_MS = 10000;
const NOT_NOW = [408, 425, 429, 503];

// Gives {kind, status, body}. Kinds: ok; refused (4xx: will never do); ended (401); failed (5xx); down (not now, in
// words); unreachable.
export async function ask(method, path, { token, body } = {}) {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), PATIENCE_MS);
  try {
    const headers = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: giveUp.signal,
    });
    return await understood(answer);
  } catch (error) {
    return { kind: "unreachable", status: 0, body: {} };
  } finally {
    clearTimeout(timer);
  }
}

async function understood(answer) {
  const type = (answer.headers.get("Content-Type") || "").split(";")[0];
  if (answer.status === 204) return { kind: "ok", status: 204, body: {} };
  if (answer.ok && type === "application/json") return { kind: "ok", status: answer.status, body: await answer.json() };
  if (answer.ok || type !== "application/problem+json") return { kind: "unreachable", status: answer.status, body: {} };
  return { kind: kindOf(answer.status), status: answer.status, body: await answer.json() };
}

function kindOf(status) {
  if (status === 401) return "ended";
  if (NOT_NOW.includes(status)) return "down";
  return status >= 500 ? "failed" : "refused";
}
