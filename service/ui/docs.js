"use strict";
// Shows /openapi.json: each operation with its parameters, its answers and a form to try it.

let components = {};

function element(tag, content, attributes = {}) {
  const made = document.createElement(tag);
  Object.assign(made, attributes);
  for (const part of [].concat(content ?? [])) made.append(part);
  return made;
}

function resolve(schema) {
  return schema.$ref ? components[schema.$ref.split("/").pop()] : schema;
}

function typeName(schema, depth = 0) {
  const known = resolve(schema);
  if (known.const !== undefined) return JSON.stringify(known.const);
  if (known.enum) return known.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (known.anyOf) return [...new Set(known.anyOf.map((option) => typeName(option, depth)))].join(" | ");
  if (known.type === "array") return `array of ${typeName(known.items, depth)}`;
  if (known.type === "object" && known.properties && depth < 3) return objectName(known, depth + 1);
  return (known.type ?? "any") + bounds(known);
}

function bounds(schema) {
  if (schema.minimum !== undefined && schema.maximum < 1e9) return ` ${schema.minimum}…${schema.maximum}`;
  return "";
}

function objectName(schema, depth) {
  const fields = Object.entries(schema.properties).map(([name, field]) => `${name}: ${typeName(field, depth)}`);
  return `{${fields.join(", ")}}`;
}

function parameterRow(parameter, inputs) {
  const input = element("input", [], { type: "text", placeholder: parameter.schema.default ?? "" });
  input.setAttribute("aria-label", parameter.name);
  inputs.push([parameter, input]);
  const name = parameter.name + (parameter.required ? " *" : "");
  return element("tr", [
    element("td", element("code", name)),
    element("td", [element("p", parameter.description ?? ""), element("code", typeName(parameter.schema))]),
    element("td", input),
  ]);
}

function requestUrl(path, inputs) {
  const query = new URLSearchParams();
  let filled = path;
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") {
      filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    } else if (input.value) {
      query.append(parameter.name, input.value);
    }
  }
  return query.size ? `${filled}?${query}` : filled;
}

function pretty(text) {
  // integers beyond 2^53 must stay as they are, so the text is only broken into lines, not parsed
  return text.replace(/\},\{/g, "},\n  {").replace(/:\[\{/g, ":[\n  {");
}

async function send(method, path, inputs, body, output) {
  const url = requestUrl(path, inputs);
  const options = { method };
  if (body) {
    options.body = body.value;
    options.headers = { "Content-Type": "application/json" };
  }
  output.hidden = false;
  try {
    const answer = await fetch(url, options);
    output.textContent = `${method} ${url}\n${answer.status} ${answer.statusText}\n\n${pretty(await answer.text())}`;
  } catch (error) {
    output.textContent = `${method} ${url}\n${error}`;
  }
}

function tryForm(method, path, inputs, operation) {
  const output = element("pre", [], { hidden: true });
  const parts = [];
  let body = null;
  if (operation.requestBody) {
    const schema = operation.requestBody.content["application/json"].schema;
    body = element("textarea", path.endsWith(":batch") ? '{"requests": [{"user_id": 1, "n": 5}]}' : '{"user_id": 1, "n": 5}');
    body.setAttribute("aria-label", "body");
    parts.push(element("p", ["Body: ", element("code", typeName(schema))]), body);
  }
  const button = element("button", "Try it", { type: "button" });
  button.addEventListener("click", () => send(method, path, inputs, body, output));
  return [...parts, button, output];
}

function answerRow([status, answer]) {
  const [[media, content]] = Object.entries(answer.content ?? { "": {} });
  const type = content.schema && status < 400 ? typeName(content.schema) : media;
  return element("tr", [
    element("td", element("code", status)),
    element("td", [element("p", answer.description), element("code", type)]),
  ]);
}

function operationElement(method, path, operation) {
  const inputs = [];
  const parameters = (operation.parameters ?? []).map((parameter) => parameterRow(parameter, inputs));
  return element(
    "details",
    [
      element("summary", [element("b", method), element("code", path), element("span", operation.description ?? "")]),
      element("div", [
        ...(parameters.length ? [element("table", parameters)] : []),
        ...tryForm(method, path, inputs, operation),
        element("h2", "Answers"),
        element("table", Object.entries(operation.responses).map(answerRow)),
      ]),
    ],
    { className: "operation", id: `${method} ${path}` },
  );
}

async function show() {
  const main = document.getElementById("operations");
  try {
    const api = await (await fetch("/openapi.json")).json();
    components = api.components.schemas;
    document.getElementById("version").textContent = api.info.version;
    document.getElementById("description").textContent = api.info.description;
    const made = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => operationElement(method.toUpperCase(), path, operation)),
    );
    main.replaceChildren(...made);
    const problems = api["x-problems"].map((kind) => element("li", `${kind.status} ${kind.title}`, { id: kind.slug }));
    document.getElementById("problems").replaceChildren(...problems);
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  } catch (error) {
    main.replaceChildren(element("p", `/openapi.json could not be read: ${error}`));
  }
}

show();
