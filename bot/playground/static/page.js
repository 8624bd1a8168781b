// The page: selected user and channel, the event stream, and requests to the server.

import { Composer } from "./composer.js";
import { ConditionPanel } from "./conditions.js";
import { openModal } from "./modal.js";
import { element } from "./markdown.js";
import { hue, Messages } from "./messages.js";
import { Pad } from "./pad.js";

const EXAMPLES = [
  "/imagine a red house at night",
  "/imagine an orange car left of a blue umbrella on a beach",
  "/imagine a red mushroom left of a green tree on grass",
];
const MASK_NAME = /mask|region|area/i;
const UNREACHABLE = "The playground cannot be reached. Is it still running?";
const byId = (id) => document.getElementById(id);
const state = { person: "", channel: "", channels: [], stream: null };

const pad = new Pad(byId("pad"));
const reply = (message) => composer.replyTo(message);
const act = (action, data) => post(action, JSON.stringify({ as: state.person, ...data }), data.message);
const messages = new Messages(byId("messages"), byId("scroll"), act, reply, async (picture) => {
  const file = await drawOn(picture);
  if (file) composer.attach(file);
});
const composer = new Composer(byId("composer"), { send, complete, draw, drawOn });
const conditions = new ConditionPanel(byId("conditions"), byId("bad-days"), byId("banner"), act);

// Resolves to an error message, or null. Each file is for an option, or for none.
function send(text, files, repliedMessage) {
  const form = new FormData();
  form.append("as", state.person);
  form.append("channel", state.channel);
  form.append("text", text);
  if (repliedMessage) form.append("reply", repliedMessage);
  for (const { file, option } of files) form.append(option ? `option:${option}` : "file", file, file.name);
  messages.followEnd();
  return post("send", form);
}

// Opens the drawing pad on a picture. Resolves to a file, or to null.
function drawOn(picture) {
  return pad.open({ picture, pictures: messages.pictures() });
}

// Opens the drawing pad for the option or field with this name: on the first of the pictures if it
// takes a mask, else on a white page. Resolves to a file, or to null.
function draw(name, firstPictures) {
  const pictures = [...firstPictures, ...messages.pictures()];
  if (!MASK_NAME.test(name)) return pad.open({ pictures });
  return pad.open({ pictures, picture: pictures[0], mode: "mask", save: "mask" });
}

// Resolves to an error message, or null. A modal that the bot opens is about the message, if any.
async function post(action, body, message) {
  const headers = { "X-Playground": "1" };
  try {
    const response = await fetch(`/playground/${action}`, { method: "POST", body, headers });
    if (!response.ok) return await response.text();
    const { error, form, interaction } = await response.json();
    if (form) showModal(form, interaction, message);
    return error ?? null;
  } catch {
    return UNREACHABLE;
  }
}

function showModal(modal, interaction, message) {
  const pictures = message ? messages.picturesOf(message) : [];
  const context = { candidates: messages.candidates, draw: (name) => draw(name, pictures) };
  openModal(byId("form"), modal, context, (values) => act("submit", { interaction, values }));
}

// Resolves to the bot's autocomplete choices, or to an empty list if it does not respond.
async function complete(text, option) {
  const headers = { "X-Playground": "1" };
  const body = JSON.stringify({ as: state.person, channel: state.channel, text, option });
  try {
    const response = await fetch("/playground/complete", { method: "POST", body, headers });
    return response.ok ? ((await response.json()).choices ?? []) : [];
  } catch {
    return [];
  }
}

function openStream() {
  state.stream?.close();
  const query = new URLSearchParams({ as: state.person, channel: state.channel });
  const stream = new EventSource(`/playground/live?${query}`);
  state.stream = stream;
  const on = (name, handle) =>
    stream.addEventListener(name, (event) => {
      handle(JSON.parse(event.data));
      byId("empty").hidden = byId("messages").children.length > 0;
    });
  on("reset", (data) => messages.reset(data.messages));
  on("message", (data) => messages.show(data));
  on("delete", (data) => messages.remove(data.id));
  on("overview", showOverview);
  stream.addEventListener("error", () => showStatus(false, UNREACHABLE));
}

