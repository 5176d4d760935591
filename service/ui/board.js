// The lists side by side: items linked across columns, by pointer, focus and arrow keys.

import { byId, element } from "./dom.js";

let shown = { places: new Map(), facts: new Map() };

export function setUpBoard(board) {
  board.addEventListener("pointerover", (event) => link(board, itemOf(event.target) ?? itemOf(document.activeElement)));
  board.addEventListener("pointerleave", () => link(board, itemOf(document.activeElement)));
  board.addEventListener("focusin", (event) => link(board, itemOf(event.target)));
  board.addEventListener("keydown", (event) => move(board, event));
}

export function showBoard(board, columns, facts) {
  // columns: [{title, colour, latency, side, note, items: [{item_id, source, rank, fill, count, move}]}]
  board.replaceChildren(...columns.map((column, place) => columnElement(column, place, facts)));
  shown = { places: placesOf(columns), facts };
  link(board, undefined);
}

function link(board, item) {
  for (const other of board.querySelectorAll("[data-item]")) other.classList.toggle("linked", other.dataset.item === item);
  byId("inspector").textContent = item ? describe(item) : "";
}

const itemOf = (target) => target?.closest?.("#board [data-item]")?.dataset.item;

function columnElement(column, place, facts) {
  const heading = element("h3", { id: `column-${place}` }, swatch(column.colour), column.title);
  if (column.side) heading.append(" ", element("small", { class: `side ${column.side}` }, column.side));
  const latency = column.latency === undefined ? "" : `${column.latency.toFixed(1)} ms`;
  const under = element("p", { class: "note" }, [latency, column.note].filter(Boolean).join(" · ") || "\u00a0");
  const rows = column.items.map((item, row) => element("li", {}, itemElement(item, row, facts)));
  const list = rows.length ? element("ol", { "aria-labelledby": `column-${place}` }, ...rows) : element("p", { class: "note" }, column.empty ?? "Nothing of its own.");
  return element("section", { class: `column ${column.side ?? ""}`, "data-column": column.title }, heading, under, list);
}

function itemElement(item, row, facts) {
  const fact = facts.get(item.item_id) ?? {};
  const tags = [];
  if (item.source) tags.push(element("span", { class: "tag" }, swatch(item.colour), `${item.source} #${item.rank}`));
  if (item.fill) tags.push(element("span", { class: "tag fill" }, "fill: popular"));
  if (item.count) tags.push(element("span", { class: "tag" }, `${item.count}×`, item.when ? ` ${item.when}` : ""));
  if (item.move) tags.push(element("span", { class: "tag move" }, item.move));
  const texts = [element("b", {}, fact.name ?? item.item_id)];
  if (fact.name) texts.push(element("code", {}, item.item_id));
  if (fact.category) texts.push(element("span", { class: "category" }, fact.category));
  return element("button", { type: "button", class: "item", "data-item": item.item_id, tabindex: row ? "-1" : "0" }, ...texts, ...tags);
}

function swatch(colour) {
  return colour === undefined ? null : element("i", { class: `swatch c${colour % 10}`, "aria-hidden": "true" });
}

function placesOf(columns) {
  const places = new Map();
  for (const column of columns) {
    column.items.forEach((item, row) => {
      places.set(item.item_id, [...(places.get(item.item_id) ?? []), placeOf(column, item, row)]);
    });
  }
  return places;
}

function placeOf(column, item, row) {
  if (column.history) return item.count ? `in the history ${item.count}×` : "in the history";
  return `${[column.title, column.side].filter(Boolean).join(" ")} #${row + 1}${item.fill ? " (fill)" : ""}`;
}

function describe(item) {
  const fact = shown.facts.get(item) ?? {};
  const name = [fact.name, item].filter(Boolean).join(" · ");
  return `${name}${fact.category ? ` (${fact.category})` : ""}: ${shown.places.get(item).join(", ")}`;
}

function move(board, event) {
  const steps = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };
  const step = steps[event.key];
  const from = event.target.closest(".item");
  if (!step || !from) return;
  event.preventDefault();
  const columns = [...board.querySelectorAll(".column")].map((column) => [...column.querySelectorAll(".item")]).filter((items) => items.length);
  const at = columns.findIndex((items) => items.includes(from));
  const target = columns[at + step[0]];
  const to = target?.[Math.min(columns[at].indexOf(from) + step[1], target.length - 1)];
  if (!to) return;
  for (const item of target) item.tabIndex = item === to ? 0 : -1;
  to.focus();
}
