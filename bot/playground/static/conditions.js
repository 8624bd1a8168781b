// The panel with a switch for each condition under which Discord fails its bots, and the banner that
// names those that are on.

import { element } from "./markdown.js";

const NAMES_LIMIT = 3; // conditions that the banner names

export class ConditionPanel {
  // `act` sends an action to the server, and resolves to an error message or null.
  constructor(panel, button, banner, act) {
    this.panel = panel;
    this.button = button;
    this.banner = banner;
    this.act = act;
    this.conditions = [];
    this.notice = panel.querySelector(".problem");
    this.listen();
  }

  listen() {
    this.button.addEventListener("click", () => (this.panel.hidden ? this.open() : this.close()));
    this.panel.querySelector("header button").addEventListener("click", () => this.close());
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
    for (const button of [this.panel.querySelector(".all-off"), this.banner.querySelector("button")]) {
      button.addEventListener("click", () => this.send("all-off", {}));
    }
  }

  open() {
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.panel.querySelector("h2").focus();
  }

  close() {
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    this.button.focus();
  }

  setConditions(conditions) {
    this.conditions = conditions;
    const groups = [...new Set(conditions.map(({ group }) => group))];
    this.panel.querySelector(".switches").replaceChildren(...groups.map((group) => this.groupNode(group)));
  }

  groupNode(group) {
    const node = element("fieldset");
    const members = this.conditions.filter((condition) => condition.group === group);
    node.append(element("legend", "", group), ...members.map((condition) => this.switchNode(condition)));
    return node;
  }

  switchNode({ key, name, description }) {
    const node = element("label", "switch");
    const input = element("input");
    input.type = "checkbox";
    input.value = key;
    input.setAttribute("role", "switch");
    input.setAttribute("aria-describedby", `condition-${key}`);
    input.addEventListener("change", async () => {
      const on = input.checked;
      if (await this.send("condition", { condition: key, on })) input.checked = !on;
    });
    const sentence = element("small", "", description);
    sentence.id = `condition-${key}`;
    node.append(element("b", "", name), input, sentence);
    return node;
  }

  // Resolves to whether there was an error, which is then shown.
  async send(action, data) {
    const error = await this.act(action, data);
    this.notice.textContent = error ?? "";
    return error !== null;
  }

  setActive(keys) {
    const names = this.conditions.filter(({ key }) => keys.includes(key)).map(({ name }) => name);
    for (const input of this.panel.querySelectorAll("input")) {
      input.checked = keys.includes(input.value);
    }
    this.panel.querySelector(".all-off").disabled = names.length === 0;
    this.button.querySelector("b").textContent = names.length ? String(names.length) : "";
    this.banner.querySelector("span").textContent = summary(names);
    const hadFocus = this.banner.contains(document.activeElement);
    this.banner.hidden = names.length === 0;
    if (hadFocus && this.banner.hidden) this.button.focus();
  }
}

function summary(names) {
  const shown = names.slice(0, NAMES_LIMIT).join(", ");
  const rest = names.length - NAMES_LIMIT;
  return rest > 0 ? `Discord has a bad day: ${shown} and ${rest} more` : `Discord has a bad day: ${shown}`;
}
