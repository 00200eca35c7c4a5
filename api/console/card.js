// One alert as a card. Everything that the server sends is put there as text, never as markup.
import { ask, gridName, session } from "/console/server.js";
import { moment, speech, words } from "/console/words.js";

const SENTENCE = new Set(["reject", "reopen", "suspend", "void", "void_alone"]);
const SAYS = new Set(["note", "handle", "supervise", "reply"]);
// What can be done at any time and is nobody's next step.
const ASIDE = new Set(["note", "void", "void_alone", "supervise"]);
const QUIET = new Set([...ASIDE, "suspend", "return", "release", "reject", "reopen", "decline", "refuse_void"]);
// To dispatch a case that someone holds takes it away from them: that needs a sentence, and is not the next step.
const needsReason = (type, state) => SENTENCE.has(type) || (type === "dispatch" && ["accepted", "on_scene"].includes(state));
const needsText = (type, state) => needsReason(type, state) || SAYS.has(type);
const isQuiet = (type, state) => QUIET.has(type) || (type === "dispatch" && ["dispatched", "accepted", "on_scene"].includes(state));
export const ENDED = new Set(["closed", "dismissed", "voided"]);
const HELD = new Set(["accepted", "on_scene", "reopened", "suspended"]);
const DAY_S = 86400, MOST_PHOTOS = 3;
const codeWord = (code) => Object.assign({}, ...Object.values(words().code))[code];

