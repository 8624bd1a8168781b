// The drawing pad: a dialog in which a sketch is drawn, or the mask of a picture is painted.

import { Drawing } from "./drawing.js";
import { element } from "./markdown.js";
import { holeFile, maskFile, pictureSheet, sketchFile, whiteSheet } from "./sheet.js";
import { Surface } from "./surface.js";

const COLORS = {
  Black: "#000000", Grey: "#868e96", White: "#ffffff", Brown: "#8b5a2b",
  Red: "#e03131", Orange: "#f76707", Yellow: "#ffd43b", Green: "#2f9e44",
  "Sky blue": "#74c0fc", Blue: "#1c4fd8", Purple: "#7c3aed", Pink: "#f783ac",
};
const MASK_COLOR = "#ff2d87";
const WHITE_PAGES = { Square: [512, 512], Wide: [768, 512], Tall: [512, 768] };
const PICTURES_LIMIT = 12;
const WIDTH_UNITS = 512; // the longer side of a sheet
const MASK = "mask", HOLE = "hole";

export class Pad {
  constructor(dialog) {
    this.dialog = dialog;
    this.form = dialog.querySelector("form");
    this.drawings = new Map(); // by background and mode; they outlive the dialog
    this.widths = { sketch: 12, mask: 48 }; // of the brush, in WIDTH_UNITS
    this.sheet = null;
    this.part("colors").append(...Object.entries(COLORS).map(colorNode));
    this.layer = this.part("layer");
    this.surface = new Surface(this.layer, this.part("ring"), () => this.brush(), () => this.update());
    this.listen();
  }

  // Resolves to a file, or to null if the dialog is closed. `pictures` can be drawn on; `picture` is
  // the one to begin with, or null for a white page. `mode` is sketch or mask; `save` is hole or mask.
  open({ pictures = [], picture = null, mode = "sketch", save = HOLE }) {
    const others = pictures.filter((other) => !picture || keyOf(other) !== keyOf(picture));
    const shown = [...(picture ? [picture] : []), ...others.slice(0, PICTURES_LIMIT)];
    const pages = Object.entries(WHITE_PAGES).map(([name, size]) => ({ name, size }));
    this.backgrounds = [...pages, ...shown];
    this.part("backgrounds").replaceChildren(...this.backgrounds.map(backgroundNode));
    const { elements } = this.form;
    elements.background.value = String(picture ? pages.length : 0);
    elements.mode.value = mode;
    elements.save.value = save;
    this.dialog.showModal();
    this.showBackground();
    return new Promise((resolve) => (this.resolve = resolve));
  }

  part(name) {
    return this.dialog.querySelector(`.${name}`);
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.finish();
    });
    this.form.addEventListener("change", ({ target }) => {
      if (target.name === "background") this.showBackground();
      if (target.name === "mode") this.showMode();
      if (target.name === "width") this.widths[this.mode] = target.value;
      if (target.name === "color") this.form.elements.tool.value = "brush";
    });
    this.dialog.addEventListener("keydown", (event) => this.onKey(event));
    this.dialog.addEventListener("close", () => {
      this.surface.end();
      if (!this.dialog.open) this.resolve(null);
    });
    for (const action of ["undo", "redo", "clear"]) {
      this.part(action).addEventListener("click", () => this.change(action));
    }
    for (const button of this.dialog.querySelectorAll(".close")) {
      button.addEventListener("click", () => this.dialog.close());
    }
  }

  onKey(event) {
    if (!(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    this.change(key === "y" || event.shiftKey ? "redo" : "undo");
  }

  get mode() {
    return this.form.elements.mode.value;
  }

  brush() {
    const { color, tool, width } = this.form.elements;
    return {
      color: this.mode === MASK ? MASK_COLOR : color.value,
      width: (width.value * Math.max(this.layer.width, this.layer.height)) / WIDTH_UNITS,
      erases: tool.value === "eraser",
    };
  }

  async showBackground() {
    const background = this.backgrounds[this.form.elements.background.value];
    this.background = background;
    this.sheet = null;
    this.surface.hide();
    this.update();
    try {
      const sheet = background.size ? whiteSheet(...background.size) : await pictureSheet(background);
      if (this.background !== background) return; // another one was chosen meanwhile
      this.sheet = sheet;
    } catch (error) {
      if (this.background === background) this.showNotice(error.message);
      return;
    }
    this.part("base").replaceChildren(this.sheet.canvas);
    this.part("sheet").style.setProperty("--width", this.sheet.width);
    this.part("sheet").style.setProperty("--height", this.sheet.height);
    const masks = this.form.querySelector(`[name="mode"][value="${MASK}"]`);
    masks.disabled = Boolean(background.size);
    if (masks.disabled) this.form.elements.mode.value = "sketch";
    this.showMode();
  }

  showMode() {
    this.dialog.classList.toggle("masks", this.mode === MASK);
    this.form.elements.width.value = this.widths[this.mode];
    if (!this.sheet) return;
    const key = `${this.mode} ${keyOf(this.background)}`;
    if (!this.drawings.has(key)) this.drawings.set(key, new Drawing());
    this.drawing = this.drawings.get(key);
    this.surface.show(this.drawing, this.sheet);
    this.update();
  }

  change(action) {
    if (!this.sheet || this.drawing.open) return;
    this.drawing[action]();
    this.surface.repaint();
    this.update();
  }

  update() {
    this.showNotice("");
    this.part("undo").disabled = !this.sheet || !this.drawing.canUndo;
    this.part("redo").disabled = !this.sheet || !this.drawing.canRedo;
    this.part("clear").disabled = !this.sheet || this.drawing.isEmpty;
    this.part("attach").disabled = !this.sheet;
  }

  showNotice(sentence) {
    this.part("notice").textContent = sentence;
  }

  async finish() {
    if (!this.sheet) return;
    this.surface.end();
    if (this.mode === MASK && this.drawing.isEmpty) {
      this.showNotice("Paint over what is to be repainted first.");
      return;
    }
    this.part("attach").disabled = true;
    const { background, drawing, mode } = this;
    const file = await this.makeFile();
    if (drawing === this.drawing) this.drawings.delete(`${mode} ${keyOf(background)}`);
    this.resolve(file);
    this.dialog.close();
  }

  makeFile() {
    if (this.mode !== MASK) return sketchFile(this.sheet, this.layer);
    const make = this.form.elements.save.value === MASK ? maskFile : holeFile;
    return make(this.sheet, this.layer);
  }
}

// Addresses of one picture differ in their signatures.
function keyOf({ name, size, url }) {
  return size ? name : url.split("?")[0];
}

function colorNode([name, color], index) {
  const node = radioNode("color", color, name);
  node.querySelector("input").checked = index === 0;
  node.style.setProperty("--color", color);
  return node;
}

function backgroundNode({ name, size, url }, index) {
  const node = radioNode("background", String(index), size ? `White page, ${name.toLowerCase()}` : name);
  if (size) {
    const page = element("i");
    page.style.aspectRatio = size.join(" / ");
    node.append(page);
  } else {
    const image = element("img");
    Object.assign(image, { src: url, alt: "" });
    node.append(image);
  }
  return node;
}

function radioNode(group, value, label) {
  const node = element("label");
  const input = element("input");
  Object.assign(input, { type: "radio", name: group, value });
  input.setAttribute("aria-label", label);
  node.title = label;
  node.append(input);
  return node;
}
