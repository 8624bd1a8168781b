// Radio buttons, checkboxes and file uploads of modals.

import { element } from "./markdown.js";

const FILES = 19, RADIO = 21, GROUP = 22, CHECKBOX = 23;

// Returns the node of a field and a function that reads its value, or undefined for other fields.
// `draw` opens the drawing pad, and resolves to a file or null.
export function choiceField(field, draw) {
  if (field.type === FILES) return fileField(field, draw);
  if (field.type === CHECKBOX) return checkbox(field);
  if (field.type === RADIO) return options(field, "radio");
  if (field.type === GROUP) return options(field, "checkbox");
}

function checkbox(field) {
  const node = element("input");
  node.type = "checkbox";
  node.checked = Boolean(field.default);
  return { node, read: () => node.checked };
}

function options(field, type) {
  const node = element("div", "choices");
  const inputs = field.options.map((option) => {
    const input = element("input");
    Object.assign(input, { type, name: field.custom_id, value: option.value });
    input.checked = Boolean(option.default);
    const label = element("label");
    label.append(input, element("span", "", option.label));
    if (option.description) label.append(element("small", "", option.description));
    node.append(label);
    return input;
  });
  return { node, read: () => inputs.filter((i) => i.checked).map((i) => i.value) };
}

function fileField(field, draw) {
  const node = element("div", "picker");
  const input = element("input");
  input.type = "file";
  input.multiple = (field.max_values ?? 1) > 1;
  input.setAttribute("aria-label", "Files");
  const button = element("button", "button secondary", "✎ Draw");
  button.type = "button";
  button.addEventListener("click", async () => {
    const file = await draw();
    if (file) addFile(input, file);
  });
  node.append(input, button);
  return { node, read: () => Promise.all([...input.files].map(encoded)) };
}

// Adds a file to those of an input, or replaces the only one.
function addFile(input, file) {
  const transfer = new DataTransfer();
  if (input.multiple) [...input.files].forEach((other) => transfer.items.add(other));
  transfer.items.add(file);
  input.files = transfer.files;
}

// Resolves to the name of a file, and its bytes in Base64.
function encoded(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve({ filename: file.name, data: reader.result.split(",")[1] ?? "" });
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
