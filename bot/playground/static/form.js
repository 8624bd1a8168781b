// A form (a modal) that a bot opens: its fields, and what goes back.

import { element, render } from "./markdown.js";

const TEXT_INPUT = 4, STRING_SELECT = 3, TEXT = 10;
const PARAGRAPH = 2;

export function openForm(dialog, form, send) {
  const body = element("form", "form");
  body.noValidate = true;
  const notice = element("p", "failed");
  notice.setAttribute("role", "alert");
  body.append(element("h2", "", form.title), ...form.components.flatMap(line), notice, ends(dialog));
  body.addEventListener("submit", async (event) => {
    event.preventDefault();
    const error = await send(valuesOf(body));
    if (error) notice.textContent = error;
    else dialog.close();
  });
  dialog.replaceChildren(body);
  dialog.showModal();
}

// A label with its field, a row of old with its fields, or plain text.
function line(component) {
  if (component.type === TEXT) {
    const text = element("p");
    text.append(render(component.content, {}));
    return [text];
  }
  if (component.component) return [labelled(component, component.component)];
  return (component.components ?? []).map((field) => labelled(field, field));
}

function labelled(about, field) {
  const made = element("label", "field");
  made.append(element("b", "", about.label));
  if (about.description) made.append(element("small", "", about.description));
  made.append(input(field));
  return made;
}

function input(field) {
  const made = drawn(field);
  made.name = field.custom_id;
  return made;
}

function drawn(field) {
  if (field.type === STRING_SELECT) return select(field);
  if (field.type !== TEXT_INPUT) {
    const other = element("input");
    other.disabled = true;
    other.placeholder = "The playground cannot fill this in.";
    return other;
  }
  const made = element(field.style === PARAGRAPH ? "textarea" : "input");
  made.value = field.value ?? "";
  made.placeholder = field.placeholder ?? "";
  if (field.max_length) made.maxLength = field.max_length;
  return made;
}

function select(field) {
  const made = element("select");
  made.multiple = (field.max_values ?? 1) > 1;
  const given = field.options.some((option) => option.default);
  if (!made.multiple && !given) made.append(new Option(field.placeholder ?? "Choose", ""));
  for (const { label, value, default: chosen } of field.options) {
    made.append(new Option(label, value, chosen, chosen));
  }
  return made;
}

function valuesOf(body) {
  const filled = [...body.querySelectorAll("[name]:enabled")].map((made) => [
    made.name,
    made.tagName === "SELECT" ? [...made.selectedOptions].map((o) => o.value).filter(Boolean) : made.value,
  ]);
  return Object.fromEntries(filled);
}

function ends(dialog) {
  const row = element("div", "row");
  const cancel = element("button", "button secondary", "Cancel");
  cancel.type = "button";
  cancel.addEventListener("click", () => dialog.close());
  row.append(cancel, element("button", "button primary", "Submit"));
  return row;
}
