// The demo page: signs a user in, calls the real API, moves the sandbox, and shows what came of it.

import { WORDS } from "./words.js";

const element = (id) => document.getElementById(id);
const SAMPLE_USER = { user_id: "42", email: "user@example.com", name: "Sample User" };
const PROTECTED = "/api/banking/accounts/";

// ---- what is remembered ------------------------------------------------------------------------

function remembered(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing still shows the page.
  }
}

let language = remembered("language", navigator.language?.toLowerCase().startsWith("pt") ? "pt" : "en");
let user = remembered("user", SAMPLE_USER);
let token = null;
let stack = null;
let status = null;
let lastLine = 0;
let lines = [];

// ---- words, dates and money ---------------------------------------------------------------------

function word(name, values = {}) {
  const text = WORDS[language]?.[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

const locale = () => (language === "pt" ? "pt-BR" : "en-GB");
const date = (text) => (text ? new Date(text).toLocaleDateString(locale(), { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }) : "");
const money = (amount, currency) => new Intl.NumberFormat(locale(), { style: "currency", currency: currency || "BRL" }).format(amount ?? 0);

function translate() {
  document.documentElement.lang = language === "pt" ? "pt-BR" : "en";
  document.title = word("title");
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
  for (const node of document.querySelectorAll("[data-word-label]")) node.setAttribute("aria-label", word(node.dataset.wordLabel));
  for (const node of document.querySelectorAll("[data-language]")) node.setAttribute("aria-pressed", String(node.dataset.language === language));
  showStack();
  showUser();
  showStatus();
  showLines();
}

// ---- asking ------------------------------------------------------------------------------------

async function ask(method, path, { body, signed = false } = {}) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (signed) headers.Authorization = `Bearer ${token ?? (await signIn())}`;
  const reply = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await reply.text();
  let json = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Not every answer is JSON; the text is shown then.
  }
  // A token lives for an hour: the next call takes a new one.
  if (signed && reply.status === 401) token = null;
  return { request: `${method} ${path}`, status: reply.status, ok: reply.ok, json, text };
}

async function signIn() {
  const claims = Object.fromEntries(Object.entries(user).filter(([, value]) => value));
  const reply = await ask("POST", "/_local/token", { body: claims });
  token = reply.json?.token ?? null;
  return token;
}

// ---- showing -----------------------------------------------------------------------------------

function facts(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([term, value]) => {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = value;
      return [dt, dd];
    }),
  );
}

function notice(text, kind = "") {
  const node = element("notice");
  node.textContent = text;
  node.className = `notice ${kind}`;
  node.hidden = !text;
}

function showUser() {
  const pairs = [[word("user_id"), user.user_id]];
  if (user.email) pairs.push([word("email"), user.email]);
  if (user.name) pairs.push([word("name"), user.name]);
  facts(element("who"), pairs);
}

function showStack() {
  if (!stack) return;
  const mode = stack.stripe !== "sandbox" ? "stripe_mode" : stack.mode === "live" ? "live_mode" : "test_mode";
  element("mode").textContent = stack.misconfigured ?? word(mode);
  element("business-date").textContent = date(stack.business_time);
  element("business-date").dateTime = stack.business_time ?? "";
  for (const node of document.querySelectorAll("[data-needs=sandbox]")) node.hidden = stack.stripe !== "sandbox";
  const addresses = [
    ["API", stack.urls.api],
    ["Webhook", stack.urls.function_url + stack.webhook_path],
    ["DynamoDB", stack.urls.dynamodb],
    ["Secrets Manager", stack.urls.secrets_manager],
    ["Stripe", stack.urls.stripe],
  ];
  element("footer").replaceChildren(
    ...addresses.map(([name, url]) => {
      const span = document.createElement("span");
      span.textContent = `${name} ${url}`;
      return span;
    }),
  );
}

function kindOfStatus(name) {
  if (name === "active" || name === "trialing") return "good";
  if (name === "past_due" || name === "incomplete" || name === "paused") return "warn";
  return name === "none" ? "" : "bad";
}

