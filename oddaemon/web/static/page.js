// Live updates, filtering while typing, and a copy button. The page is complete without them.

const SECOND = 1000, MINUTE = 60 * SECOND;
const LOST_AFTER = 4 * SECOND, RECONNECT_AFTER = 20 * SECOND, ANNOUNCE_EVERY = 5 * SECOND;

const byId = (id) => document.getElementById(id);
const announcer = byId("announcer");
const live = byId("live");

// --- relative times ----------------------------------------------------------------------------------------------

function formatLength(milliseconds) {
  const seconds = Math.round(milliseconds / SECOND);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

// Times are relative to the daemon's clock if the reader's differs.
const skew = Date.now() - Date.parse(live.querySelector("time").dateTime);
const ahead = Math.abs(skew) > MINUTE ? skew : 0;

function updateTimes() {
  const now = Date.now() - ahead;
  for (const span of document.querySelectorAll(".ago")) {
    const away = Date.parse(span.dataset.at) - now;
    const text = Math.abs(away) < 5 * SECOND ? "now" : away > 0 ? `in ${formatLength(away)}` : `${formatLength(-away)} ago`;
    if (span.textContent !== text) span.textContent = text;
  }
}

// --- the search: the same rules as in search.py, which searches in a large fleet itself -----------------------------

const form = byId("search");
let allRows = new URLSearchParams(location.search).get("rows") === "all";

const PAUSE = 0.3 * SECOND, REFRESH_EVERY = 10 * SECOND;
const isLarge = Boolean(byId("rows")?.dataset.paged);

function filter() {
  if (!form || isLarge) return;
  const query = new FormData(form);
  const words = (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const label = query.get("label") ?? "";
  const conditions = new Set(query.getAll("condition")), outlooks = new Set(query.getAll("outlook"));
  const rowsMax = allRows ? Infinity : Number(byId("rows").dataset.max);
  let shown = 0, total = 0;
  for (const row of byId("rows").rows) {
    const { condition, outlook, labels, find } = row.dataset;
    const fits = (!conditions.size || conditions.has(condition)) && (!outlooks.size || outlooks.has(outlook))
      && (!label || labels.split("\n").includes(label)) && words.every((word) => find.includes(word));
    total += 1;
    shown += fits;
    const listed = fits && shown <= rowsMax;
    if (row.hidden === listed) row.hidden = !listed;
    const cell = byId(`cell-${row.id.slice(4)}`);
    if (cell && cell.hidden === fits) cell.hidden = !fits;
  }
  const all = `${total.toLocaleString("en-US")} office${total === 1 ? "" : "s"}`;
  const found = shown === total ? all : `${shown.toLocaleString("en-US")} of ${all}`;
  if (byId("found").textContent !== found) byId("found").textContent = found;
  byId("nothing").hidden = shown > 0;
  byId("more-rows").hidden = shown <= rowsMax;
  byId("all-rows").textContent = shown.toLocaleString("en-US");
}

function updateAddress() {
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  if (allRows) query.set("rows", "all");
  history.replaceState(null, "", query.size ? `/?${query}` : "/");
}

function enableSearch() {
  if (!form) return;
  form.querySelector(".buttons button").hidden = true;
  let announcing;
  form.addEventListener("input", () => {
    filter();
    updateAddress();
    if (isLarge) refreshSoon(PAUSE);
    clearTimeout(announcing);
    announcing = setTimeout(() => { announcer.textContent = `${byId("found").textContent} shown`; }, SECOND);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("more-rows").querySelector("a").addEventListener("click", (event) => {
    event.preventDefault();
    allRows = true;
    filter();
    updateAddress();
  });
}

// --- changes --------------------------------------------------------------------------------------------------------

function replaceContents(element, html) {
  const open = [...element.querySelectorAll("details")].map((each) => each.open);
  const focused = element.contains(document.activeElement) ? [...element.querySelectorAll("a, button, summary, [tabindex]")].indexOf(document.activeElement) : -1;
  element.innerHTML = html;
  [...element.querySelectorAll("details")].forEach((each, index) => { each.open = open[index] ?? false; });
  if (focused >= 0) element.querySelectorAll("a, button, summary, [tabindex]")[focused]?.focus({ preventScroll: true });
  addCopyButtons(element);
}

let compactCells;

function paintCompactCell({ id, condition }) {
  compactCells ??= new Map([...byId("grid").children].map((link) => [link.textContent, link]));
  const link = compactCells.get(id);
  if (link) link.className = `t-${condition}`;
}

function describeCompactCell({ target }) {
  if (target.matches(".compact a")) target.title = `${target.textContent}: ${/t-(\w+)/.exec(target.className || byId("grid").className)[1]}`;
}

function changeOffice(office, changes) {
  const row = byId(`row-${office.id}`), cell = byId(`cell-${office.id}`);
  if (!row || !cell) return;
  const hasNewCondition = row.dataset.condition !== office.condition;
  Object.assign(row.dataset, { condition: office.condition, outlook: office.outlook, labels: office.labels, find: office.find });
  replaceContents(row, office.row);
  if (hasNewCondition) changes.push(`${row.querySelector("a").textContent} is ${office.condition}`);
  replaceContents(cell, office.cell);
  for (const each of hasNewCondition ? [row, cell] : []) {
    each.classList.remove("changed");
    void each.offsetWidth;
    each.classList.add("changed");
  }
}

function sortRows() {
  const rows = byId("rows");
  if (!rows || rows.contains(document.activeElement)) return;
  const order = [...form.querySelectorAll("[name=condition]")].map((each) => each.value);
  const name = (row) => row.cells[0].textContent;
  const sorted = [...rows.rows].sort((one, other) =>
    order.indexOf(one.dataset.condition) - order.indexOf(other.dataset.condition) || name(one).localeCompare(name(other), "en"));
  if (sorted.some((row, index) => row !== rows.rows[index])) rows.append(...sorted);
}

let unannounced = [], announcedAt = 0, announceTimer;

function announce(sentences) {
  unannounced.push(...sentences);
  if (!unannounced.length) return;
  clearTimeout(announceTimer);
  announceTimer = setTimeout(() => {
    announcer.textContent = unannounced.length > 3 ? `${unannounced.length} offices changed. ${byId("headline")?.querySelector("h1")?.textContent ?? ""}` : `${unannounced.join(". ")}.`;
    unannounced = [];
    announcedAt = Date.now();
  }, Math.max(0, announcedAt + ANNOUNCE_EVERY - Date.now()));
}

function applyChange({ parts = {}, offices = [] }) {
  const changes = [];
  for (const [id, html] of Object.entries(parts)) {
    if (id === "title") document.title = html;
    else if (byId(id)) replaceContents(byId(id), html);
  }
  if (parts.status) changes.push(document.title);
  offices.forEach((office) => (isLarge ? paintCompactCell(office) : changeOffice(office, changes)));
  if (offices.length && isLarge) refreshSoon(REFRESH_EVERY);
  else if (offices.length) {
    filter();
    sortRows();
  }
  updateTimes();
  announce(changes);
}

// A large fleet: the list, and which offices match, come from the server.
let refreshTimer, refreshAt = Infinity;

function refreshSoon(wait) {
  if (Date.now() + wait >= refreshAt) return;
  clearTimeout(refreshTimer);
  refreshAt = Date.now() + wait;
  refreshTimer = setTimeout(async () => {
    refreshAt = Infinity;
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" } });
      if (response.ok) showPage(new DOMParser().parseFromString(await response.text(), "text/html"));
    } catch {
      // No daemon answers: the stream notices, and loads the page again when one does.
    }
  }, wait);
}

function showPage(page) {
  const list = byId("rows"), hasFocus = list.contains(document.activeElement);
  for (const id of ["found", "grid", "pager", "rows-title", ...(hasFocus ? [] : ["rows"])]) {
    replaceContents(byId(id), page.getElementById(id).innerHTML);
  }
  byId("grid").className = page.getElementById("grid").className;
  byId("nothing").hidden = page.getElementById("nothing").hidden;
  compactCells = undefined;
  updateTimes();
}

async function loadAgain() {
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const isStillLarge = Boolean(page.getElementById("rows")?.dataset.paged) === isLarge;
  if (form && page.getElementById("rows") && isStillLarge && !byId("hosts") === !page.getElementById("hosts")) {
    // The search form stays as it is; everything around it is replaced.
    const list = isLarge ? [] : ["grid", "rows"];
    for (const id of ["not-ready", "headline", "figures", "at-risk", ...list, "hosts"]) if (byId(id)) replaceContents(byId(id), page.getElementById(id)?.innerHTML ?? "");
    for (const count of form.querySelectorAll("b[id]")) count.textContent = page.getElementById(count.id).textContent;
    if (isLarge) showPage(page);
    filter();
  } else {
    location.reload();
    return;
  }
  document.title = page.title;
  document.querySelector("footer").innerHTML = page.querySelector("footer").innerHTML;
  document.body.dataset.live = page.body.dataset.live;
  updateTimes();
  announcer.textContent = "The configuration was reloaded, or the daemon restarted. This page is up to date.";
}

// --- the stream -----------------------------------------------------------------------------------------------------

let stream, lostTimer, reconnectTimer;

function showState(state, text) {
  live.dataset.state = state;
  if (live.textContent !== text) live.textContent = text;
}

function onLost() {
  lostTimer ??= setTimeout(() => showState("lost", "Not live: the daemon does not respond"), LOST_AFTER);
}

function openStream() {
  clearTimeout(reconnectTimer);
  if (!document.body.dataset.live || stream) return;
  stream = new EventSource(document.body.dataset.live);
  stream.onopen = () => {
    clearTimeout(lostTimer);
    lostTimer = undefined;
    showState("live", "Live");
  };
  stream.onerror = () => {
    onLost();
    if (stream.readyState === EventSource.CLOSED) {
      closeStream();
      reconnectTimer = setTimeout(openStream, RECONNECT_AFTER);
    }
  };
  const handle = (act) => (event) => {
    const url = new URL(document.body.dataset.live, location.href);
    url.searchParams.set("since", event.lastEventId);
    document.body.dataset.live = url.pathname + url.search;
    act(JSON.parse(event.data));
  };
  stream.addEventListener("change", handle(applyChange));
  stream.addEventListener("stale", handle(loadAgain));
}

function closeStream() {
  stream?.close();
  stream = undefined;
}

// A browser opens six connections to a host at most: a hidden page must not keep one.
document.addEventListener("visibilitychange", () => (document.hidden ? closeStream() : openStream()));
addEventListener("pagehide", closeStream);
addEventListener("pageshow", openStream);

// --- the copy button ------------------------------------------------------------------------------------------------

function addCopyButtons(root) {
  for (const message of root.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = "Copy";
    button.setAttribute("aria-describedby", "message-title");
    button.addEventListener("click", async () => {
      const copied = await copy(message);
      button.textContent = copied ? "Copied" : "Selected: press Ctrl+C";
      announcer.textContent = button.textContent;
      setTimeout(() => { button.textContent = "Copy"; }, 3 * SECOND);
    });
    message.before(button);
  }
}

async function copy(message) {
  try {
    await navigator.clipboard.writeText(message.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(message);
    return false;
  }
}

enableSearch();
if (isLarge) byId("grid").addEventListener("pointerover", describeCompactCell);
filter();
addCopyButtons(document);
updateTimes();
setInterval(updateTimes, 5 * SECOND);
openStream();
