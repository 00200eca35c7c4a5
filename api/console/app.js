// The plain live page. Everything that the server sends is put on the page as text, never as markup.
import { WORDS } from "/console/words.js";

const CHOICES = {
  dismiss: ["false_alarm", "duplicate", "permitted", "out_of_scope"],
  return: ["wrong_grid", "wrong_unit", "beyond_authority", "cannot_find", "unsafe", "other"],
  close: ["fixed_service", "fixed_management", "fixed_enforcement", "not_fixed_dispersed", "not_fixed_permitted", "not_fixed_other"],
};
const SENTENCE = new Set(["reject", "reopen", "suspend", "void"]);
const ENDED = new Set(["closed", "dismissed", "voided"]);
const DAY_S = 86400;
const MOST_SHOWN = 100;

const byId = (id) => document.getElementById(id);
const page = {
  language: navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en",
  csrf: "",
  me: null,
  alerts: new Map(),
  stream: null,
  drafts: new Map(),
};
const words = () => WORDS[page.language];

function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function say(text) {
  byId("said").textContent = text;
}

async function ask(method, path, { json, form, key } = {}) {
  const headers = { "Accept-Language": page.language === "zh" ? "zh-CN" : "en" };
  if (method !== "GET") headers["X-CSRF-Token"] = page.csrf;
  if (key) headers["Idempotency-Key"] = key;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: form ?? (json === undefined ? undefined : JSON.stringify(json)) });
  } catch {
    throw new Error(words().unreachable);
  }
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const error = new Error([body.title, body.detail].filter(Boolean).join(": ") || String(answer.status));
    error.status = answer.status;
    throw error;
  }
  return body;
}