function reading(now) {
  const values = { date: date(now.current_period_end), amount: money(now.amount, now.currency) };
  switch (now.status) {
    case "none":
      return word(now.has_used_trial ? "read_none_used" : "read_none");
    case "trialing":
    case "active":
      return word(`read_${now.status}${now.cancel_at_period_end ? "_ends" : ""}`, values);
    case "past_due":
    case "canceled":
      return word(`read_${now.status}`);
    default:
      return word("read_other");
  }
}

function showStatus() {
  if (!status) return;
  const now = status.json ?? {};
  const badge = element("badge");
  element("status-json").textContent = status.json ? JSON.stringify(now, null, 2) : status.text;
  if (!status.ok) {
    badge.textContent = String(status.status);
    badge.className = "badge bad";
    element("reading").textContent = now.error ?? now.detail ?? word("read_unavailable");
    facts(element("facts"), []);
    return;
  }
  badge.textContent = word(`status_${now.status}`);
  badge.className = `badge ${kindOfStatus(now.status)}`;
  element("reading").textContent = reading(now);
  const pairs = [];
  const card = now.payment_method;
  if (now.status !== "none") {
    pairs.push([word("plan"), `${money(now.amount, now.currency)} ${word("per_month")}`]);
    pairs.push([word("card"), card ? `${card.brand} •••• ${card.last4}` : "—"]);
    const end = now.cancel_at_period_end || now.status === "canceled" ? "ends" : now.status === "trialing" ? "trial_ends" : "renews";
    if (now.current_period_end) pairs.push([word(end), date(now.current_period_end)]);
    if (now.days_until_renewal !== null && now.days_until_renewal !== undefined) pairs.push([word("days_left"), String(now.days_until_renewal)]);
    if (typeof now.access === "boolean") pairs.push([word("access"), word(now.access ? "yes" : "no")]);
  }
  pairs.push([word("trial_used"), now.has_used_trial ? `${word("yes")}${now.first_trial_at ? `, ${date(now.first_trial_at)}` : ""}` : word("no")]);
  facts(element("facts"), pairs);
}

// Under the step that asked, so that on a phone it is in sight.
function showResult(reply, sentence, button) {
  const result = element("result");
  (button ?? document.querySelector("[data-act=checkout]")).closest("li").append(result);
  result.hidden = false;
  const badge = element("result-status");
  badge.textContent = String(reply.status);
  badge.className = `badge ${reply.ok ? "good" : reply.status >= 500 ? "bad" : "warn"}`;
  element("result-request").textContent = reply.request;
  element("result-reading").textContent = sentence ?? "";
  element("result-body").textContent = reply.json ? JSON.stringify(reply.json, null, 2) : reply.text;
}

// On a phone the heads of the columns are gone, so each cell brings its own.
function cell(row, text, column) {
  const node = row.insertCell();
  node.textContent = text;
  if (column) node.dataset.column = word(column);
  return node;
}

function badgeIn(row, text, kind) {
  const badge = document.createElement("span");
  badge.className = `badge ${kind}`;
  badge.textContent = text;
  row.insertCell().append(badge);
}

const OUTCOMES = { delivered: "good", pending: "warn", gave_up: "bad", dropped: "bad" };

function showWebhooks(reply) {
  const body = element("webhooks");
  const all = Array.isArray(reply.json) ? reply.json : (reply.json?.deliveries ?? reply.json?.data ?? []);
  const newest = [...all].sort((left, right) => (right.id ?? 0) - (left.id ?? 0)).slice(0, 20);
  body.replaceChildren();
  if (newest.length === 0) {
    const empty = cell(body.insertRow(), word(reply.status === 404 ? "no_sandbox" : "no_webhooks"));
    empty.className = "empty";
    empty.colSpan = 4;
    return;
  }
  for (const delivery of newest) {
    const row = body.insertRow();
    cell(row, delivery.type);
    badgeIn(row, word(`outcome_${delivery.outcome}`), OUTCOMES[delivery.outcome] ?? "");
    cell(row, delivery.last_status ?? delivery.last_error ?? "—", "answer");
    cell(row, delivery.tries, "tries");
  }
}