function showOverview(data) {
  renderChannels(data.channels);
  composer.setCommands(data.commands, data.candidates);
  messages.setContext(data);
  byId("locale").value = data.locale;
  conditions.setActive(data.conditions);
  const presence = data.presence ? ` · ${data.presence}` : "";
  showStatus(data.online, data.online ? `${data.bot} is online${presence}` : "Waiting for the bot…");
}

function showStatus(online, text) {
  byId("status").classList.toggle("online", online);
  byId("status").querySelector("span").textContent = text;
}

function select(changes) {
  Object.assign(state, changes);
  const channel = state.channels.find(({ id }) => id === state.channel) ?? state.channels[0];
  state.channel = channel.id;
  byId("title").textContent = channel.label;
  for (const item of document.querySelectorAll("#channels button")) {
    item.setAttribute("aria-current", String(item.value === state.channel));
  }
  for (const item of document.querySelectorAll("#people button")) {
    item.setAttribute("aria-checked", String(item.value === state.person));
  }
  composer.showError(null);
  composer.replyTo(null);
  openStream();
}

function renderChannels(channels) {
  const items = channels.map(({ id, name, thread, server, chat }) => ({
    id,
    server,
    thread,
    chat,
    label: `${thread ? "⤷" : chat ? "👥" : "#"} ${name}`,
  }));
  const dm = { id: "dm", label: "✉ Direct messages", server: "", thread: false };
  const isHere = ({ chat, server }) => !chat && server === items[0].server;
  state.channels = [...items.filter(isHere), dm, ...items.filter((item) => !isHere(item))];
  byId("elsewhere").hidden = state.channels.some(({ chat }) => chat);
  const fingerprint = JSON.stringify(state.channels);
  if (byId("channels").dataset.fingerprint === fingerprint) return;
  byId("channels").dataset.fingerprint = fingerprint;
  byId("channels").replaceChildren(...state.channels.flatMap(channelNodes));
}

function channelNodes(channel, index) {
  const item = element("button", channel.thread ? "thread" : "", channel.label);
  item.value = channel.id;
  item.setAttribute("aria-current", String(channel.id === state.channel));
  item.addEventListener("click", () => select({ channel: channel.id }));
  const previousGuild = state.channels[index - 1]?.server;
  return channel.server && channel.server !== previousGuild
    ? [element("h2", "", channel.server), item]
    : [item];
}

function renderPeople(people) {
  const items = people.map((name) => {
    const item = element("button", "", name);
    item.value = name;
    item.setAttribute("role", "radio");
    item.style.setProperty("--hue", hue(name));
    item.addEventListener("click", () => select({ person: name, channel: sharedChannelId() }));
    return item;
  });
  byId("people").replaceChildren(...items);
}

// Returns the selected channel, or the first one if the newly selected user may not be in its guild.
function sharedChannelId() {
  const channel = state.channels.find(({ id }) => id === state.channel);
  const [first] = state.channels;
  return channel.server && channel.server !== first.server ? first.id : channel.id;
}

function renderExamples() {
  const items = EXAMPLES.map((example) => {
    const item = element("button", "", example);
    item.addEventListener("click", () => composer.setText(example));
    return item;
  });
  byId("examples").replaceChildren(...items);
}

async function start() {
  byId("viewer").addEventListener("click", () => byId("viewer").close());
  renderExamples();
  const initial = await (await fetch("/playground/people")).json();
  const { people, channels } = initial;
  byId("elsewhere").addEventListener("click", async () => {
    composer.showError(await act("elsewhere", {}));
  });
  byId("locale").addEventListener("change", async (event) => {
    composer.showError(await act("locale", { locale: event.target.value }));
  });
  conditions.setConditions(initial.conditions);
  renderChannels(channels);
  renderPeople(people);
  select({ person: people[0], channel: state.channels[0].id });
  byId("text").focus();
}

start().catch(() => showStatus(false, UNREACHABLE));
