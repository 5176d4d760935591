// Small helpers to make elements; texts go in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...content) {
  return fill(document.createElement(tag), attributes, content);
}

export function svg(tag, attributes = {}, ...content) {
  return fill(document.createElementNS(SVG, tag), attributes, content);
}

export function table(caption, head, rows) {
  const cells = (row) => row.map((cell, column) => element(column ? "td" : "th", column ? {} : { scope: "row" }, cell));
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row)))),
    ),
  );
}

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${(count / 1024 ** power).toLocaleString("en", { maximumSignificantDigits: 3 })} ${units[power]}`;
}

function fill(made, attributes, content) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...content.flat().filter((part) => part !== null && part !== undefined));
  return made;
}