function sentenceOfLine(line) {
  switch (line.message) {
    case "Request answered":
      return `${line.status} ${line.method} ${line.path} (${line.function}, ${line.duration_ms} ms)`;
    case "Webhook event received":
      return `${line.message}: ${line.event_type} → ${line.outcome}`;
    default:
      return line.message;
  }
}

function showLines() {
  const all = element("own-lines").checked ? lines : lines.filter((line) => line.message !== "Request answered");
  const shown = all.slice(-40).reverse();
  element("logs").replaceChildren(
    ...shown.map((line) => {
      const item = document.createElement("li");
      const time = document.createElement("time");
      time.dateTime = line.time;
      time.textContent = new Date(line.time).toLocaleTimeString(locale());
      const level = document.createElement("span");
      level.textContent = line.level;
      level.className = { WARN: "warn", ERROR: "bad" }[line.level] ?? "";
      const message = document.createElement("span");
      message.textContent = sentenceOfLine(line);
      item.append(time, level, message);
      return item;
    }),
  );
  if (shown.length === 0) {
    const item = document.createElement("li");
    item.className = "quiet";
    item.textContent = word("no_logs");
    element("logs").append(item);
  }
}

// ---- keeping up to date --------------------------------------------------------------------------

async function refreshStack() {
  const reply = await ask("GET", "/_local/state");
  stack = reply.json;
  showStack();
}

async function refreshStatus() {
  status = await ask("GET", "/api/subscriptions/status/", { signed: true });
  showStatus();
}

async function refreshTrail() {
  const [webhooks, logs] = await Promise.all([ask("GET", "/_local/webhooks"), ask("GET", `/_local/logs?after=${lastLine}`)]);
  showWebhooks(webhooks);
  const fresh = logs.json?.lines ?? [];
  if (fresh.length > 0) {
    lastLine = fresh.at(-1).n;
    lines = [...lines, ...fresh].slice(-500);
  }
  showLines();
  return fresh;
}

let isUnreachable = false;

async function reachable(work) {
  try {
    await work();
    if (isUnreachable) notice("");
    isUnreachable = false;
  } catch {
    isUnreachable = true;
    notice(word("unreachable"), "bad");
  }
}

async function refresh() {
  await reachable(async () => {
    await Promise.all([refreshStack(), refreshStatus()]);
    await refreshTrail();
  });
}

// Asks for the status only when something happened, so that watching does not fill the log.
async function watch() {
  await reachable(async () => {
    const day = stack?.business_time?.slice(0, 10);
    const [, fresh] = await Promise.all([refreshStack(), refreshTrail()]);
    const hasNews = fresh.some((line) => line.function && line.function !== "status");
    if (hasNews || isUnreachable || stack.business_time?.slice(0, 10) !== day) await refreshStatus();
  });
}

// ---- the steps -----------------------------------------------------------------------------------

const CODES = {
  CHECKOUT_REQUIRED: "said_checkout_required",
  TRIAL_USED: "said_trial_used",
  SUBSCRIPTION_REQUIRED: "said_subscription_required",
  ALREADY_SUBSCRIBED: "said_already",
};

const sentenceOf = (reply, whenGood) => (reply.ok ? whenGood : word(CODES[reply.json?.code] ?? "said_failed"));

async function newSession() {
  return ask("POST", "/api/subscriptions/checkout/", { body: {}, signed: true });
}

