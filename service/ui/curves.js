// MixiGen's scores against the position in each generator's list, and who supplied how many places.

import { element, svg, table } from "./dom.js";

const WIDTH = 640;
const HEIGHT = 300;
const EDGE = { left: 56, right: 12, top: 10, bottom: 40 };
const DASHES = ["", "8 4", "2 3", "10 3 2 3", "5 2", "1 4", "12 5", "6 2 2 2"];

export function showCurves(target, answer, colours, slots) {
  const scores = answer.cgs.flatMap((cg) => cg.scores);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const depth = answer.cgs[0].scores.length;
  const x = (position) => EDGE.left + ((position - 1) / Math.max(1, depth - 1)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (score) => HEIGHT - EDGE.bottom - ((score - low) / (high - low || 1)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const lines = answer.cgs.map((cg) => line(cg, colours[cg.name], x, y));
  const title = `MixiGen's score of each generator at positions 1 to ${depth}; the table below has the quotas`;
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title }, axes(x, y, low, high, depth), lines);
  target.replaceChildren(
    element("p", { class: "note" }, "The next place of the mix goes to the generator whose next position scores highest; so the higher a curve stays, the more places its generator gets."),
    chart,
    table(`Quota of ${answer.n} places that the curves imply`, ["generator", "score at 1", `at ${depth}`, "quota", "supplied"], answer.cgs.map((cg) => row(cg, colours, slots))),
  );
}

export function showSlots(target, n, slots, colours) {
  const supplied = Object.entries(slots).filter(([, count]) => count);
  const fill = n - supplied.reduce((sum, [, count]) => sum + count, 0);
  const parts = fill > 0 ? [...supplied, ["fill", fill]] : supplied;
  const bars = parts.map(([name, count]) => {
    const bar = element("span", { class: `bar c${name in colours ? colours[name] % 10 : "-fill"}` });
    bar.style.flexGrow = count;
    return bar;
  });
  const key = parts.map(([name, count]) => element("li", {}, element("i", { class: `swatch c${name in colours ? colours[name] % 10 : "-fill"}`, "aria-hidden": "true" }), `${name}: ${count}`));
  target.replaceChildren(element("div", { class: "bars", "aria-hidden": "true" }, ...bars), element("ul", { class: "key" }, ...key));
}

function line(cg, colour, x, y) {
  const points = cg.scores.map((score, position) => `${x(position + 1).toFixed(1)},${y(score).toFixed(1)}`);
  return svg("polyline", { points: points.join(" "), class: `line c${colour % 10}`, "stroke-dasharray": DASHES[colour % DASHES.length] }, svg("title", {}, cg.name));
}

function axes(x, y, low, high, depth) {
  const bottom = HEIGHT - EDGE.bottom;
  const marks = [1, ...[0.25, 0.5, 0.75, 1].map((part) => Math.round(depth * part))];
  const ticks = [...new Set(marks)].map((position) => svg("text", { x: x(position), y: bottom + 16, "text-anchor": "middle" }, String(position)));
  const levels = [low, (low + high) / 2, high].map((score) => [
    svg("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(score), y2: y(score), class: "grid" }),
    svg("text", { x: EDGE.left - 6, y: y(score) + 4, "text-anchor": "end" }, score.toPrecision(3)),
  ]);
  return [...levels, ...ticks, svg("text", { x: (EDGE.left + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "position in the generator's list")];
}

function row(cg, colours, slots) {
  const name = element("span", {}, element("i", { class: `swatch c${colours[cg.name] % 10}`, "aria-hidden": "true" }), cg.name);
  return [name, cg.scores[0].toPrecision(4), cg.scores.at(-1).toPrecision(4), String(cg.quota), String(slots?.[cg.name] ?? "–")];
}
