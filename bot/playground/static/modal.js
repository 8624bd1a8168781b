// Shows a modal, and collects the values of its fields.

import { element, render } from "./markdown.js";
import { isSelect, selectNode, valuesOf as selectedValues } from "./selects.js";

const TEXT_INPUT = 4, TEXT = 10;
const PARAGRAPH = 2;

// `candidates` are the users, channels and roles that can be chosen, by option type.
export function openModal(dialog, modal, candidates, submit) {
  const body = element("form", "form");
  body.noValidate = true;
  const notice = element("p", "error");
  notice.setAttribute("role", "alert");
  const rows = modal.components.flatMap((component) => rowNodes(component, candidates));
  body.append(element("h2", "", modal.title), ...rows, notice, buttonRow(dialog));
  body.addEventListener("submit", async (event) => {
    event.preventDefault();
    const error = await submit(valuesOf(body));
    if (error) notice.textContent = error;
    else dialog.close();
  });
  dialog.replaceChildren(body);
  dialog.showModal();
}

// Returns the nodes of a label component, an action row with fields, or a text.
function rowNodes(component, candidates) {
  if (component.type === TEXT) {
    const text = element("p");
    text.append(render(component.content, {}));
    return [text];
  }
  if (component.component) return [labeledField(component, component.component, candidates)];
  return (component.components ?? []).map((field) => labeledField(field, field, candidates));
}

function labeledField(label, field, candidates) {
  const node = element("label", "field");
  node.append(element("b", "", label.label));
  if (label.description) node.append(element("small", "", label.description));
  node.append(namedInput(field, candidates));
  return node;
}

function namedInput(field, candidates) {
  const node = isSelect(field) ? selectNode(field, candidates) : input(field);
  node.name = field.custom_id;
  return node;
}

function input(field) {
  if (field.type !== TEXT_INPUT) {
    const unsupported = element("input");
    unsupported.disabled = true;
    unsupported.placeholder = "The playground does not support this field.";
    return unsupported;
  }
  const node = element(field.style === PARAGRAPH ? "textarea" : "input");
  node.value = field.value ?? "";
  node.placeholder = field.placeholder ?? "";
  if (field.max_length) node.maxLength = field.max_length;
  return node;
}

function valuesOf(body) {
  const entries = [...body.querySelectorAll("[name]:enabled")].map((node) => [
    node.name,
    node.tagName === "SELECT" ? selectedValues(node) : node.value,
  ]);
  return Object.fromEntries(entries);
}

function buttonRow(dialog) {
  const row = element("div", "row");
  const cancel = element("button", "button secondary", "Cancel");
  cancel.type = "button";
  cancel.addEventListener("click", () => dialog.close());
  row.append(cancel, element("button", "button primary", "Submit"));
  return row;
}
