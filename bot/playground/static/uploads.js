// The files of the message box, each with the attachment option of the command that it is for.

import { element } from "./markdown.js";

const UNUSED = "no option";

export class Uploads {
  // `draw` opens the drawing pad on a picture and resolves to a file or null.
  constructor(box, draw, onChange) {
    this.box = box;
    this.draw = draw;
    this.onChange = onChange;
    this.entries = [];
    this.options = []; // names of the attachment options of the command, none for a message
  }

  // Adds a file, by default for a free option. It replaces the file of the option that is named.
  add(file, option = null) {
    const previous = option && this.assignments().find((other) => other.option === option);
    if (previous) this.drop(previous.entry);
    this.entries.push({ file, option, url: URL.createObjectURL(file) });
    this.onChange();
  }

  drop(entry) {
    URL.revokeObjectURL(entry.url);
    this.entries = this.entries.filter((other) => other !== entry);
  }

  remove(entry) {
    this.drop(entry);
    this.onChange();
  }

  replace(entry, file) {
    URL.revokeObjectURL(entry.url);
    Object.assign(entry, { file, url: URL.createObjectURL(file) });
    this.onChange();
  }

  // Returns the files with their options, and removes them.
  take() {
    const files = this.assignments().map(({ entry, option }) => ({ file: entry.file, option }));
    this.entries.forEach((entry) => this.drop(entry));
    this.onChange();
    return files;
  }

  pictures() {
    const images = this.entries.filter(({ file }) => isImage(file));
    return images.map((entry) => pictureOf(entry));
  }

  usedOptions() {
    return this.assignments().map(({ option }) => option);
  }

  // Returns each file with its option: the chosen one, one with the name of the file, or a free one.
  assignments() {
    const free = new Set(this.options);
    const chosen = new Map();
    const choose = (entry, option) => {
      if (!chosen.has(entry) && free.delete(option)) chosen.set(entry, option);
    };
    for (const entry of this.entries) choose(entry, entry.option);
    for (const entry of this.entries) choose(entry, entry.file.name.replace(/\.[^.]*$/, ""));
    for (const entry of this.entries) choose(entry, [...free][0]);
    return this.entries.map((entry) => ({ entry, option: chosen.get(entry) ?? null }));
  }

  setOptions(options) {
    this.options = options;
    const fingerprint = JSON.stringify([options, this.assignments().map(({ entry, option }) => [entry.url, option])]);
    if (this.fingerprint === fingerprint) return;
    this.fingerprint = fingerprint;
    this.box.hidden = this.entries.length === 0;
    this.box.replaceChildren(...this.assignments().map(({ entry, option }) => this.node(entry, option)));
  }

  node(entry, option) {
    const node = element("div", "upload");
    const { name } = entry.file;
    if (isImage(entry.file)) {
      const image = element("img");
      Object.assign(image, { src: entry.url, alt: "" });
      node.append(image);
    }
    node.append(element("span", "", name));
    if (this.options.length > 1) node.append(this.optionMenu(entry, option));
    else if (this.options.length && !option) node.append(element("small", "", UNUSED));
    if (isImage(entry.file)) {
      const redraw = buttonNode("✎", `Draw on ${name}`, async () => {
        const file = await this.draw(pictureOf(entry));
        if (file) this.replace(entry, file);
      });
      node.append(redraw);
    }
    node.append(buttonNode("✕", `Remove ${name}`, () => this.remove(entry)));
    return node;
  }

  optionMenu(entry, option) {
    const menu = element("select");
    menu.setAttribute("aria-label", `Option of ${entry.file.name}`);
    if (!option) menu.append(new Option(UNUSED, "", true, true));
    for (const name of this.options) menu.append(new Option(name, name, name === option, name === option));
    menu.addEventListener("change", () => {
      const previous = this.assignments().find((other) => other.option === menu.value);
      if (previous) previous.entry.option = option; // the two files change places
      entry.option = menu.value;
      this.onChange();
    });
    return menu;
  }
}

function buttonNode(text, label, act) {
  const node = element("button", "", text);
  node.type = "button";
  node.title = label;
  node.setAttribute("aria-label", label);
  node.addEventListener("click", act);
  return node;
}

function isImage(file) {
  return file.type.startsWith("image/");
}

function pictureOf({ file, url }) {
  return { name: file.name, url, file };
}
