// The playground: reads the form, asks the service, shows the answers side by side.

import * as api from "./api.js";
import { setUpBoard, showBoard } from "./board.js";
import { showCurves, showSlots } from "./curves.js";
import { byId, element } from "./dom.js";
import { listsOf } from "./lists.js";
import { fillForm, isAsked, readForm, restore, settingsToUrl } from "./form.js";
import { showRelease } from "./release.js";
import { setUpTabs } from "./tabs.js";

const RETRY_MS = 1000;
const PAUSE_MS = 150; // a slider moves several places before anything is asked
let known; // what the release offers: {about, cgs, mixigen, colours}
let asking = new AbortController(); // only the last question asked is answered and shown
let waiting;

async function offer() {
  try {
    const [about, { cgs, mixigen }, { releases }] = await Promise.all([api.about(), api.generators(), api.releases()]);
    const colours = Object.fromEntries(cgs.map((cg, place) => [cg.name, place]));
    known = { about, cgs: cgs.map((cg) => cg.name), mixigen, colours, releases };
    byId("served").textContent = `release ${about.release}`;
    fillForm(known, releases);
    byId("problem").hidden = true;
  } catch (error) {
    showProblem(error);
    if (error.status === 503) setTimeout(offer, RETRY_MS); // a release is being loaded
    return;
  }
  if (restore()) await show();
}

function listen() {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (known) show();
  });
  byId("form").addEventListener("change", (event) => known && event.target.id !== "user" && isAsked() && soon());
  byId("another").addEventListener("click", () => known && another());
}

function soon() {
  asking.abort();
  byId("form").setAttribute("aria-busy", "true");
  clearTimeout(waiting);
  waiting = setTimeout(show, PAUSE_MS);
}

function another() {
  const users = known.about.sample_users;
  byId("user").value = users[Math.floor(Math.random() * users.length)] ?? "";
  show();
}

async function show() {
  clearTimeout(waiting);
  const settings = readForm(known);
  asking.abort();
  byId("form").removeAttribute("aria-busy");
  if (!settings.user) return byId("user").reportValidity();
  const { signal } = (asking = new AbortController());
  history.replaceState(null, "", settingsToUrl());
  byId("form").setAttribute("aria-busy", "true");
  byId("status").textContent = settings.compare ? `Asking; loading ${settings.compare} can take a while …` : "Asking …";
  try {
    const sides = [await listsOf(settings, known, undefined, signal)];
    if (settings.compare) sides.push(await other(settings, signal));
    if (signal.aborted) return;
    render(settings, sides);
    await readAnewIfReplaced(sides[0].user.release);
  } catch (error) {
    if (signal.aborted) return;
    showProblem(error);
    await readAnewIfReplaced().catch(() => undefined); // what is wrong has been said
  } finally {
    if (!signal.aborted) byId("form").removeAttribute("aria-busy");
  }
}

async function other(settings, signal) {
  // what the other release can be asked; what it cannot stays out, and is named
  const { artifacts } = known.releases.find((release) => release.release === settings.compare);
  const cgs = settings.cgs.filter((name) => name === "popular" || name in artifacts);
  const strategy = settings.strategy === "mixigen" && !("mixigen" in artifacts) ? "" : settings.strategy;
  const lacking = [...settings.cgs.filter((name) => !cgs.includes(name)), ...(strategy === settings.strategy ? [] : ["MixiGen"])];
  try {
    return { ...(await listsOf({ ...settings, cgs, strategy }, known, settings.compare, signal)), lacking };
  } catch (error) {
    return { columns: [], lacking, problem: `${error.title}: ${error.message}` };
  }
}

async function readAnewIfReplaced(release) {
  // the address holds the form, so the page can be read anew for a release that has taken the place of this one
  if (release !== known.about.release && (await api.about()).release !== known.about.release) location.reload();
}

function render(settings, sides) {
  const columns = sides.length > 1 ? paired(...sides) : sides[0].columns;
  const { mix, curves, named } = sides[0];
  byId("problem").hidden = true;
  byId("results").hidden = false;
  byId("status").textContent = summary(settings, sides);
  showBoard(byId("board"), columns, named.facts);
  byId("named").textContent = namedIn(sides);
  byId("shares").hidden = !mix;
  if (mix) showSlots(byId("slots"), mix.returned, mix.slots, known.colours);
  if (curves) showCurves(byId("curve"), curves, known.colours, mix?.slots);
  else byId("curve").replaceChildren(element("p", { class: "note" }, whyNoCurves(settings)));
}

function namedIn(sides) {
  const latencies = sides.map((side) => side.named?.latency).filter((latency) => latency !== undefined);
  return latencies.length ? `Names: ${latencies.map((latency) => `${latency.toFixed(1)} ms`).join(", ")}.` : "";
}

function whyNoCurves({ cgs }) {
  if (!known.mixigen) return "This release has no MixiGen, so nothing scores positions; the mix uses the strategy shown above.";
  const untrained = cgs.filter((name) => !known.mixigen.cgs.includes(name));
  return untrained.length ? `MixiGen was not trained on ${untrained.join(", ")}; it blends ${known.mixigen.cgs.join(", ")}.` : "Choose at least one generator.";
}

function summary(settings, [{ user, mix, columns }, other]) {
  const answers = columns.filter((column) => !column.history && column.latency !== undefined).length;
  const unknown = mix?.unknown_items?.length ? ` Unknown items of the history: ${mix.unknown_items.join(", ")}.` : "";
  const compared = `${other?.lacking.length ? ` The other release lacks ${other.lacking.join(", ")}.` : ""}${other?.problem ? ` The other release: ${other.problem}` : ""}`;
  const how = `${mix ? ` Mixed by ${mix.strategy}${mix.degraded.length ? ` (degraded: ${mix.degraded.join(", ")})` : ""}.` : ""}${compared}`;
  if (settings.history.length) return `${settings.nobody ? "A user" : `User ${settings.user}`} with the ${settings.history.length} items given: ${answers} lists.${how}${unknown}`;
  if (!user.user_known) return `Nobody knows the user ${settings.user}: every list is filled from the popular items.${how}`;
  return `User ${settings.user}: ${user.distinct_items} distinct items in the history, ${answers} lists.${how}`;
}

function paired(ours, theirs) {
  // each list of the served release beside the same list of the other one, with what moved
  const others = new Map(theirs.columns.map((column) => [column.title, column]));
  return ours.columns.flatMap((column) => {
    const other = others.get(column.title);
    if (column.history || !other) return [column];
    const place = new Map(column.items.map((item, row) => [item.item_id, row]));
    const moved = other.items.map((item, row) => ({ ...item, move: moveOf(place.get(item.item_id), row) }));
    return [{ ...column, side: "served" }, { ...other, items: moved, side: "other" }];
  });
}

function moveOf(before, now) {
  if (before === undefined) return "new";
  if (before === now) return "";
  return before > now ? `up ${before - now}` : `down ${now - before}`;
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    showProblem(error);
  }
}

function showProblem(error) {
  if (!(error instanceof api.Problem)) console.error(error);
  const id = error.requestId ? element("p", { class: "note" }, `request id ${error.requestId}`) : null;
  byId("problem").replaceChildren(element("b", {}, error.title ?? "Something went wrong in this page"), element("p", {}, error.message), ...(id ? [id] : []));
  byId("problem").hidden = false;
  byId("results").hidden = true;
  byId("status").textContent = "";
}

setUpBoard(byId("board"));
setUpTabs({ "view-release": () => guarded(() => showRelease(byId("view-release"))) });
listen();
offer();
