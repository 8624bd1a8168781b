// Select menus of messages and modals.

import { element } from "./markdown.js";

export const STRING_SELECT = 3;
const OPTION_TYPES = { 5: 6, 6: 8, 7: 9, 8: 7 }; // of command options with the same candidates

export function isSelect(component) {
  return component.type === STRING_SELECT || component.type in OPTION_TYPES;
}

const ROWS = 9; // at most, of a menu with several choices

// Returns a select element. A menu with one choice starts with its placeholder; a click adds a choice
// to the others, or takes it back.
export function selectNode(component, candidates) {
  const node = element("select");
  node.multiple = (component.max_values ?? 1) > 1;
  const options = optionsOf(component, candidates);
  if (node.multiple) {
    node.size = Math.min(options.length, ROWS);
    node.addEventListener("mousedown", toggle);
  }
  if (!node.multiple && !options.some((option) => option.default)) {
    node.append(new Option(component.placeholder ?? "Choose", ""));
  }
  for (const { label, value, description, default: selected } of options) {
    const text = description ? `${label} – ${description}` : label;
    node.append(new Option(text, value, Boolean(selected), Boolean(selected)));
  }
  return node;
}

function toggle(event) {
  const option = event.target;
  if (option.tagName !== "OPTION" || option.parentNode.disabled) return;
  event.preventDefault();
  option.parentNode.focus();
  option.selected = !option.selected;
}

export function valuesOf(node) {
  return [...node.selectedOptions].map((option) => option.value).filter(Boolean);
}

// Returns the options, or the users, channels and roles that can be chosen.
function optionsOf(component, candidates) {
  if (component.type === STRING_SELECT) return component.options;
  const types = component.channel_types;
  const defaults = new Set((component.default_values ?? []).map(({ id }) => id));
  return (candidates[OPTION_TYPES[component.type]] ?? [])
    .filter(({ kind }) => !types?.length || types.includes(kind))
    .map(({ id, name }) => ({ label: name, value: id, default: defaults.has(id) }));
}
