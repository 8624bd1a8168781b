// The list of messages: drawn once, then changed in place, so that pictures do not flicker.

import { element, relative, render } from "./markdown.js";

const REACTIONS = ["🔁", "1️⃣", "2️⃣", "3️⃣", "4️⃣", "❌", "✉️"];
const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link" };
const IS_SPOILER = 1 << 3; // attachment flag
const NEAR_END = 160; // pixels from the end in which the list keeps following

export class Messages {
  constructor(list, scroll, act) {
    this.list = list;
    this.scroll = scroll;
    this.act = act;
    this.names = {};
    this.menu = [];
    new ResizeObserver(() => this.follow && this.toEnd()).observe(list);
    scroll.addEventListener("scroll", () => {
      this.follow = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END;
    });
    setInterval(() => this.age(), 1000);
  }

  begin(messages) {
    this.list.replaceChildren();
    this.follow = true;
    messages.forEach((message) => this.show(message));
    this.toEnd();
  }

  show(message) {
    const known = this.find(message.id);
    const row = known ?? this.frame(message);
    row.data = message;
    fill(row, message, this);
    if (!known) this.list.append(row);
  }

  gone(id) {
    this.find(id)?.remove();
  }

  find(id) {
    return this.list.querySelector(`:scope > [data-id="${id}"]`);
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  rename(names, menu) {
    this.names = names;
    this.menu = menu;
    for (const row of this.list.children) fill(row, row.data, this);
  }

  age() {
    for (const time of this.list.querySelectorAll("time[data-seconds]")) {
      time.textContent = relative(Number(time.dataset.seconds));
    }
  }

  frame(message) {
    const row = element("li", "message");
    row.dataset.id = message.id;
    const avatar = element("div", "avatar", message.name[0]);
    avatar.style.setProperty("--hue", hue(message.name));
    if (message.author.bot) avatar.replaceChildren(picture("/static/icon.svg", ""));
    const body = element("div", "body");
    for (const part of ["used", "head", "content", "embeds", "pictures", "components", "feet"]) {
      body.append(element("div", part));
    }
    row.append(avatar, body);
    return row;
  }
}

function fill(row, message, list) {
  const part = (name) => row.querySelector(`:scope > .body > .${name}`);
  row.classList.toggle("ephemeral", message.ephemeral);
  part("used").replaceChildren(...used(message, list));
  part("head").replaceChildren(...head(message));
  part("content").replaceChildren(message.loading ? thinking(message) : text(message, list));
  part("embeds").replaceChildren(...message.embeds.map((embed) => card(embed, list.names)));
  fillPictures(part("pictures"), message);
  fillOnce(part("components"), message.components, () =>
    message.components.map((component) => draw(component, message, list)),
  );
  fillOnce(part("feet"), [message.reactions, message.ephemeral, message.loading, list.menu], () =>
    feet(message, list),
  );
}

// Redraws only what is different, so that a button being pressed stays the same button.
function fillOnce(holder, data, drawing) {
  const print = JSON.stringify(data);
  if (holder.print === print) return;
  holder.print = print;
  holder.replaceChildren(...drawing());
}

function used(message, list) {
  if (message.used) {
    const line = [element("b", "", message.used.name), " used "];
    return [...line, element("span", "command", `/${message.used.command}`)];
  }
  if (message.reply) {
    const quoted = render(message.reply.content, list.names).textContent;
    return ["↱ ", element("b", "", message.reply.name), ` ${quoted}`];
  }
  return [];
}

function head(message) {
  const at = new Date(message.timestamp);
  const time = element("time", "", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.title = at.toLocaleString();
  const name = element("strong", "", message.name);
  name.style.setProperty("--hue", hue(message.name));
  return message.author.bot ? [name, element("span", "tag", "APP"), time] : [name, time];
}

function thinking(message) {
  const line = element("span", "thinking", `${message.name} is thinking`);
  line.append(element("i"), element("i"), element("i"));
  return line;
}

function text(message, list) {
  const made = render(message.content, list.names);
  if (message.edited_timestamp) made.append(" ", element("small", "edited", "(edited)"));
  return made;
}

function card(embed, names) {
  const made = element("article", "embed");
  if (embed.title) made.append(element("h3", "", embed.title));
  if (embed.description) {
    const text = element("p");
    text.append(render(embed.description, names));
    made.append(text);
  }
  for (const field of embed.fields ?? []) {
    made.append(element("h4", "", field.name), element("p", "", field.value));
  }
  if (embed.image?.url) made.append(picture(embed.image.url, ""));
  if (embed.footer) made.append(element("small", "", embed.footer.text));
  return made;
}

// A picture that replaces another one is loaded first and shown then.
function fillPictures(holder, message) {
  const wanted = message.attachments.map((attachment) => attachment.id).join(" ");
  if (holder.dataset.wanted === wanted) return;
  holder.dataset.wanted = wanted;
  const made = message.attachments.map((attachment) => shown(attachment));
  const loading = made.map((item) => item.querySelector("img")?.decode().catch(() => null));
  Promise.all(loading).then(() => {
    if (holder.dataset.wanted === wanted) holder.replaceChildren(...made);
  });
}

function shown(attachment) {
  const made = media(attachment);
  return attachment.flags & IS_SPOILER ? veiled(made) : made;
}

// Blurred until it is clicked; that click does nothing else.
function veiled(made) {
  made.classList.add("veiled");
  const reveal = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    made.classList.remove("veiled");
    made.removeEventListener("click", reveal, true);
  };
  made.addEventListener("click", reveal, true);
  return made;
}

function media(attachment) {
  if (!attachment.width) {
    const file = element("a", "file", `${attachment.filename} · ${size(attachment.size)}`);
    file.href = local(attachment.url);
    return file;
  }
  const open = element("button", "picture");
  open.type = "button";
  open.setAttribute("aria-label", `Open ${attachment.filename}`);
  const image = picture(attachment.url, attachment.description ?? attachment.filename);
  image.width = attachment.width;
  image.height = attachment.height;
  open.append(image);
  open.addEventListener("click", () => view(attachment));
  return open;
}

function view(attachment) {
  const dialog = document.getElementById("viewer");
  const image = dialog.querySelector("img");
  image.src = local(attachment.url);
  image.alt = attachment.description ?? attachment.filename;
  dialog.showModal();
}

function draw(component, message, list) {
  if (component.type === 2) return button(component, message, list);
  if (component.type === 10) {
    const text = element("p");
    text.append(render(component.content, list.names));
    return text;
  }
  if (component.type === 12) {
    const gallery = element("div", "gallery");
    gallery.append(...component.items.map(galleryItem));
    return gallery;
  }
  const made = element("div", component.type === 17 ? "container" : "row");
  const parts = [...(component.components ?? []), component.accessory].filter(Boolean);
  made.append(...parts.map((child) => draw(child, message, list)));
  return made;
}

function galleryItem(item) {
  const made = element("div", "item");
  made.append(picture(item.media.url, item.description ?? ""));
  return item.spoiler ? veiled(made) : made;
}

function button(component, message, list) {
  const made = element("button", `button ${STYLES[component.style] ?? "secondary"}`);
  made.type = "button";
  made.dataset.customId = component.custom_id ?? "";
  made.textContent = [component.emoji?.name, component.label].filter(Boolean).join(" ");
  made.disabled = Boolean(component.disabled);
  made.addEventListener("click", () => press(made, component, message, list));
  return made;
}

async function press(made, component, message, list) {
  if (component.url) {
    window.open(component.url, "_blank", "noreferrer,noopener");
    return;
  }
  made.classList.add("waiting");
  const error = await list.act("click", { message: message.id, custom_id: component.custom_id });
  made.classList.remove("waiting");
  say(made, error);
}

function feet(message, list) {
  if (message.ephemeral) {
    const dismiss = element("button", "plain", "Dismiss message");
    dismiss.addEventListener("click", () => list.act("dismiss", { message: message.id }));
    return [element("span", "private", "👁 Only you can see this · "), dismiss];
  }
  const chips = message.reactions.map((reaction) => chip(reaction, message, list));
  if (message.loading) return chips;
  return [...chips, more(message, list), ...(list.menu.length ? [apps(message, list)] : [])];
}

function apps(message, list) {
  const made = element("details", "apps");
  const summary = element("summary", "", "⋯");
  summary.title = "Apps";
  summary.setAttribute("aria-label", "Apps");
  const choices = element("div");
  for (const command of list.menu) {
    const choice = element("button", "", command);
    choice.type = "button";
    choice.addEventListener("click", async () => {
      made.open = false;
      say(made, await list.act("use", { message: message.id, command }));
    });
    choices.append(choice);
  }
  made.append(summary, choices);
  return made;
}

// What went wrong, below the message; nothing, if nothing did.
function say(made, error) {
  const row = made.closest("li");
  row?.querySelector(".failed")?.remove();
  if (error) row?.querySelector(".components").after(element("p", "failed", error));
}

function chip(reaction, message, list) {
  const made = element("button", `reaction${reaction.me ? " mine" : ""}`);
  made.type = "button";
  made.append(element("span", "", reaction.emoji.name), element("b", "", String(reaction.count)));
  made.addEventListener("click", () => toggle(reaction.emoji.name, !reaction.me, message, list));
  return made;
}

function more(message, list) {
  const made = element("details", "more");
  const summary = element("summary", "", "☺ +");
  summary.title = "Add a reaction";
  summary.setAttribute("aria-label", "Add a reaction");
  const choices = element("div");
  for (const emoji of REACTIONS) {
    const choice = element("button", "", emoji);
    choice.type = "button";
    choice.addEventListener("click", () => {
      made.open = false;
      toggle(emoji, true, message, list);
    });
    choices.append(choice);
  }
  made.append(summary, choices);
  return made;
}

function toggle(emoji, on, message, list) {
  list.act("react", { message: message.id, emoji, on });
}

// The same place under the name by which this page was opened.
function local(address) {
  const url = new URL(address, location.origin);
  return url.pathname + url.search;
}

function picture(address, alt) {
  const image = element("img");
  image.src = local(address);
  image.alt = alt;
  return image;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function hue(name) {
  return [...name].reduce((sum, letter) => (sum * 67 + letter.codePointAt(0) * 37) % 360, 11);
}
