// The message list. Messages are updated in place, so that images do not flicker.

import { imageNode, renderAttachments, visiblePictures, withSpoiler } from "./attachments.js";
import { element, plainText, relative, render } from "./markdown.js";
import { pollNodes } from "./polls.js";
import { isSelect, selectNode, valuesOf } from "./selects.js";

const REACTIONS = ["🔁", "1️⃣", "2️⃣", "3️⃣", "4️⃣", "🔄", "👍", "⭐", "❌", "✉️"];
const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link" };
const CLASSES = { 9: "section", 17: "container" }; // of components that contain others
const NEAR_END = 160; // pixels from the end within which the list scrolls to new messages

export class Messages {
  // `act` sends an action to the server; `reply` begins a reply to a message; `drawOn` opens the
  // drawing pad with a picture.
  constructor(list, scroll, act, reply, drawOn) {
    this.list = list;
    this.scroll = scroll;
    this.act = act;
    this.reply = reply;
    this.drawOn = drawOn;
    this.names = {};
    this.candidates = {};
    this.messageCommands = [];
    const observer = new ResizeObserver(() => this.follow && this.scrollToEnd());
    observer.observe(list);
    observer.observe(scroll);
    this.top = 0;
    scroll.addEventListener("scroll", () => {
      const isUp = scroll.scrollTop < this.top; // messages that grow do not scroll the list up
      this.top = scroll.scrollTop;
      if (!isUp && this.follow) return;
      this.follow = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END;
    });
    setInterval(() => this.updateTimes(), 1000);
  }

  reset(messages) {
    this.list.replaceChildren();
    messages.forEach((message) => this.show(message));
    this.followEnd();
  }

  show(message) {
    const existing = this.find(message.id);
    const row = existing ?? this.frame(message);
    row.data = message;
    renderMessage(row, message, this);
    if (!existing) this.list.append(row);
  }

  remove(id) {
    this.find(id)?.remove();
  }

  find(id) {
    return this.list.querySelector(`:scope > [data-id="${id}"]`);
  }

  // Returns the pictures in the channel, the newest first.
  pictures() {
    return [...this.list.children].flatMap((row) => visiblePictures(row.data)).reverse();
  }

  picturesOf(id) {
    const row = this.find(id);
    return row ? visiblePictures(row.data) : [];
  }

  followEnd() {
    this.follow = true;
    this.scrollToEnd();
  }

  scrollToEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  setContext({ names, message_commands, candidates, moderates }) {
    this.names = names;
    this.candidates = candidates;
    this.messageCommands = message_commands;
    this.moderates = moderates;
    for (const row of this.list.children) renderMessage(row, row.data, this);
  }

  updateTimes() {
    for (const time of this.list.querySelectorAll("time[data-seconds]")) {
      time.textContent = relative(Number(time.dataset.seconds));
    }
  }

  frame(message) {
    const row = element("li", "message");
    row.dataset.id = message.id;
    const avatar = element("div", "avatar", message.name[0]);
    avatar.style.setProperty("--hue", hue(message.name));
    if (message.author.bot) avatar.replaceChildren(imageNode("/static/icon.svg", ""));
    const body = element("div", "body");
    for (const part of ["context", "head", "content", "poll", "embeds", "pictures", "components", "footer"]) {
      body.append(element("div", part));
    }
    row.append(avatar, body);
    return row;
  }
}

function renderMessage(row, message, list) {
  const part = (name) => row.querySelector(`:scope > .body > .${name}`);
  row.classList.toggle("ephemeral", message.ephemeral);
  part("context").replaceChildren(...contextLine(message, list));
  part("head").replaceChildren(...headLine(message));
  part("content").replaceChildren(message.loading ? loadingNode(message) : contentNode(message, list));
  renderIfChanged(part("poll"), message.poll ?? null, () => pollNodes(message.poll, vote(message, list)));
  part("embeds").replaceChildren(...message.embeds.map((embed) => embedNode(embed, list.names)));
  renderAttachments(part("pictures"), message, list.drawOn);
  const menuData = hasSelect(message.components) && [list.candidates, message.edited_timestamp];
  const componentData = [message.components, menuData]; // an edit resets menus, as on Discord
  renderIfChanged(part("components"), componentData, () =>
    message.components.map((component) => componentNode(component, message, list)),
  );
  const { messageCommands, moderates } = list;
  const footerData = [message.reactions, message.ephemeral, message.loading, messageCommands, moderates];
  renderIfChanged(part("footer"), footerData, () => footer(message, list));
}

