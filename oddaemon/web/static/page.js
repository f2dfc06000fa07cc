// What the page can do besides being read: it moves when the fleet does, filters while one types, and copies a letter.
// Everything is there without it.

const SECOND = 1000, MINUTE = 60 * SECOND;
const LOST_AFTER = 4 * SECOND, AGAIN_AFTER = 20 * SECOND, TELL_EVERY = 5 * SECOND;

const byId = (id) => document.getElementById(id);
const news = byId("news");
const live = byId("live");

// --- how long ago, how far ahead ------------------------------------------------------------------------------------

function length(milliseconds) {
  const seconds = Math.round(milliseconds / SECOND);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

// The daemon's clock is the one that counts, should the reader's be another.
const skew = Date.now() - Date.parse(live.querySelector("time").dateTime);
const ahead = Math.abs(skew) > MINUTE ? skew : 0;

function tick() {
  const now = Date.now() - ahead;
  for (const span of document.querySelectorAll(".ago")) {
    const away = Date.parse(span.dataset.at) - now;
    const text = Math.abs(away) < 5 * SECOND ? "now" : away > 0 ? `in ${length(away)}` : `${length(-away)} ago`;
    if (span.textContent !== text) span.textContent = text;
  }
}

// --- the search: the same rules as the server's ---------------------------------------------------------------------

const form = byId("search");
let allRows = new URLSearchParams(location.search).get("rows") === "all";

function filter() {
  if (!form) return;
  const asked = new FormData(form);
  const words = (asked.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const label = asked.get("label") ?? "";
  const conditions = new Set(asked.getAll("condition")), outlooks = new Set(asked.getAll("outlook"));
  const most = allRows ? Infinity : Number(byId("rows").dataset.max);
  let shown = 0, total = 0;
  for (const row of byId("rows").rows) {
    const { condition, outlook, labels, find } = row.dataset;
    const fits = (!conditions.size || conditions.has(condition)) && (!outlooks.size || outlooks.has(outlook))
      && (!label || labels.split("\n").includes(label)) && words.every((word) => find.includes(word));
    total += 1;
    shown += fits;
    const listed = fits && shown <= most;
    if (row.hidden === listed) row.hidden = !listed;
    const cell = byId(`cell-${row.id.slice(4)}`);
    if (cell && cell.hidden === fits) cell.hidden = !fits;
  }
  const all = `${total.toLocaleString("en-US")} office${total === 1 ? "" : "s"}`;
  const found = shown === total ? all : `${shown.toLocaleString("en-US")} of ${all}`;
  if (byId("found").textContent !== found) byId("found").textContent = found;
  byId("nothing").hidden = shown > 0;
  byId("more-rows").hidden = shown <= most;
  byId("all-rows").textContent = shown.toLocaleString("en-US");
}

function remember() {
  const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  if (allRows) asked.set("rows", "all");
  history.replaceState(null, "", asked.size ? `/?${asked}` : "/");
}

function listen() {
  if (!form) return;
  form.querySelector(".buttons button").hidden = true;
  let announcing;
  form.addEventListener("input", () => {
    filter();
    remember();
    clearTimeout(announcing);
    announcing = setTimeout(() => { news.textContent = `${byId("found").textContent} shown`; }, SECOND);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("more-rows").querySelector("a").addEventListener("click", (event) => {
    event.preventDefault();
    allRows = true;
    filter();
    remember();
  });
}

// --- what changed ---------------------------------------------------------------------------------------------------

function put(element, html) {
  const open = [...element.querySelectorAll("details")].map((each) => each.open);
  const focused = element.contains(document.activeElement) ? [...element.querySelectorAll("a, button, summary, [tabindex]")].indexOf(document.activeElement) : -1;
  element.innerHTML = html;
  [...element.querySelectorAll("details")].forEach((each, index) => { each.open = open[index] ?? false; });
  if (focused >= 0) element.querySelectorAll("a, button, summary, [tabindex]")[focused]?.focus({ preventScroll: true });
  offerCopies(element);
}

function changeOffice(office, changes) {
  const row = byId(`row-${office.id}`), cell = byId(`cell-${office.id}`);
  if (!row || !cell) return;
  const turned = row.dataset.condition !== office.condition;
  Object.assign(row.dataset, { condition: office.condition, outlook: office.outlook, labels: office.labels, find: office.find });
  put(row, office.row);
  if (turned) changes.push(`${row.querySelector("a").textContent} is ${office.condition}`);
  put(cell, office.cell);
  for (const each of turned ? [row, cell] : []) {
    each.classList.remove("told");
    void each.offsetWidth;
    each.classList.add("told");
  }
}

function sort() {
  const rows = byId("rows");
  if (!rows || rows.contains(document.activeElement)) return;
  const order = [...form.querySelectorAll("[name=condition]")].map((each) => each.value);
  const name = (row) => row.cells[0].textContent;
  const sorted = [...rows.rows].sort((one, other) =>
    order.indexOf(one.dataset.condition) - order.indexOf(other.dataset.condition) || name(one).localeCompare(name(other), "en"));
  if (sorted.some((row, index) => row !== rows.rows[index])) rows.append(...sorted);
}

let toTell = [], tellingAt = 0, telling;

function tell(sentences) {
  toTell.push(...sentences);
  if (!toTell.length) return;
  clearTimeout(telling);
  telling = setTimeout(() => {
    news.textContent = toTell.length > 3 ? `${toTell.length} offices changed. ${byId("headline")?.querySelector("h1")?.textContent ?? ""}` : `${toTell.join(". ")}.`;
    toTell = [];
    tellingAt = Date.now();
  }, Math.max(0, tellingAt + TELL_EVERY - Date.now()));
}

function change({ parts = {}, offices = [] }) {
  const changes = [];
  for (const [id, html] of Object.entries(parts)) {
    if (id === "title") document.title = html;
    else if (byId(id)) put(byId(id), html);
  }
  if (parts.standing) changes.push(document.title);
  offices.forEach((office) => changeOffice(office, changes));
  if (offices.length) {
    filter();
    sort();
  }
  tick();
  tell(changes);
}

async function readAgain() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (form && page.getElementById("rows")) {
    // The search stays as it is being written; everything around it is new.
    for (const id of ["trouble", "headline", "figures", "watch", "grid", "rows"]) put(byId(id), page.getElementById(id)?.innerHTML ?? "");
    for (const count of form.querySelectorAll("b[id]")) count.textContent = page.getElementById(count.id).textContent;
    filter();
  } else {
    location.reload();
    return;
  }
  document.title = page.title;
  document.querySelector("footer").innerHTML = page.querySelector("footer").innerHTML;
  document.body.dataset.live = page.body.dataset.live;
  tick();
  news.textContent = "The configuration was read again, or the daemon was started anew; the page shows how it is now.";
}

// --- the stream -----------------------------------------------------------------------------------------------------

let stream, losing, again;

function say(state, text) {
  live.dataset.state = state;
  if (live.textContent !== text) live.textContent = text;
}

function lost() {
  losing ??= setTimeout(() => say("lost", "Not live: the daemon does not answer"), LOST_AFTER);
}

function openStream() {
  clearTimeout(again);
  if (!document.body.dataset.live || stream) return;
  stream = new EventSource(document.body.dataset.live);
  stream.onopen = () => {
    clearTimeout(losing);
    losing = undefined;
    say("live", "Live");
  };
  stream.onerror = () => {
    lost();
    if (stream.readyState === EventSource.CLOSED) {
      closeStream();
      again = setTimeout(openStream, AGAIN_AFTER);
    }
  };
  const heard = (act) => (event) => {
    const url = new URL(document.body.dataset.live, location.href);
    url.searchParams.set("since", event.lastEventId);
    document.body.dataset.live = url.pathname + url.search;
    act(JSON.parse(event.data));
  };
  stream.addEventListener("change", heard(change));
  stream.addEventListener("stale", heard(readAgain));
}

function closeStream() {
  stream?.close();
  stream = undefined;
}

// A browser has six connections for a daemon: a page that nobody sees must not keep one.
document.addEventListener("visibilitychange", () => (document.hidden ? closeStream() : openStream()));
addEventListener("pagehide", closeStream);
addEventListener("pageshow", openStream);

// --- copying a letter -----------------------------------------------------------------------------------------------

function offerCopies(root) {
  for (const letter of root.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = "Copy";
    button.setAttribute("aria-describedby", "letter-title");
    button.addEventListener("click", async () => {
      const copied = await copy(letter);
      button.textContent = copied ? "Copied" : "Marked: press Ctrl+C";
      news.textContent = button.textContent;
      setTimeout(() => { button.textContent = "Copy"; }, 3 * SECOND);
    });
    letter.before(button);
  }
}

async function copy(letter) {
  try {
    await navigator.clipboard.writeText(letter.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(letter);
    return false;
  }
}

listen();
filter();
offerCopies(document);
tick();
setInterval(tick, 5 * SECOND);
openStream();
