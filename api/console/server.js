// Asking the server. What goes wrong becomes an Error whose message is a sentence for the reader.
import { speech, words } from "/console/words.js";

export const session = { csrf: "", me: null };

function sentence(answer, body, path) {
  const own = path === "/v1/sessions" && answer.status === 401 ? words().wrong_password : words().problem[body.code];
  const said = own || [body.title, body.detail].filter(Boolean).join(words().colon) || `HTTP ${answer.status}`;
  const wait_s = answer.headers.get("Retry-After");
  return wait_s ? `${said} ${words().again.replace("{s}", wait_s)}` : said;
}

export async function ask(method, path, { json, form, key } = {}) {
  const headers = { "Accept-Language": speech.language === "zh" ? "zh-CN" : "en" };
  if (method !== "GET") headers["X-CSRF-Token"] = session.csrf;
  if (key) headers["Idempotency-Key"] = key;
  if (json) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: form ?? (json && JSON.stringify(json)) }).catch(() => {
    throw new Error(words().unreachable);
  });
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  throw Object.assign(new Error(sentence(answer, body, path)), { status: answer.status });
}

const grids = new Map();

// A grid's name, asked for once; its code where the name cannot be had.
export function gridName(code) {
  if (!grids.has(code)) grids.set(code, ask("GET", `/v1/grids/${encodeURIComponent(code)}`).then((grid) => grid.properties.name).catch(() => code));
  return grids.get(code);
}
