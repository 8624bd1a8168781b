// The page as a whole: who looks at which channel, the live stream, and what goes to the server.

import { Composer } from "./composer.js";
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
});

// Answers with a sentence when it could not be done.
async function post(action, body) {
  const headers = { "X-Playground": "1" };
  try {
    const answer = await fetch(`/playground/${action}`, { method: "POST", body, headers });
    if (!answer.ok) return await answer.text();
    return (await answer.json()).error ?? null;
  } catch {
    return LOST;
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
  composer.offer(data.commands, data.picks);
  messages.rename(data.users);
  status(data.online, data.online ? `${data.bot} is here` : "Waiting for the bot…");
}

function status(online, text) {
  byId("status").classList.toggle("online", online);
  byId("status").querySelector("span").textContent = text;
}

function choose(changes) {
  Object.assign(state, changes);
  const channel = state.channels.find((known) => known.id === state.channel);
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

function drawSides(people) {
  const channels = state.channels.map((channel) => {
    const item = element("button", "", channel.label);
    item.value = channel.id;
    item.addEventListener("click", () => choose({ channel: channel.id }));
    return item;
  });
  byId("channels").replaceChildren(...channels);
  const faces = people.map((name) => {
    const item = element("button", "", name);
    item.value = name;
    item.setAttribute("role", "radio");
    item.style.setProperty("--hue", hue(name));
    item.addEventListener("click", () => choose({ person: name }));
    return item;
  });
  byId("people").replaceChildren(...faces);
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
  state.channels = channels.map(({ id, name }) => ({ id, label: `# ${name}` }));
  state.channels.push({ id: "dm", label: "✉ Direct messages" });
  drawSides(people);
  choose({ person: people[0], channel: state.channels[0].id });
  byId("text").focus();
}

begin().catch(() => status(false, LOST));
