// MixiGen's scores against the position in each generator's list, and who supplied how many places.

import { element, svg, table } from "./dom.js";

const WIDTH = 640;
const HEIGHT = 300;
const EDGE = { left: 100, right: 16, top: 34, bottom: 58 };
const DASHES = ["", "8 4", "2 3", "10 3 2 3", "5 2", "1 4", "12 5", "6 2 2 2"];

export function showCurves(target, answer, colours, slots) {
  const depth = Math.min(answer.cgs[0].scores.length, Math.max(10, 2 * answer.n)); // what the places asked for can reach, and as much again
  const scores = answer.cgs.flatMap((cg) => cg.scores.slice(0, depth));
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const x = (position) => EDGE.left + ((position - 1) / Math.max(1, depth - 1)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (score) => HEIGHT - EDGE.bottom - ((score - low) / (high - low || 1)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const lines = answer.cgs.map((cg) => curve(cg, colours[cg.name], depth, x, y));
  const title = `MixiGen's score of each generator at positions 1 to ${depth}; dots end the quotas, which the table below has`;
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title }, axes(x, y, low, high, depth), lines.flat());
  target.replaceChildren(
    element("p", { class: "note" }, "The next place of the mix goes to the generator whose next position scores highest; so the higher a curve stays, the more places its generator gets. A dot marks the last place of its quota."),
    chart,
    table(`Quota of ${answer.n} places that the curves imply (${Math.round(answer.latency)} ms)`, ["generator", "score at 1", `at ${answer.cgs[0].scores.length}`, "quota", "supplied"], answer.cgs.map((cg) => row(cg, colours, slots))),
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

function curve(cg, colour, depth, x, y) {
  const points = cg.scores.slice(0, depth).map((score, position) => `${x(position + 1).toFixed(1)},${y(score).toFixed(1)}`);
  const line = svg("polyline", { points: points.join(" "), class: `line c${colour % 10}`, "stroke-dasharray": DASHES[colour % DASHES.length] }, svg("title", {}, cg.name));
  if (!cg.quota || cg.quota > depth) return [line];
  return [line, svg("circle", { cx: x(cg.quota), cy: y(cg.scores[cg.quota - 1]), r: 5, class: `dot c${colour % 10}` }, svg("title", {}, `${cg.name}: ${cg.quota}`))];
}

function axes(x, y, low, high, depth) {
  const bottom = HEIGHT - EDGE.bottom;
  const marks = [1, ...[0.25, 0.5, 0.75, 1].map((part) => Math.round(depth * part))];
  const ticks = [...new Set(marks)].map((position) => svg("text", { x: x(position), y: bottom + 22, "text-anchor": "middle" }, String(position)));
  const levels = [low, (low + high) / 2, high].flatMap((score) => [
    svg("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(score), y2: y(score), class: "grid" }),
    svg("text", { x: EDGE.left - 6, y: y(score) + 4, "text-anchor": "end" }, levelText(score)),
  ]);
  const above = svg("text", { x: 4, y: 20 }, "MixiGen's score");
  return [...levels, ...ticks, above, svg("text", { x: (EDGE.left + WIDTH) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, "position in the generator's list")];
}

const levelText = (score) => String(Number(Number(score.toPrecision(3)).toFixed(5))); // eight characters below 1: what the edge has room for

function row(cg, colours, slots) {
  const name = element("span", {}, element("i", { class: `swatch c${colours[cg.name] % 10}`, "aria-hidden": "true" }), cg.name);
  return [name, cg.scores[0].toPrecision(4), cg.scores.at(-1).toPrecision(4), String(cg.quota), String(slots?.[cg.name] ?? "–")];
}
