// The message box: command suggestions, option chips and attached files.

import { element } from "./markdown.js";
import { Uploads } from "./uploads.js";

const CHIP_CHOICES = 25;
const AUTOCOMPLETE_DELAY_MS = 200;
const ATTACHMENT = 11; // type of an option

export class Composer {
  // `draw` opens the drawing pad for a file with a name, or on a picture; it resolves to a file or null.
  constructor(form, { send, complete, draw, drawOn }) {
    this.form = form;
    this.send = send;
    this.complete = complete;
    this.draw = draw;
    this.completionCache = { text: null, choices: [] };
    this.commands = [];
    this.candidates = {};
    this.pickedOption = null; // that the next picked file is for
    this.uploads = new Uploads(form.querySelector("#files"), drawOn, () => this.update());
    this.text = form.querySelector("#text");
    this.hints = form.querySelector("#hints");
    this.picker = form.querySelector("#picker");
    this.notice = form.querySelector("#notice");
    this.replyLine = form.querySelector("#reply");
    this.repliedMessage = null; // the id of the message that the next one replies to
    this.listen();
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.text.addEventListener("input", () => {
      this.showError(null);
      this.update();
    });
    this.text.addEventListener("keydown", (event) => this.onKey(event));
    this.form.querySelector("#attach").addEventListener("click", () => this.pick(null));
    this.form.querySelector("#draw").addEventListener("click", () => this.drawFile(null));
    this.replyLine.querySelector("button").addEventListener("click", () => this.replyTo(null));
    this.picker.addEventListener("change", () => {
      const files = [...this.picker.files];
      this.picker.value = "";
      files.forEach((file) => this.attach(file, this.pickedOption));
    });
    document.addEventListener("paste", (event) => this.attachFrom(event, event.clipboardData));
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => this.attachFrom(event, event.dataTransfer));
  }

  attachFrom(event, transfer) {
    const files = [...(transfer?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    files.forEach((file) => this.attach(file));
  }

  // Makes the next message a reply to this one, or to none.
  replyTo(message) {
    this.repliedMessage = message?.id ?? null;
    this.replyLine.hidden = !message;
    this.replyLine.querySelector("span").textContent = message ? `↩ Reply to ${message.name}` : "";
    if (message) this.text.focus();
  }

  pick(option) {
    this.pickedOption = option;
    this.picker.click();
  }

  async drawFile(option) {
    const file = await this.draw(option ?? "", this.uploads.pictures());
    if (file) this.attach(file, option);
  }

  onKey(event) {
    const enter = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    const first = this.hints.querySelector("button.command");
    if (first && (event.key === "Tab" || (enter && this.isIncomplete()))) {
      event.preventDefault();
      first.click();
    } else if (enter) {
      event.preventDefault();
      this.submit();
    }
  }

  // Returns whether the text names no command or one with required options. As on Discord, Enter then
  // inserts the suggested command instead of sending.
  isIncomplete() {
    const name = this.text.value.trim().slice(1);
    const exact = this.commands.find((command) => command.name === name);
    return !exact || exact.options?.some((option) => option.required);
  }

  setCommands(commands, candidates) {
    this.commands = commands;
    this.candidates = candidates;
    this.update();
  }

  setText(text) {
    this.text.value = text;
    this.update();
    this.text.focus();
  }

  attach(file, option = null) {
    this.uploads.add(file, option);
    if (!this.text.value) this.suggestForFile();
    this.text.focus();
  }

  // Suggests the command with the most options of those that take a file and need none.
  suggestForFile() {
    const files = ({ options }) => (options ?? []).filter(({ type }) => type === ATTACHMENT);
    const commands = this.commands.filter((command) => files(command).length > 0);
    const needNone = commands.filter((command) => !files(command).some((option) => option.required));
    const [command] = needNone.sort((a, b) => b.options.length - a.options.length).concat(commands);
    if (command) this.setText(`/${command.name} `);
  }

  async submit() {
    const text = this.text.value.trim();
    if ((!text && this.uploads.entries.length === 0) || this.busy) return;
    this.busy = true;
    const draft = { text: this.text.value, files: this.uploads.take() };
    this.setText("");
    const error = await this.send(text, draft.files, this.repliedMessage);
    this.busy = false;
    if (!error) this.replyTo(null);
    this.showError(error);
    if (error && !this.text.value && this.uploads.entries.length === 0) {
      this.setText(draft.text);
      draft.files.forEach(({ file, option }) => this.uploads.add(file, option));
    }
  }

  showError(error) {
    this.notice.textContent = error ?? "";
  }

  update() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight, 160)}px`;
    const options = this.command()?.options ?? [];
    this.uploads.setOptions(options.filter(({ type }) => type === ATTACHMENT).map(({ name }) => name));
    this.hints.replaceChildren(...this.suggestions());
  }

  // Returns the command that the text begins with.
  command() {
    return this.commands.find(({ name }) => `${this.text.value} `.startsWith(`/${name} `));
  }

  suggestions() {
    const text = this.text.value;
    if (!text.startsWith("/")) return [];
    const command = this.command();
    if (command && text !== `/${command.name}`) return this.optionChips(command);
    return this.commands
      .filter(({ name }) => name.startsWith(text.slice(1)))
      .map((match) => this.commandChip(match));
  }

  commandChip(command) {
    const chip = element("button", "command");
    chip.type = "button";
    chip.append(element("b", "", `/${command.name}`), element("span", "", command.description));
    chip.addEventListener("click", () => this.setText(`/${command.name} `));
    return chip;
  }

  optionChips(command) {
    const options = command.options ?? [];
    const text = this.text.value;
    const first = options.find((option) => option.type === 3);
    const current = currentOption(command, first, text);
    const choices = current ? this.choicesOf(current, text).slice(0, CHIP_CHOICES) : [];
    if (choices.length) return choices.map((choice) => this.choiceChip(choice, current.head));
    const hint = current && current.head.endsWith(":") ? [hintNode(current.option)] : [];
    const used = this.uploads.usedOptions();
    const chips = options
      .filter(({ name }) => name !== first?.name && !text.includes(` ${name}:`) && !used.includes(name))
      .map((option) => (option.type === ATTACHMENT ? this.fileChips(option) : this.optionChip(option)));
    return [...hint, ...chips];
  }

  choicesOf({ option, value }, text) {
    if (option.autocomplete) return this.completions(option.name, text);
    if (/\S\s/.test(value)) return [];
    if (option.type === 5) return [{ name: "true" }, { name: "false" }];
    const types = option.channel_types;
    const candidates = this.candidates[option.type];
    return candidates?.filter(({ kind }) => !types || types.includes(kind)) ?? option.choices ?? [];
  }

  // Returns the bot's autocomplete choices, which are requested after a pause in typing.
  completions(option, text) {
    clearTimeout(this.completionTimer);
    if (text.trimEnd() === this.completedText) return [];
    if (this.completionCache.text === text) return this.completionCache.choices;
    this.completionTimer = setTimeout(async () => {
      const choices = await this.complete(text, option);
      if (this.text.value !== text) return;
      this.completionCache = { text, choices: choices.map(({ name, value }) => ({ name, text: value })) };
      this.update();
    }, AUTOCOMPLETE_DELAY_MS);
    return [];
  }

  choiceChip(choice, head) {
    const chip = element("button", "choice", choice.name);
    chip.type = "button";
    chip.addEventListener("click", () => {
      this.completedText = `${head}${choice.text ?? choice.name}`;
      this.setText(`${this.completedText} `);
    });
    return chip;
  }

  optionChip(option) {
    return chipNode("option", option.name, option.description + range(option), () =>
      this.setText(`${this.text.value.trimEnd()} ${option.name}:`),
    );
  }

  fileChips({ name, description }) {
    const draw = chipNode("draw", "✎", `Draw ${name}`, () => this.drawFile(name));
    draw.setAttribute("aria-label", `Draw ${name}`);
    const pair = element("span", "pair");
    pair.append(chipNode("option", `${name} 📎`, description, () => this.pick(name)), draw);
    return pair;
  }
}

function chipNode(className, text, title, act) {
  const chip = element("button", className, text);
  chip.type = "button";
  chip.title = title;
  chip.addEventListener("click", act);
  return chip;
}

// Explains the option that is being typed, because touch screens show no titles.
function hintNode(option) {
  return element("small", "hint", `${option.name}: ${option.description}${range(option)}`);
}

// Returns the option that is being typed, the text up to its value, and its value. Text before any
// "option:" is the value of the first string option, which has choices only with autocomplete.
function currentOption(command, first, text) {
  const names = (command.options ?? []).map((option) => option.name).join("|");
  const match = [...text.matchAll(new RegExp(`(?:^|\\s)(${names}):`, "g"))].at(-1);
  if (match) {
    const end = match.index + match[0].length;
    const option = command.options.find(({ name }) => name === match[1]);
    return { option, head: text.slice(0, end), value: text.slice(end) };
  }
  if (!first?.autocomplete) return null;
  return { option: first, head: `/${command.name} ${first.name}:`, value: "" };
}

function range(option) {
  if (option.min_value === undefined && option.max_value === undefined) return "";
  return ` (${option.min_value ?? "…"} to ${option.max_value ?? "…"})`;
}