const ACTS = {
  async call(_, button) {
    const reply = await ask("GET", PROTECTED, { signed: true });
    showResult(reply, sentenceOf(reply, word("said_let_through")), button);
  },
  async checkout(_, button) {
    const reply = await newSession();
    if (reply.json?.checkout_url) location.assign(reply.json.checkout_url);
    else showResult(reply, sentenceOf(reply), button);
  },
  async pay(_, button) {
    const session = await newSession();
    if (!session.ok) return showResult(session, sentenceOf(session), button);
    const path = `/_local/sandbox/checkout/${session.json.session_id}/pay`;
    const reply = await ask("POST", path, { body: { card: "4242424242424242" } });
    showResult(reply, sentenceOf(reply, word("said_paid")), button);
  },
  async advance({ days }, button) {
    const reply = await ask("POST", "/_local/sandbox/advance", { body: { days: Number(days) } });
    showResult(reply, sentenceOf(reply, word("said_advanced", { days })), button);
  },
  async card({ card }, button) {
    const reply = await ask("POST", "/_local/card", { body: { user_id: user.user_id, card } });
    const failed = word(reply.status === 404 ? "said_no_customer" : "said_failed");
    showResult(reply, reply.ok ? word("said_card", { card: `•••• ${card.slice(-4)}` }) : failed, button);
  },
  async portal(_, button) {
    const reply = await ask("POST", "/api/subscriptions/portal/", { body: {}, signed: true });
    if (reply.json?.url) location.assign(reply.json.url);
    else showResult(reply, reply.json?.code === "NO_CUSTOMER" ? word("said_no_customer") : sentenceOf(reply), button);
  },
};

async function act(button) {
  const buttons = [...document.querySelectorAll("[data-act]")];
  for (const other of buttons) other.disabled = true;
  button.setAttribute("aria-busy", "true");
  button.textContent = word("loading");
  try {
    await ACTS[button.dataset.act](button.dataset, button);
  } catch {
    notice(word("unreachable"), "bad");
  }
  button.textContent = word(button.dataset.word);
  button.removeAttribute("aria-busy");
  for (const other of buttons) other.disabled = false;
  button.focus({ preventScroll: true });
  await refresh();
}

// ---- where the product sends a browser -------------------------------------------------------------

const PLACES = {
  "/checkout/cancel": ["place_cancel", "warn"],
  "/settings": ["place_settings", ""],
  "/subscription/expired": ["place_expired", "warn"],
  "/subscription/trial-used": ["place_trial_used", "warn"],
  "/checkout": ["place_checkout", ""],
};

async function arrive() {
  const place = location.pathname.replace(/\/+$/, "");
  if (place === "/checkout/success") {
    const session = new URLSearchParams(location.search).get("session_id") ?? "";
    notice(word("place_success_wait"));
    const path = `/api/subscriptions/session-status/?session_id=${encodeURIComponent(session)}`;
    const reply = await ask("GET", path, { signed: true });
    showResult(reply);
    if (reply.ok) notice(word("place_success", { status: word(`status_${reply.json.status}`) }));
    else notice(reply.json?.error ?? word("said_failed"), "bad");
  } else if (PLACES[place]) {
    const [name, kind] = PLACES[place];
    notice(word(name), kind);
  }
}

// ---- start -----------------------------------------------------------------------------------------

function editUser(isOpen) {
  element("user-form").hidden = !isOpen;
  element("change-user").setAttribute("aria-expanded", String(isOpen));
  if (!isOpen) return;
  for (const name of ["user_id", "email", "name"]) element("user-form").elements[name].value = user[name] ?? "";
  element("user-id").focus();
}

element("change-user").addEventListener("click", () => editUser(element("user-form").hidden));
element("new-user").addEventListener("click", () => {
  const id = String(Math.floor(1000 + Math.random() * 900000));
  const form = element("user-form").elements;
  form.user_id.value = id;
  form.email.value = `user${id}@example.com`;
  form.name.value = `User ${id}`;
});
element("user-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  user = Object.fromEntries(new FormData(event.target));
  remember("user", user);
  token = null;
  editUser(false);
  element("change-user").focus();
  element("result").hidden = true;
  notice("");
  showUser();
  await refresh();
});
for (const button of document.querySelectorAll("[data-act]")) button.addEventListener("click", () => act(button));
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    language = button.dataset.language;
    remember("language", language);
    translate();
    refresh();
  });
}
element("own-lines").addEventListener("change", showLines);

// Where there is room, the JSON is in sight from the start.
element("status-json").closest("details").open = matchMedia("(min-width: 56rem)").matches;

translate();
await refresh();
try {
  await arrive();
} catch {
  notice(word("unreachable"), "bad");
}
await refresh();
setInterval(() => {
  if (!document.hidden) watch();
}, 3000);
