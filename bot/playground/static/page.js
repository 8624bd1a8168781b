// The page as a whole: who looks at which channel, the live stream, and what goes to the server.

import { Composer } from "./composer.js";
import { openForm } from "./form.js";
import { element } from "./markdown.js";
import { hue, Messages } from "./messages.js";

const EXAMPLES = [
  "/imagine a red house at night",
  "/imagine a yellow boat on the sea at sunset",
  "/imagine a blue robot left of a green tree on sand",
];
const LOST = "The playground cannot be reached. Is it still running?";
const byId = (id) => document.getElementById(id);
const state = { person: "", channel: "", channels: [], stream: null };

const messages = new Messages(byId("messages"), byId("scroll"), (action, data) =>
  post(action, JSON.stringify({ as: state.person, ...data })),
);
const composer = new Composer(byId("composer"), (text, file) => {
  const form = new FormData();
  form.append("as", state.person);
  form.append("channel", state.channel);
  form.append("text", text);
  if (file) form.append("file", file, file.name);
  return post("send", form);
}, complete);

// Answers with a sentence when it could not be done.
async function post(action, body) {
  const headers = { "X-Playground": "1" };
  try {
    const answer = await fetch(`/playground/${action}`, { method: "POST", body, headers });
    if (!answer.ok) return await answer.text();
    const { error, form, interaction } = await answer.json();
    if (form) fillIn(form, interaction);
    return error ?? null;
  } catch {
    return LOST;
  }
}

function fillIn(form, interaction) {
  openForm(byId("form"), form, (values) =>
    post("submit", JSON.stringify({ as: state.person, interaction, values })),
  );
}

// The choices that the bot offers for a half-typed option; none when it does not answer.
async function complete(text, option) {
  const headers = { "X-Playground": "1" };
  const body = JSON.stringify({ as: state.person, channel: state.channel, text, option });
  try {
    const answer = await fetch("/playground/complete", { method: "POST", body, headers });
    return answer.ok ? ((await answer.json()).choices ?? []) : [];
  } catch {
    return [];
  }
}

function watch() {
  state.stream?.close();
  const query = new URLSearchParams({ as: state.person, channel: state.channel });
  const stream = new EventSource(`/playground/live?${query}`);
  state.stream = stream;
  const on = (name, act) =>
    stream.addEventListener(name, (event) => {
      act(JSON.parse(event.data));
      byId("empty").hidden = byId("messages").children.length > 0;
    });
  on("begin", (data) => messages.begin(data.messages));
  on("message", (data) => messages.show(data));
  on("gone", (data) => messages.gone(data.id));
  on("about", about);
  stream.addEventListener("error", () => status(false, LOST));
}

function about(data) {
  drawChannels(data.channels);
  composer.offer(data.commands, data.picks);
  messages.rename(data.names, data.menu);
  status(data.online, data.online ? `${data.bot} is here` : "Waiting for the bot…");
}

function status(online, text) {
  byId("status").classList.toggle("online", online);
  byId("status").querySelector("span").textContent = text;
}

function choose(changes) {
  Object.assign(state, changes);
  const channel = state.channels.find((known) => known.id === state.channel) ?? state.channels[0];
  state.channel = channel.id;
  byId("title").textContent = channel.label;
  byId("text").placeholder = `Message ${channel.label} – or / for commands`;
  for (const item of document.querySelectorAll("#channels button")) {
    item.setAttribute("aria-current", String(item.value === state.channel));
  }
  for (const item of document.querySelectorAll("#people button")) {
    item.setAttribute("aria-checked", String(item.value === state.person));
  }
  composer.say(null);
  watch();
}

function drawChannels(known) {
  state.channels = known.map(({ id, name, thread, server }) => ({
    id,
    server,
    thread,
    label: `${thread ? "⤷" : "#"} ${name}`,
  }));
  state.channels.push({ id: "dm", label: "✉ Direct messages", server: "", thread: false });
  const print = JSON.stringify(state.channels);
  if (byId("channels").dataset.print === print) return;
  byId("channels").dataset.print = print;
  byId("channels").replaceChildren(...state.channels.flatMap(drawChannel));
}

function drawChannel(channel, number) {
  const item = element("button", channel.thread ? "thread" : "", channel.label);
  item.value = channel.id;
  item.setAttribute("aria-current", String(channel.id === state.channel));
  item.addEventListener("click", () => choose({ channel: channel.id }));
  const above = state.channels[number - 1]?.server;
  return channel.server && channel.server !== above
    ? [element("h2", "", channel.server), item]
    : [item];
}

function drawPeople(people) {
  const faces = people.map((name) => {
    const item = element("button", "", name);
    item.value = name;
    item.setAttribute("role", "radio");
    item.style.setProperty("--hue", hue(name));
    item.addEventListener("click", () => choose({ person: name, channel: shared() }));
    return item;
  });
  byId("people").replaceChildren(...faces);
}

// The channel looked at, or where everybody is when it belongs to another server.
function shared() {
  const channel = state.channels.find((known) => known.id === state.channel);
  const [first] = state.channels;
  return channel.server && channel.server !== first.server ? first.id : channel.id;
}

function drawExamples() {
  const made = EXAMPLES.map((example) => {
    const item = element("button", "", example);
    item.addEventListener("click", () => composer.write(example));
    return item;
  });
  byId("examples").replaceChildren(...made);
}

async function begin() {
  byId("viewer").addEventListener("click", () => byId("viewer").close());
  drawExamples();
  const { people, channels } = await (await fetch("/playground/people")).json();
  drawChannels(channels);
  drawPeople(people);
  choose({ person: people[0], channel: state.channels[0].id });
  byId("text").focus();
}

begin().catch(() => status(false, LOST));
