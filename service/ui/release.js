// The second view: what is served, what it was made with, how good it was, what it takes.

import { about, generators, releases } from "./api.js";
import { bytes, element, table } from "./dom.js";

export async function showRelease(target) {
  const [now, { cgs, mixigen }, stored] = await Promise.all([about(), generators(), releases()]);
  const current = stored.releases.find((release) => release.release === now.release);
  target.replaceChildren(
    element("h2", {}, `Release ${now.release}`),
    facts(now, stored),
    table("Models", ["generator", "algorithm", "version", "size", "fitted in", "same data"], cgs.map(modelRow)),
    ...quality(current?.metrics ?? {}),
    element("h3", {}, "Configurations and measurements of the fits"),
    ...cgs.map(details),
    mixigen ? details({ ...mixigen, name: "mixigen", default: false }) : element("p", { class: "note" }, "This release has no MixiGen; /mix fuses ranks (rrf) unless a request says otherwise."),
    table("Releases in the store", ["release", "made", "parent", "default", "seen items", "models"], stored.releases.map((release) => releaseRow(release, now.release))),
  );
}

function facts(now, stored) {
  const resident = now.resident.total ? `${bytes(now.resident.total)}: ${bytes(now.resident.own)} of its own, ${bytes(now.resident.mapped)} of mapped files, shared by all workers` : "not known on this system";
  const pairs = [
    ["Served since", new Date(now.since * 1000).toLocaleString()],
    ["Users, items", `${now.n_users.toLocaleString("en")}, ${now.n_items.toLocaleString("en")}`],
    ["Seen items", now.exclude_seen ? "left out unless a request says otherwise" : "may come unless a request says otherwise"],
    ["Arrays on disk", bytes(now.mapped_bytes)],
    ["Resident memory of this worker", resident],
    ["Process", stored.workers.map((worker) => worker.pid ?? "?").join(", ")],
  ];
  return element("dl", {}, ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function modelRow(cg) {
  const fitted = cg.fit_seconds === null ? "–" : `${cg.fit_seconds.toLocaleString("en")} s`;
  return [cg.name + (cg.default ? " (default)" : ""), cg.algorithm, element("code", {}, cg.version), bytes(cg.bytes), fitted, cg.trained_on_data ? "yes" : "no: fitted on other events"];
}

function quality(metrics) {
  // {"seen allowed": {"ease": {"recall@10": …}}}
  return Object.entries(metrics).filter(([, byCg]) => isTable(byCg)).map(([label, byCg]) => {
    const names = [...new Set(Object.values(byCg).flatMap((values) => Object.keys(values)))].filter((name) => /@/.test(name));
    const rows = Object.entries(byCg).map(([cg, values]) => [cg, ...names.map((name) => values[name]?.toFixed(4) ?? "–")]);
    return table(`Quality on the test part, ${label}`, ["generator", ...names.map((name) => name.replaceAll("_", " "))], rows);
  });
}

const isTable = (value) => value !== null && typeof value === "object" && Object.values(value).every((row) => row !== null && typeof row === "object");

function details(cg) {
  return element(
    "details",
    {},
    element("summary", {}, cg.name),
    pairs("configuration", cg.config),
    Object.keys(cg.metrics).length ? pairs("measurements", cg.metrics) : null,
  );
}

function pairs(title, values) {
  const shown = Object.entries(values).map(([name, value]) => [element("dt", {}, name), element("dd", {}, element("code", {}, JSON.stringify(value)))]);
  return element("div", {}, element("h4", {}, title), shown.length ? element("dl", {}, ...shown.flat()) : element("p", {}, "none"));
}

function releaseRow(release, served) {
  const name = release.release + (release.release === served ? " (served)" : "") + (release.current ? " (current)" : "");
  if (release.error) return [name, release.error, "", "", "", ""];
  const seen = release.exclude_seen ? "left out" : "may come";
  return [name, release.created ?? "", release.parent ?? "–", release.default_cg ?? "", seen, Object.keys(release.artifacts).join(", ")];
}