function element(name, { data = {}, ...options } = {}, ...children) {
  const made = Object.assign(document.createElement(name), options);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

export const toDo = ({ properties: alert }) =>
  !ENDED.has(alert.state) && alert.allowed.some((type) => words().command[type] && !ASIDE.has(type));

// A decision keeps its key: pressing again after a lost answer sends the same key, so it is carried out once.
const keys = new Map();

const photos = (feature) => feature.properties.evidence.filter((item) => item.kind === "photo" && !item.erased);

const ARGUMENTS = {
  accept: (feature) => ({ fence: feature.properties.claim?.fence ?? 0 }),
  suspend: () => ({ until_s: Math.floor(Date.now() / 1000) + DAY_S }),
  note: (feature, text) => ({ text }),
  reply: (feature, text) => ({ text }),
  supervise: (feature, text) => ({ text, reply_due_s: Math.floor(Date.now() / 1000) + DAY_S }),
  handle: (feature, text) => ({ evidence: photos(feature).map((item) => item.sha256), text }),
  close: (feature, text, outcome) => ({ outcome }),
};

// `hooks.act(id, work)` runs `work(feature)` with the alert as it is then, shows what comes of it, and says what fails.
export class Card {
  constructor(feature, hooks) {
    this.hooks = hooks;
    this.shown = {};
    this.pictures = element("div", { className: "pictures" });
    this.facts = element("div");
    this.remark = element("input", { type: "text", maxLength: 2000 });
    this.buttons = element("div", { className: "buttons" });
    this.actions = element("div", { className: "actions" }, this.remark, this.buttons);
    this.log = element("details", { ontoggle: () => this.readLog() }, element("summary"), element("ol"));
    this.sheet = element("a", { target: "_blank", rel: "noopener" });
    const body = element("div", {}, this.facts, this.actions, this.log, element("p", {}, this.sheet));
    this.item = element("li", { data: { at: (feature.properties.practice ? "0" : "") + feature.properties.created_at } }, this.pictures, body);
    this.show(feature);
  }

  // Only what has changed is made anew: a button in focus, an open list and a half-written remark stay as they are.
  part(name, value, make) {
    const now = JSON.stringify([speech.language, value]);
    if (this.shown[name] !== now) make();
    this.shown[name] = now;
  }

  show(feature) {
    const alert = feature.properties;
    this.feature = feature;
    this.item.className = `alert severity-${alert.severity}${ENDED.has(alert.state) ? " ended" : ""}`;
    this.part("pictures", alert.evidence, () => this.showPictures(alert));
    this.part("facts", feature, () => this.showFacts(feature));
    this.part("actions", [alert.allowed, alert.state, photos(feature).length > 0], () => this.showActions(feature));
    this.part("log", alert.version, () => this.readLog());
    clearTimeout(this.timer);
    const left_ms = alert.claim ? Date.parse(alert.claim.until) - Date.now() : -1;
    if (left_ms >= 0 && !ENDED.has(alert.state)) this.timer = setTimeout(() => this.hooks.reload(feature.id), left_ms + 1000);
  }

  showPictures(alert) {
    const of = (photo) => alert.evidence.filter((item) => (item.kind === "photo") === photo && !item.erased);
    this.pictures.replaceChildren(...[...of(false).slice(-1), ...of(true).slice(-MOST_PHOTOS)].map((item) =>
      element("a", { href: item.href, target: "_blank", rel: "noopener" },
        element("img", { src: item.href, alt: `${words().picture} ${moment(item.at)}`, loading: "lazy" }))));
  }

  showFacts(feature) {
    const { properties: alert, geometry: { coordinates: [lon, lat] } } = feature;
    const grid = element("span", { textContent: alert.grid_code });
    gridName(alert.grid_code).then((name) => { grid.textContent = name; });
    const mine = (id) => id === session.me?.id;
    const holder = HELD.has(alert.state) && alert.assignee ? (mine(alert.assignee) ? words().mine : words().others) : "";
    const until = alert.claim && Date.parse(alert.claim.until) > Date.now() ? new Date(alert.claim.until).toLocaleTimeString() : "";
    const claim = until && `${mine(alert.claim.person_id) ? words().claimed : words().claimed_by_other} ${until}`;
    const [shortZh, shortEn] = (alert.shortfall ?? "").split(" / ");
    const lines = [
      [alert.detected_reason, alert.measure.persons === undefined ? "" : `${words().persons} ${alert.measure.persons}`],
      [`${words().incidents} ${alert.incidents}`, `${words().seen} ${moment(alert.last_seen_at)}`, alert.scene_clear_at ? words().clear : ""],
      [holder, claim, codeWord(alert.outcome), speech.language === "zh" ? shortZh : shortEn],
    ];
    this.facts.replaceChildren(
      element("h2", {}, alert.kind_name[speech.language], ...[alert.practice ? words().practice : "", words().severity[alert.severity], words().state[alert.state]].filter(Boolean).map((textContent) =>
        element("span", { className: "tag", textContent }))),
      element("p", {}, `${moment(alert.created_at)} · `, grid, ` · ${lat.toFixed(5)}, ${lon.toFixed(5)} ±${Math.max(1, Math.round(alert.accuracy_m))} m`),
      ...lines.map((line) => line.filter(Boolean).join(" · ")).filter(Boolean).map((textContent) => element("p", { textContent })));
  }

  showActions(feature) {
    const { allowed: all, state } = feature.properties;
    const allowed = all.filter((type) => words().command[type]).sort((a, b) => isQuiet(a, state) - isQuiet(b, state));
    const had = this.buttons.contains(document.activeElement);
    this.actions.hidden = allowed.length === 0;
    this.remark.hidden = !allowed.some((type) => needsText(type, state));
    this.remark.placeholder = this.remark.ariaLabel = words().text;
    this.buttons.replaceChildren(...(allowed.includes("handle") ? this.photoButton() : []),
      ...allowed.map((type) => this.action(type)));
    const next = [...this.buttons.querySelectorAll("button:enabled")].find((button) =>
      !isQuiet(button.dataset.type, state) && !(button.dataset.type === "photo" && photos(feature).length));
    next?.classList.add("primary");
    if (had) (next ?? this.log.firstChild).focus();
  }

  // A photo that could not be sent is kept: the next press sends it again.
  photoButton() {
    const send = () => this.hooks.act(this.feature.id, async (feature) => {
      const form = new FormData();
      form.append("photo", this.photo);
      this.hooks.say(words().uploading);
      const { alert } = await ask("POST", `/v1/alerts/${feature.id}/evidence`, { form }).catch((error) => {
        if (error.status < 500) this.photo = null;
        throw error;
      }).finally(() => { button.textContent = this.photo ? words().resend : words().photo; });
      this.photo = null;
      button.textContent = words().photo;
      return [alert, words().uploaded];
    });
    const picker = element("input", { type: "file", accept: "image/jpeg,image/png,image/webp", hidden: true });
    picker.setAttribute("capture", "environment");
    picker.onchange = () => {
      this.photo = picker.files[0];
      if (this.photo) send();
    };
    const button = element("button", { type: "button", textContent: this.photo ? words().resend : words().photo, data: { type: "photo" },
      onclick: () => (this.photo ? send() : picker.click()) });
    return [picker, button];
  }

  action(type) {
    const label = words().command[type];
    const codes = words().code[type === "decline" ? "return" : type];
    const choice = codes && element("select", { ariaLabel: `${label}${words().colon}${words().choose}` },
      element("option", { value: "", textContent: `${words().choose}…` }),
      ...Object.entries(codes).map(([value, textContent]) => element("option", { value, textContent })));
    const button = element("button", { type: "button", textContent: label, disabled: Boolean(choice), data: { type },
      onclick: () => this.hooks.act(this.feature.id, (feature) => this.give(feature, type, choice?.value)) });
    if (!choice) return button;
    choice.onchange = () => { button.disabled = choice.value === ""; };
    return element("span", { className: "choice" }, choice, button);
  }

  async give(feature, type, choice) {
    const said = this.remark.value.trim();
    const { version, state } = feature.properties;
    if (type === "handle" && photos(feature).length === 0) throw new Error(words().needs_photo);
    if (needsText(type, state) && !said) {
      this.remark.focus();
      throw new Error(words().needs_text);
    }
    const json = { type, expected_version: version, arguments: ARGUMENTS[type]?.(feature, said, choice) ?? {} };
    if (needsReason(type, state)) json.reason = said;
    else if (choice && type !== "close") json.reason = choice;
    const decision = feature.id + JSON.stringify(json);
    if (!keys.has(decision)) keys.set(decision, crypto.getRandomValues(new BigUint64Array(2)).join("-"));
    const changed = await ask("POST", `/v1/alerts/${feature.id}/commands`, { json, key: keys.get(decision) });
    keys.delete(decision);
    if (needsText(type, state)) this.remark.value = "";
    return [changed, `${changed.properties.kind_name[speech.language]}${words().colon}${words().command[type]} ✓`];
  }

  async readLog() {
    this.log.firstChild.textContent = words().log;
    this.sheet.textContent = words().sheet;
    this.sheet.href = `/v1/alerts/${this.feature.id}/sheet?lang=${speech.language}`;
    if (!this.log.open) return;
    const text = ({ at, actor_name, type, reason, data }) => [moment(at), actor_name, words().event[type] ?? words().state[type],
      codeWord(reason) ?? reason, codeWord(data.outcome), type === "noted" && data.evidence && words().uploaded, data.text].filter(Boolean).join(" · ");
    const told = (log) => log.events.filter((event) => event.type !== "seen_again").map(text);
    const lines = await ask("GET", `/v1/alerts/${this.feature.id}/log`).then(told, (error) => [error.message]);
    this.log.lastChild.replaceChildren(...lines.map((textContent) => element("li", { textContent })));
  }
}
