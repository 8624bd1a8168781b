// Shows a modal, and collects the values of its fields.

import { element, render } from "./markdown.js";

const TEXT_INPUT = 4, STRING_SELECT = 3, TEXT = 10;
const PARAGRAPH = 2;

export function openModal(dialog, modal, submit) {
  const body = element("form", "form");
  body.noValidate = true;
  const notice = element("p", "error");
  notice.setAttribute("role", "alert");
  body.append(element("h2", "", modal.title), ...modal.components.flatMap(rowNodes), notice, buttonRow(dialog));
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
function rowNodes(component) {
  if (component.type === TEXT) {
    const text = element("p");
    text.append(render(component.content, {}));
    return [text];
  }
  if (component.component) return [labeledField(component, component.component)];
  return (component.components ?? []).map((field) => labeledField(field, field));
}

function labeledField(label, field) {
  const node = element("label", "field");
  node.append(element("b", "", label.label));
  if (label.description) node.append(element("small", "", label.description));
  node.append(namedInput(field));
  return node;
}

function namedInput(field) {
  const node = input(field);
  node.name = field.custom_id;
  return node;
}

function input(field) {
  if (field.type === STRING_SELECT) return select(field);
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

function select(field) {
  const node = element("select");
  node.multiple = (field.max_values ?? 1) > 1;
  const hasDefault = field.options.some((option) => option.default);
  if (!node.multiple && !hasDefault) node.append(new Option(field.placeholder ?? "Choose", ""));
  for (const { label, value, default: selected } of field.options) {
    node.append(new Option(label, value, selected, selected));
  }
  return node;
}

function valuesOf(body) {
  const entries = [...body.querySelectorAll("[name]:enabled")].map((node) => [
    node.name,
    node.tagName === "SELECT" ? [...node.selectedOptions].map((o) => o.value).filter(Boolean) : node.value,
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