// Renders only if the data has changed, so that a button stays the same node while it is clicked.
function renderIfChanged(container, data, render) {
  const fingerprint = JSON.stringify(data);
  if (container.fingerprint === fingerprint) return;
  container.fingerprint = fingerprint;
  container.replaceChildren(...render());
}

function contextLine(message, list) {
  if (message.invocation) {
    const line = [element("b", "", message.invocation.name), " used "];
    return [...line, element("span", "command", message.invocation.command)];
  }
  if (message.announces_pin) return ["📌 ", element("i", "", "pinned a message to this channel")];
  if (message.forwarded) return ["↱ ", element("i", "", "Forwarded")];
  if (message.reply) {
    const { name, content, deleted } = message.reply;
    if (deleted) return ["↱ ", element("i", "", "Original message was deleted")];
    const quote = plainText(content, list.names) || "Click to see attachment";
    return ["↱ ", element("b", "", name), ` ${quote}`];
  }
  return [];
}

function headLine(message) {
  const date = new Date(message.timestamp);
  const time = element("time", "", date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.title = date.toLocaleString();
  const name = element("strong", "", message.name);
  name.style.setProperty("--hue", hue(message.name));
  return message.author.bot ? [name, element("span", "tag", "APP"), time] : [name, time];
}

function loadingNode(message) {
  const line = element("span", "thinking", `${message.name} is thinking`);
  line.append(element("i"), element("i"), element("i"));
  return line;
}

function contentNode(message, list) {
  const node = render(message.content, list.names);
  if (message.edited_timestamp) node.append(" ", element("small", "edited", "(edited)"));
  return node;
}

function embedNode(embed, names) {
  const node = element("article", "embed");
  if (embed.title) node.append(element("h3", "", embed.title));
  if (embed.description) {
    const text = element("p");
    text.append(render(embed.description, names));
    node.append(text);
  }
  for (const field of embed.fields ?? []) {
    const value = element("p");
    value.append(render(field.value, names));
    node.append(element("h4", "", field.name), value);
  }
  if (embed.image?.url) node.append(imageNode(embed.image.url, ""));
  if (embed.footer) node.append(element("small", "", embed.footer.text));
  return node;
}

function vote(message, list) {
  return async (node, answers) => showError(node, await list.act("vote", { message: message.id, answers }));
}

function componentNode(component, message, list) {
  if (component.type === 2) return buttonNode(component, message, list);
  if (isSelect(component)) return menuNode(component, message, list);
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
  if (component.type === 11) return galleryItem(component);
  if (component.type === 14) return element("hr");
  const node = element("div", CLASSES[component.type] ?? "row");
  const nodes = (parts) => (parts ?? []).map((part) => componentNode(part, message, list));
  if (component.accessory) {
    const texts = element("div");
    texts.append(...nodes(component.components));
    node.append(texts, ...nodes([component.accessory]));
  } else {
    node.append(...nodes(component.components));
  }
  return node;
}

function galleryItem(item) {
  const node = element("div", "item");
  node.append(imageNode(item.media.url, item.description ?? ""));
  return item.spoiler ? withSpoiler(node) : node;
}

function buttonNode(component, message, list) {
  const node = element("button", `button ${STYLES[component.style] ?? "secondary"}`);
  node.type = "button";
  node.dataset.customId = component.custom_id ?? "";
  node.textContent = [component.emoji?.name, component.label].filter(Boolean).join(" ");
  node.disabled = Boolean(component.disabled);
  node.addEventListener("click", () => click(node, component, message, list));
  return node;
}

function hasSelect(components) {
  return components.some((part) => isSelect(part) || hasSelect(part.components ?? []));
}

// A menu with one choice is sent when it changes, another one with a button.
function menuNode(component, message, list) {
  const menu = element("div", "menu");
  const node = selectNode(component, list.candidates);
  node.dataset.customId = component.custom_id;
  node.disabled = Boolean(component.disabled);
  node.setAttribute("aria-label", component.placeholder ?? "Choose");
  menu.append(node);
  const send = () => choose(node, component, message, list);
  if (node.multiple) {
    const button = element("button", "button secondary", "Choose");
    button.type = "button";
    button.disabled = node.disabled;
    button.addEventListener("click", send);
    menu.append(button);
  } else {
    node.addEventListener("change", send);
  }
  return menu;
}

async function choose(node, component, message, list) {
  const data = { message: message.id, custom_id: component.custom_id, values: valuesOf(node) };
  showError(node, await list.act("choose", data));
}

async function click(node, component, message, list) {
  if (component.url) {
    window.open(component.url, "_blank", "noreferrer,noopener");
    return;
  }
  node.classList.add("waiting");
  const error = await list.act("click", { message: message.id, custom_id: component.custom_id });
  node.classList.remove("waiting");
  showError(node, error);
}

function footer(message, list) {
  if (message.ephemeral) {
    const dismiss = element("button", "plain", "Dismiss message");
    dismiss.addEventListener("click", () => list.act("dismiss", { message: message.id }));
    return [element("span", "private", "👁 Only you can see this · "), dismiss];
  }
  const chips = message.reactions.map((reaction) => reactionChip(reaction, message, list));
  if (message.loading) return chips;
  const apps = list.messageCommands.length ? [appsMenu(message, list)] : [];
  const clear = list.moderates && chips.length ? [clearButton(message, list)] : [];
  return [...chips, reactionMenu(message, list), replyButton(message, list), ...clear, ...apps];
}

function replyButton(message, list) {
  const node = element("button", "plain", "↩");
  node.type = "button";
  node.title = "Reply";
  node.setAttribute("aria-label", "Reply");
  node.addEventListener("click", () => list.reply(message));
  return node;
}

function clearButton(message, list) {
  const node = element("button", "plain", "Remove all reactions");
  node.type = "button";
  node.addEventListener("click", () => list.act("clear", { message: message.id }));
  return node;
}

function appsMenu(message, list) {
  const node = element("details", "apps");
  const summary = element("summary", "", "⋯");
  summary.title = "Apps";
  summary.setAttribute("aria-label", "Apps");
  const choices = element("div");
  for (const command of list.messageCommands) {
    const choice = element("button", "", command);
    choice.type = "button";
    choice.addEventListener("click", async () => {
      node.open = false;
      showError(node, await list.act("use", { message: message.id, command }));
    });
    choices.append(choice);
  }
  node.append(summary, choices);
  return node;
}

// Shows an error below the message, or removes it if there is none.
function showError(node, error) {
  const row = node.closest("li");
  row?.querySelector(".error")?.remove();
  if (error) row?.querySelector(".components").after(element("p", "error", error));
}

function reactionChip(reaction, message, list) {
  const node = element("button", `reaction${reaction.me ? " mine" : ""}`);
  node.type = "button";
  node.append(element("span", "", reaction.emoji.name), element("b", "", String(reaction.count)));
  node.addEventListener("click", () => toggle(reaction.emoji.name, !reaction.me, message, list));
  return node;
}

function reactionMenu(message, list) {
  const node = element("details", "reaction-menu");
  const summary = element("summary", "", "☺ +");
  summary.title = "Add a reaction";
  summary.setAttribute("aria-label", "Add a reaction");
  const choices = element("div");
  for (const emoji of REACTIONS) {
    const choice = element("button", "", emoji);
    choice.type = "button";
    choice.addEventListener("click", () => {
      node.open = false;
      toggle(emoji, true, message, list);
    });
    choices.append(choice);
  }
  node.append(summary, choices);
  return node;
}

function toggle(emoji, on, message, list) {
  list.act("react", { message: message.id, emoji, on });
}

export function hue(name) {
  return [...name].reduce((sum, letter) => (sum * 67 + letter.codePointAt(0) * 37) % 360, 11);
}
