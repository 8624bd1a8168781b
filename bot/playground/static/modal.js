// Shows a modal, and collects the values of its fields.

import { choiceField } from "./choices.js";
import { element, render } from "./markdown.js";
import { isSelect, selectNode, valuesOf as selectedValues } from "./selects.js";

const TEXT_INPUT = 4, TEXT = 10;
const PARAGRAPH = 2;
const MAX_ROWS = 8;

// `context` has `candidates`, the users, channels and roles that can be chosen, by option type, and
// `draw`, which opens the drawing pad for a field and resolves to a file or null.
export function openModal(dialog, modal, context, submit) {
  const body = element("form", "form");
  body.noValidate = true;
  const notice = element("p", "error");
  notice.setAttribute("role", "alert");
  const readers = {}; // functions that read the values, by custom id
  let isBusy = false; // while it is sent
  const rows = modal.components.flatMap((part) => rowNodes(part, context, readers));
  body.append(element("h2", "", modal.title), ...rows, notice, buttonRow(dialog));
  body.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    const error = await submit(await valuesOf(readers));
    isBusy = false;
    if (error) notice.textContent = error;
    else dialog.close();
  });
  dialog.replaceChildren(body);
  dialog.showModal();
}

// Returns the nodes of a label component, an action row with fields, or a text.
function rowNodes(component, context, readers) {
  if (component.type === TEXT) {
    const text = element("p");
    text.append(render(component.content, {}));
    return [text];
  }
  const labeled = (label, field) => {
    const name = `${label.label ?? ""} ${field.custom_id}`;
    const { node, read } = fieldOf(field, context.candidates, () => context.draw(name));
    readers[field.custom_id] = read;
    return labeledField(label, node);
  };
  if (component.component) return [labeled(component, component.component)];
  return (component.components ?? []).map((field) => labeled(field, field));
}

function labeledField(label, input) {
  const isGroup = input.tagName === "DIV";
  const node = element(isGroup ? "div" : "label", "field");
  if (isGroup) input.setAttribute("role", "group");
  if (isGroup) input.setAttribute("aria-label", label.label);
  node.append(element("b", "", label.label));
  if (label.description) node.append(element("small", "", label.description));
  node.append(input);
  return node;
}

// Returns the node of a field, and a function that reads its value.
function fieldOf(field, candidates, draw) {
  if (isSelect(field)) {
    const node = selectNode(field, candidates);
    node.name = field.custom_id;
    return { node, read: () => selectedValues(node) };
  }
  if (field.type === TEXT_INPUT) {
    const node = textInput(field);
    node.name = field.custom_id;
    return { node, read: () => node.value };
  }
  return choiceField(field, draw) ?? { node: unsupported(), read: () => undefined };
}

function unsupported() {
  const node = element("input");
  node.disabled = true;
  node.placeholder = "The playground does not support this field.";
  return node;
}

function textInput(field) {
  const node = element(field.style === PARAGRAPH ? "textarea" : "input");
  node.value = field.value ?? "";
  node.placeholder = field.placeholder ?? "";
  if (field.max_length) node.maxLength = field.max_length;
  if (field.style === PARAGRAPH) node.rows = Math.min(node.value.split("\n").length + 1, MAX_ROWS);
  return node;
}

// Resolves to the values by custom id, without fields that are not supported.
async function valuesOf(readers) {
  const entries = Object.entries(readers).map(async ([name, read]) => [name, await read()]);
  return Object.fromEntries(await Promise.all(entries));
}

function buttonRow(dialog) {
  const row = element("div", "row");
  const cancel = element("button", "button secondary", "Cancel");
  cancel.type = "button";
  cancel.addEventListener("click", () => dialog.close());
  row.append(cancel, element("button", "button primary", "Submit"));
  return row;
}
