// The plain live page: who is signed in, the list, and the stream that keeps it true.
import { Card, ENDED, toDo } from "/console/card.js";
import { ask, session } from "/console/server.js";
import { speech, words } from "/console/words.js";

const MOST_OPEN = 200, MOST_RECENT = 50;
const RETRY_MS = 3000, BURST_MS = 150, SAID_MS = 10_000;
const byId = (id) => document.getElementById(id);
const cards = new Map();
const waiting = new Set();
let filter = "todo", stream, retry, saying;

function say(text, good = true) {
  Object.assign(byId("said"), { textContent: text, className: good ? "" : "bad" });
  clearTimeout(saying);
  if (good) saying = setTimeout(say, SAID_MS, "");
}

function complain(error) {
  if (error.status === 401 && session.me) signedOut(error.message);
  else say(error.message, false);
}

function trying(work) {
  say("");
  return work().catch(complain);
}

// One thing at a time for one alert: a second press while the first is under way is not a second decision.
function act(id, work) {
  const card = cards.get(id);
  if (card.item.ariaBusy === "true") return;
  card.item.ariaBusy = "true";
  trying(() => work(card.feature).then(([feature, done]) => {
    place(feature);
    say(done);
  }, async (error) => {
    if (error.status === 409) await reload(id);
    throw error;
  }).finally(() => { card.item.ariaBusy = "false"; }));
}

const reload = (id) => ask("GET", `/v1/alerts/${encodeURIComponent(id)}`).then(place, (error) => {
  if (error.status !== 404) throw error;
  remove(id);
});

function remove(id) {
  cards.get(id)?.item.remove();
  cards.delete(id);
  count();
}

function place(feature) {
  const known = cards.get(feature.id);
  if (!session.me || known?.feature.properties.version > feature.properties.version) return;
  if (known) known.show(feature);
  else {
    const card = new Card(feature, { act, say, reload: lookSoon });
    cards.set(feature.id, card);
    const older = [...byId("alerts").children].find((item) => item.dataset.at < card.item.dataset.at);
    byId("alerts").insertBefore(card.item, older ?? null);
  }
  count();
}

// What is to do, newest first, a case (many alerts of one cause or place) once: its first card, and how many it stands for.
function heads() {
  const found = new Map();
  const due = [...cards.values()].filter((card) => toDo(card.feature));
  for (const card of due.sort((a, b) => (a.item.dataset.at < b.item.dataset.at ? 1 : -1))) {
    const key = card.feature.properties.case_id ?? card.feature.id;
    if (found.has(key)) found.get(key).members += 1;
    else found.set(key, { card, members: 1 });
  }
  return [...found.values()];
}

function count() {
  const items = heads(), due = items.length, members = new Map(items.map((item) => [item.card, item.members]));
  for (const card of cards.values()) {
    card.item.hidden = filter === "todo" && !members.has(card);
    if (filter === "todo" && members.get(card) > 1) card.facts.dataset.members = words().members.replace("{n}", members.get(card));
    else delete card.facts.dataset.members;
  }
  byId("todo").textContent = `${words().todo} ${due}`;
  byId("all").textContent = `${words().all} ${cards.size}`;
  for (const name of ["todo", "all"]) byId(name).ariaPressed = String(filter === name);
  byId("empty").hidden = (filter === "todo" ? due : cards.size) > 0;
  document.title = `${due ? `(${due}) ` : ""}${words().title}`;
}

// All that is open, and the latest of the rest: an old case that waits is not pushed off the list by new ones.
async function loadAll() {
  const open = Object.keys(words().state).filter((state) => !ENDED.has(state)).map((state) => `state=${state}`).join("&");
  const [due, recent, practice] = await Promise.all([
    ask("GET", `/v1/alerts?limit=${MOST_OPEN}&${open}`), ask("GET", `/v1/alerts?limit=${MOST_RECENT}`),
    ask("GET", `/v1/alerts?practice=true&limit=${MOST_RECENT}&${open}`)]);  // below all that is real
  const features = new Map([...due.features, ...recent.features, ...practice.features].map((feature) => [feature.id, feature]));
  for (const id of cards.keys()) if (!features.has(id)) remove(id);
  features.forEach(place);
  count();
}

