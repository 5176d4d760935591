// The form: what it offers comes from the release; what was chosen is kept in the page's address.

import { byId, element } from "./dom.js";

const LABELS = { "": "the release's default", mixigen: "MixiGen (learned)", rrf: "reciprocal rank fusion", round_robin: "round robin", quota: "quota, equal shares" };
const NOBODY = "0"; // the user of a history that is given without one: stored histories and vectors play no part then
const KEPT = ["user", "history", "n", "strategy", "seen", "compare", "hour", "day", "city", "store"];

export function fillForm({ about, cgs, mixigen, colours }, releases) {
  options("users", about.sample_users.map((user) => [user, ""]));
  options("strategy", Object.entries(LABELS).filter(([name]) => name !== "mixigen" || mixigen));
  options("day", Object.keys(about.days).map((day) => [day, day]));
  options("city", about.cities.map((city) => [city, city]));
  options("store", about.stores.map((store) => [store, store]));
  options("compare", releases.filter((release) => release.release !== about.release && !release.error).map(({ release }) => [release, release]));
  const chosen = mixigen ? mixigen.cgs : cgs.filter((name) => name !== "popular");
  byId("cgs").append(...cgs.map((name) => checkbox(name, colours[name], (chosen.length ? chosen : cgs).includes(name))));
  byId("context").disabled = !mixigen;
  byId("context-note").textContent = mixigen ? `Hours are those of ${about.timezone}.` : "Only a MixiGen looks at the context; this release has none.";
  for (const [id, offered] of [["city", about.cities], ["store", about.stores]]) byId(id).closest("label").hidden = !offered.length;
  for (const id of ["n", "hour", "history"]) byId(id).addEventListener("input", showValues);
}

export function isAsked() {
  return Boolean(byId("user").value || byId("history").value.trim());
}

export function readForm({ about, mixigen }) {
  const value = (id) => byId(id).value.trim();
  const hours = about.days[value("day")];
  const hour = Number(value("hour"));
  const filters = value("seen") ? { exclude_seen: value("seen") === "exclude" } : {};
  const context = { city_name: value("city"), store_id: value("store") };
  if (hour >= 0 && hours) context.timestamp = hours[hour];
  const cgs = [...byId("cgs").querySelectorAll("input:checked")].map((box) => box.value);
  // the MixiGen's own order, which settles its ties
  if (mixigen) cgs.sort((a, b) => mixigen.cgs.indexOf(a) - mixigen.cgs.indexOf(b));
  const history = value("history").split(/[\s,;]+/).filter(Boolean);
  const nobody = !value("user") && history.length > 0;
  return { user: nobody ? NOBODY : value("user"), nobody, history, n: Number(value("n")), strategy: value("strategy"), compare: value("compare"), cgs, filters, context };
}

export function settingsToUrl() {
  const kept = KEPT.map((id) => [id, byId(id).value]).filter(([id, value]) => value && value !== byId(id).defaultValue);
  const unchecked = [...byId("cgs").querySelectorAll("input")].filter((box) => box.checked !== box.defaultChecked).map((box) => ["toggle", box.value]);
  return `?${new URLSearchParams([...kept, ...unchecked])}`;
}

export function restore() {
  const given = new URLSearchParams(location.search);
  for (const id of KEPT) if (given.has(id)) byId(id).value = given.get(id);
  for (const choice of byId("form").querySelectorAll("select")) if (choice.selectedIndex < 0) choice.selectedIndex = 0; // no longer offered
  for (const box of byId("cgs").querySelectorAll("input")) if (given.getAll("toggle").includes(box.value)) box.checked = !box.checked;
  if (byId("history").value) byId("history").closest("details").open = true;
  showValues();
  return isAsked();
}

function showValues() {
  byId("n-shown").textContent = byId("n").value;
  const hour = Number(byId("hour").value);
  const text = hour < 0 ? "now" : `${String(hour).padStart(2, "0")}:00`;
  byId("hour-shown").textContent = text;
  byId("hour").setAttribute("aria-valuetext", text);
  byId("day").disabled = hour < 0;
  byId("user").required = !byId("history").value.trim();
}

function options(id, values) {
  byId(id).append(...values.map(([value, text]) => element("option", { value }, text)));
}

function checkbox(name, colour, checked) {
  const box = element("input", { type: "checkbox", value: name, checked });
  return element("label", { class: "check" }, box, element("i", { class: `swatch c${colour % 10}`, "aria-hidden": "true" }), name);
}