async function trying(work) {
  say("");
  try {
    await work();
  } catch (error) {
    if (error.status === 401 && page.me) signedOut();
    say(error.message);
  }
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// One key for one decision: pressing again after a lost answer sends the same key, so it is carried out once.
function draftOf(id) {
  if (!page.drafts.has(id)) page.drafts.set(id, { keys: new Map() });
  return page.drafts.get(id);
}

async function command(feature, type, reason, args) {
  const body = { type, expected_version: feature.properties.version, arguments: args };
  if (reason) body.reason = reason;
  const text = JSON.stringify(body);
  const keys = draftOf(feature.id).keys;
  if (!keys.has(text)) keys.set(text, newKey());
  try {
    show(await ask("POST", `/v1/alerts/${feature.id}/commands`, { json: body, key: keys.get(text) }));
    page.drafts.delete(feature.id);
  } catch (error) {
    if (error.status === 409) await reload(feature.id);
    throw error;
  }
}

async function addPhoto(feature, file) {
  const form = new FormData();
  form.append("photo", file);
  say(words().uploading);
  show((await ask("POST", `/v1/alerts/${feature.id}/evidence`, { form })).alert);
  say("");
}

async function reload(id) {
  try {
    show(await ask("GET", `/v1/alerts/${encodeURIComponent(id)}`));
  } catch (error) {
    if (error.status !== 404) throw error;
    page.alerts.delete(id);
    byId(`alert-${id}`)?.remove();
  }
}

function photos(feature) {
  return feature.properties.evidence.filter((item) => item.kind === "photo").map((item) => item.sha256);
}

function argumentsFor(feature, type, remark) {
  const alert = feature.properties;
  if (type === "accept") return { fence: alert.claim?.fence ?? 0 };
  if (type === "suspend") return { until_s: Math.floor(Date.now() / 1000) + DAY_S };
  if (type === "note") return { text: remark };
  if (type === "handle") {
    if (photos(feature).length === 0) throw new Error(words().needs_photo);
    return { evidence: photos(feature), text: remark };
  }
  return {};
}

function actions(feature) {
  const allowed = feature.properties.allowed.filter((type) => words().command[type]);
  if (allowed.length === 0) return null;
  const draft = draftOf(feature.id);
  const remark = element("input", {
    type: "text", maxLength: 2000, placeholder: words().text, ariaLabel: words().text, value: draft.remark ?? "",
    on: { input: (event) => { draft.remark = event.target.value; } },
  });
  const box = element("div", { className: "actions" }, remark);
  const picker = element("input", {
    type: "file", accept: "image/*", hidden: true,
    on: { change: (event) => event.target.files[0] && trying(() => addPhoto(feature, event.target.files[0])) },
  });
  picker.setAttribute("capture", "environment");
  if (allowed.includes("handle")) {
    box.append(picker, element("button", { type: "button", textContent: words().photo, on: { click: () => picker.click() } }));
  }
  for (const type of allowed) box.append(action(feature, type, remark));
  return box;
}

function action(feature, type, remark) {
  const label = words().command[type];
  if (CHOICES[type]) {
    const first = element("option", { value: "", textContent: `${label}…` });
    const options = CHOICES[type].map((code) => element("option", { value: code, textContent: words().code[code] }));
    return element("select", {
      ariaLabel: label,
      on: {
        change: (event) => {
          const code = event.target.value;
          event.target.value = "";
          if (code) trying(() => (type === "close" ? command(feature, type, null, { outcome: code }) : command(feature, type, code, {})));
        },
      },
    }, first, ...options);
  }
  return element("button", {
    type: "button", textContent: label,
    on: {
      click: () => trying(async () => {
        const said = remark.value.trim();
        await command(feature, type, SENTENCE.has(type) ? said : null, argumentsFor(feature, type, said));
      }),
    },
  });
}

function moment(text) {
  return new Date(text).toLocaleString(page.language === "zh" ? "zh-CN" : "en-GB");
}

function card(feature) {
  const alert = feature.properties;
  const [lon, lat] = feature.geometry.coordinates;
  const pictures = element("div", { className: "pictures" }, ...alert.evidence.slice(0, 3).map((item) =>
    element("img", { src: item.href, alt: `${item.kind} ${moment(item.at)}`, loading: "lazy" })));
  const made = element("li", { id: `alert-${feature.id}`, className: `alert severity-${alert.severity}` },
    pictures,
    element("h2", { textContent: `${alert.kind_name[page.language]} · ${words().severity[alert.severity]} · ${words().state[alert.state]}` }),
    element("p", { textContent: `${moment(alert.created_at)} · ${words().grid} ${alert.grid_code} · ${lon.toFixed(5)}, ${lat.toFixed(5)} ±${alert.accuracy_m} m` }),
    element("p", { textContent: [alert.detected_reason, `${alert.incidents} ${words().incidents}, ${words().seen} ${moment(alert.last_seen_at)}`,
      alert.scene_clear_at ? words().clear : "", alert.shortfall ?? ""].filter(Boolean).join(" · ") }),
    actions(feature));
  if (ENDED.has(alert.state)) made.classList.add("ended");
  return made;
}

function show(feature) {
  const known = page.alerts.get(feature.id);
  if (known && known.properties.version > feature.properties.version) return;
  page.alerts.set(feature.id, feature);
  const there = byId(`alert-${feature.id}`);
  if (!there) {
    draw();
    return;
  }
  // A list that is redrawn under someone's fingers loses what they type: only this card changes.
  const focused = there.contains(document.activeElement) && document.activeElement.type === "text";
  const made = card(feature);
  there.replaceWith(made);
  if (focused) made.querySelector("input[type=text]")?.focus();
}

function draw() {
  const newest = [...page.alerts.values()].sort((a, b) => (a.properties.created_at < b.properties.created_at ? 1 : -1));
  for (const old of newest.slice(MOST_SHOWN)) page.alerts.delete(old.id);
  byId("alerts").replaceChildren(...newest.slice(0, MOST_SHOWN).map(card));
  byId("empty").hidden = !page.me || newest.length > 0;
}

async function loadAll() {
  const list = await ask("GET", `/v1/alerts?limit=${MOST_SHOWN}`);
  page.alerts = new Map(list.features.map((feature) => [feature.id, feature]));
  draw();
}

const waiting = new Set();

// A burst of events about one alert is one look at it.
function lookSoon(id) {
  if (waiting.has(id)) return;
  waiting.add(id);
  setTimeout(() => {
    waiting.delete(id);
    if (page.me) trying(() => reload(id));
  }, 150);
}

function listen() {
  page.stream?.close();
  const stream = new EventSource("/v1/events");
  page.stream = stream;
  const fresh = () => {
    byId("link").textContent = words().live;
    trying(loadAll);
  };
  stream.addEventListener("ready", fresh);
  stream.addEventListener("reset", fresh);
  stream.addEventListener("alert", (event) => lookSoon(JSON.parse(event.data).alert_id));
  stream.addEventListener("error", () => {
    byId("link").textContent = words().waiting;
    // A browser gives up for good on any answer but 200, as when the sign-in has ended or a proxy says 502.
    if (stream.readyState === EventSource.CLOSED && page.stream === stream) setTimeout(start, 3000);
  });
}

function signedIn(session) {
  page.csrf = session.csrf_token;
  page.me = session.person;
  byId("sign-in").hidden = true;
  byId("sign-in").reset();
  byId("sign-out").hidden = false;
  byId("who").textContent = session.person.name + (session.must_change_password ? ` (${words().change_password})` : "");
  listen();
}

function signedOut() {
  page.stream?.close();
  page.stream = null;
  page.me = null;
  page.csrf = "";
  page.alerts.clear();
  page.drafts.clear();
  byId("link").textContent = "";
  byId("who").textContent = "";
  byId("sign-in").hidden = false;
  byId("sign-out").hidden = true;
  draw();
}

async function start() {
  try {
    signedIn(await ask("GET", "/v1/me"));
  } catch (error) {
    if (error.status === 401) signedOut();
    else setTimeout(start, 3000);
  }
}

function speak() {
  document.documentElement.lang = page.language === "zh" ? "zh-CN" : "en";
  for (const spoken of document.querySelectorAll("[data-word]")) spoken.textContent = words()[spoken.dataset.word];
  byId("title").textContent = words().title;
  byId("language").textContent = words().other;
  byId("language").lang = page.language === "zh" ? "en" : "zh-CN";
  byId("sign-out").textContent = words().sign_out;
  if (page.stream?.readyState === EventSource.OPEN) byId("link").textContent = words().live;
  draw();
}

byId("language").addEventListener("click", () => {
  page.language = page.language === "zh" ? "en" : "zh";
  speak();
});
byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = new FormData(event.target);
  const json = { username: given.get("username"), password: given.get("password") };
  trying(async () => signedIn(await ask("POST", "/v1/sessions", { json })));
});
byId("sign-out").addEventListener("click", () => trying(async () => {
  await ask("DELETE", "/v1/sessions/current");
  signedOut();
}));
speak();
start();