// A burst of events about one alert is one look at it.
function lookSoon(id) {
  if (waiting.has(id)) return;
  waiting.add(id);
  setTimeout(() => {
    waiting.delete(id);
    if (session.me) reload(id).catch(complain);
  }, BURST_MS);
}

function link(state) {
  Object.assign(byId("link"), { textContent: words()[state] ?? "", className: state });
}

function listen() {
  stream?.close();
  const mine = stream = new EventSource("/v1/events");
  for (const name of ["ready", "reset"]) mine.addEventListener(name, () => {
    link("live");
    loadAll().catch(complain);
  });
  mine.addEventListener("alert", (event) => lookSoon(JSON.parse(event.data).alert_id));
  mine.addEventListener("error", () => {
    if (stream !== mine) return;
    link("waiting");
    // A browser gives up for good on any answer but 200, as when the sign-in has ended or a proxy says 502.
    if (mine.readyState === EventSource.CLOSED) retry = setTimeout(start, RETRY_MS);
  });
}

function signedIn(answer) {
  if (session.me?.id !== answer.person.id) signedOut();
  Object.assign(session, { csrf: answer.csrf_token, me: answer.person });
  localStorage.setItem("signed_in", "yes");
  document.body.className = "inside";
  byId("change").hidden = !answer.must_change_password;
  byId("who").textContent = byId("who").title = answer.person.name;
  if (stream?.readyState !== EventSource.OPEN) listen();
}

function signedOut(why = "") {
  stream?.close();
  Object.assign(session, { csrf: "", me: null });
  stream = null;
  cards.clear();
  byId("alerts").replaceChildren();
  localStorage.removeItem("signed_in");
  document.body.className = "outside";
  for (const form of document.forms) form.reset();
  byId("change").open = false;
  say(why, false);
  link("");
  count();
  byId("sign-in").username.focus();
}

// Who am I, as the server sees it: at the first look, after a lost stream, and when the page comes back into view.
function start() {
  clearTimeout(retry);
  ask("GET", "/v1/me").then(signedIn, (error) => {
    if (error.status === 401) return signedOut(error.message);
    link("waiting");
    retry = setTimeout(start, RETRY_MS);
  });
}

function speak() {
  document.documentElement.lang = speech.language === "zh" ? "zh-CN" : "en";
  for (const spoken of document.querySelectorAll("[data-word]")) spoken.textContent = words()[spoken.dataset.word];
  byId("language").lang = speech.language === "zh" ? "en" : "zh-CN";
  link(byId("link").className);
  for (const card of cards.values()) card.show(card.feature);
  say("");
  count();
}

function submit(id, work) {
  byId(id).onsubmit = (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    trying(() => work(Object.fromEntries(new FormData(event.target)))).finally(() => { button.disabled = false; });
  };
}

submit("sign-in", (json) => ask("POST", "/v1/sessions", { json }).then(signedIn));
submit("new-password", (json) => ask("POST", "/v1/me/password", { json }).then(() => {
  byId("new-password").reset();
  byId("change").hidden = true;
  say(words().changed);
}));
byId("sign-out").onclick = () => trying(() => ask("DELETE", "/v1/sessions/current").then(() => signedOut()));
byId("language").onclick = () => {
  speech.language = speech.language === "zh" ? "en" : "zh";
  localStorage.setItem("language", speech.language);
  speak();
};
for (const name of ["todo", "all"]) byId(name).onclick = () => { filter = name; count(); };
document.onvisibilitychange = () => { if (!document.hidden && session.me) start(); };
speak();
// Where nobody has signed in, there is no need to ask the server who it is.
if (localStorage.getItem("signed_in")) start();
else signedOut();
