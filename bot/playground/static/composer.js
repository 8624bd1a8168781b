// Where a person types: command hints, option chips, and one attached file.

import { element } from "./markdown.js";

const CHIP_CHOICES = 25;
const PAUSE_MS = 200;

export class Composer {
  constructor(form, send, complete) {
    this.form = form;
    this.send = send;
    this.complete = complete;
    this.completed = { typed: null, choices: [] };
    this.commands = [];
    this.picks = {};
    this.file = null;
    this.text = form.querySelector("#text");
    this.hints = form.querySelector("#hints");
    this.picker = form.querySelector("#picker");
    this.notice = form.querySelector("#notice");
    this.listen();
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.text.addEventListener("input", () => this.changed());
    this.text.addEventListener("keydown", (event) => this.key(event));
    this.form.querySelector("#attach").addEventListener("click", () => this.picker.click());
    this.picker.addEventListener("change", () => this.attach(this.picker.files[0]));
    this.form.querySelector("#file button").addEventListener("click", () => this.attach(null));
    document.addEventListener("paste", (event) => this.take(event, event.clipboardData));
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => this.take(event, event.dataTransfer));
  }

  take(event, carried) {
    const file = carried?.files?.[0];
    if (!file) return;
    event.preventDefault();
    this.attach(file);
  }

  key(event) {
    const enter = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    const first = this.hints.querySelector("button.command");
    if (first && (event.key === "Tab" || (enter && this.unfinished()))) {
      event.preventDefault();
      first.click();
    } else if (enter) {
      event.preventDefault();
      this.submit();
    }
  }

  // As on Discord, Enter takes the command that is offered, if what stands there cannot be sent.
  unfinished() {
    const name = this.text.value.trim().slice(1);
    const whole = this.commands.find((command) => command.name === name);
    return !whole || whole.options?.some((option) => option.required);
  }

  offer(commands, picks) {
    this.commands = commands;
    this.picks = picks;
    this.changed();
  }

  write(text) {
    this.text.value = text;
    this.changed();
    this.text.focus();
  }

  attach(file) {
    const box = this.form.querySelector("#file");
    const image = box.querySelector("img");
    if (image.src) URL.revokeObjectURL(image.src);
    this.file = file ?? null;
    box.hidden = !file;
    image.hidden = !file?.type.startsWith("image/");
    if (file && !image.hidden) image.src = URL.createObjectURL(file);
    else image.removeAttribute("src");
    box.querySelector("span").textContent = file?.name ?? "";
    this.picker.value = "";
    if (file && !this.text.value) this.suggestForFile();
    this.text.focus();
  }

  suggestForFile() {
    const fitting = this.commands.find((command) => command.options?.some((o) => o.type === 11));
    if (fitting) this.write(`/${fitting.name} `);
  }

  async submit() {
    const text = this.text.value.trim();
    if ((!text && !this.file) || this.busy) return;
    this.busy = true;
    const kept = { text: this.text.value, file: this.file };
    this.write("");
    this.attach(null);
    const error = await this.send(text, kept.file);
    this.busy = false;
    this.say(error);
    if (error && !this.text.value) {
      this.write(kept.text);
      this.attach(kept.file);
    }
  }

  say(error) {
    this.notice.textContent = error ?? "";
  }

  changed() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight, 160)}px`;
    this.hints.replaceChildren(...this.suggestions());
  }

  suggestions() {
    const typed = this.text.value;
    if (!typed.startsWith("/")) return [];
    const command = this.commands.find(({ name }) => typed.startsWith(`/${name} `));
    if (command) return this.optionChips(command);
    return this.commands
      .filter(({ name }) => name.startsWith(typed.slice(1)))
      .map((known) => this.commandChip(known));
  }

  commandChip(command) {
    const chip = element("button", "command");
    chip.type = "button";
    chip.append(element("b", "", `/${command.name}`), element("span", "", command.description));
    chip.addEventListener("click", () => this.write(`/${command.name} `));
    return chip;
  }

  optionChips(command) {
    const options = command.options ?? [];
    const typed = this.text.value;
    const first = options.find((option) => option.type === 3);
    const open = openOption(command, first, typed);
    const choices = open ? this.choicesOf(open, typed).slice(0, CHIP_CHOICES) : [];
    if (choices.length) return choices.map((choice) => this.choiceChip(choice, open.head));
    return options
      .filter((option) => option !== first && !typed.includes(` ${option.name}:`))
      .map((option) => this.optionChip(option));
  }

  choicesOf({ option, head, text }, typed) {
    if (option.autocomplete) return this.completions(option.name, typed);
    if (/\S\s/.test(text)) return [];
    if (option.type === 5) return [{ name: "true" }, { name: "false" }];
    const kinds = option.channel_types;
    const picks = this.picks[option.type];
    return picks?.filter(({ kind }) => !kinds || kinds.includes(kind)) ?? option.choices ?? [];
  }

  // What the bot offers for what is typed; it is asked once nothing was typed for a moment.
  completions(option, typed) {
    clearTimeout(this.asking);
    if (typed.trimEnd() === this.taken) return [];
    if (this.completed.typed === typed) return this.completed.choices;
    this.asking = setTimeout(async () => {
      const choices = await this.complete(typed, option);
      if (this.text.value !== typed) return;
      this.completed = { typed, choices: choices.map(({ name, value }) => ({ name, text: value })) };
      this.changed();
    }, PAUSE_MS);
    return [];
  }

  choiceChip(choice, head) {
    const chip = element("button", "choice", choice.name);
    chip.type = "button";
    chip.addEventListener("click", () => {
      this.taken = `${head}${choice.text ?? choice.name}`;
      this.write(`${this.taken} `);
    });
    return chip;
  }

  optionChip(option) {
    const chip = element("button", "option", option.type === 11 ? `${option.name} 📎` : option.name);
    chip.type = "button";
    chip.title = option.description + range(option);
    chip.addEventListener("click", () => {
      if (option.type === 11) this.picker.click();
      else this.write(`${this.text.value.trimEnd()} ${option.name}:`);
    });
    return chip;
  }
}

// The option that is being typed, and the line up to its value. Text before any "option:" is the
// first text option's; it has choices only if it completes itself.
function openOption(command, first, typed) {
  const names = (command.options ?? []).map((option) => option.name).join("|");
  const begun = [...typed.matchAll(new RegExp(`(?:^|\\s)(${names}):`, "g"))].at(-1);
  if (begun) {
    const end = begun.index + begun[0].length;
    const option = command.options.find(({ name }) => name === begun[1]);
    return { option, head: typed.slice(0, end), text: typed.slice(end) };
  }
  if (!first?.autocomplete) return null;
  return { option: first, head: `/${command.name} ${first.name}:`, text: "" };
}

function range(option) {
  if (option.min_value === undefined && option.max_value === undefined) return "";
  return ` (${option.min_value ?? "…"} to ${option.max_value ?? "…"})`;
}
