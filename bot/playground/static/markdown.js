// Renders the subset of Discord's Markdown that bots use. Returns DOM nodes, never HTML text.

const TOKENS = [
  ["code", /```(?:[a-z]+\n)?\n*([\s\S]+?)\n*```\n?|``(.+?)``|`([^`\n]+)`/y],
  ["escape", /\\([^A-Za-z0-9\s])/y],
  ["bold", /\*\*([\s\S]+?)\*\*(?!\*)/y],
  ["underline", /__([\s\S]+?)__/y],
  ["italic", /\*([^*\s][^*]*?)\*|_([^_\s][^_]*?)_(?!\w)/y],
  ["strike", /~~([\s\S]+?)~~/y],
  ["spoiler", /\|\|([\s\S]+?)\|\|/y],
  ["mention", /<(@&|@|#)!?(\d+)>/y],
  ["time", /<t:(-?\d{1,12})(?::([tTdDfFR]))?>/y],
  ["masked", /\[([^\]\n]+)\]\(<?(https?:\/\/[^\s<>)]+)>?\)/y],
  ["link", /<?(https?:\/\/[^\s<>]+[^\s<>.,:;"')\]])>?/y],
];
const MESSAGE = /^https:\/\/discord\.com\/channels\/(?:@me|\d+)\/\d+\/(\d+)$/;
const TAGS = { bold: "strong", underline: "u", italic: "em", strike: "s" };
const TIME_FORMATS = {
  t: { timeStyle: "short" }, T: { timeStyle: "medium" }, d: { dateStyle: "short" }, D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" }, F: { dateStyle: "full", timeStyle: "short" },
};
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

export function render(text, names) {
  const fragment = document.createDocumentFragment();
  const lines = text.split("\n");
  lines.forEach((line, number) => {
    const small = line.startsWith("-# ");
    const heading = /^(#{1,3}) +/.exec(line);
    if ((small || heading) && !text.includes("```")) {
      const block = element(small ? "small" : "b", small ? "subtext" : "heading");
      block.append(inline(line.slice(small ? 3 : heading[0].length), names));
      fragment.append(block);
    } else if (!text.includes("```")) {
      fragment.append(inline(line, names));
    }
    if (number < lines.length - 1 && !text.includes("```")) fragment.append("\n");
  });
  if (text.includes("```")) fragment.append(inline(text, names));
  return fragment;
}

// Returns the text on one line without markup, as in the preview of a replied-to message. Spoilers
// stay hidden.
export function plainText(text, names) {
  const nodes = render(text, names);
  for (const spoiler of nodes.querySelectorAll(".spoiler")) spoiler.textContent = "▮▮▮";
  return nodes.textContent.replace(/\s+/g, " ").trim();
}

function inline(text, names) {
  const fragment = document.createDocumentFragment();
  let plain = "";
  let position = 0;
  while (position < text.length) {
    const token = tokenAt(text, position);
    if (!token) {
      plain += text[position];
      position += 1;
      continue;
    }
    fragment.append(plain, tokenNode(token.type, token.match, names));
    plain = "";
    position += token.match[0].length;
  }
  fragment.append(plain);
  return fragment;
}

function tokenAt(text, position) {
  if (!"`\\*_~|<[h".includes(text[position])) return null;
  if (text[position] === "_" && /\w/.test(text[position - 1] ?? "")) return null;
  for (const [type, pattern] of TOKENS) {
    pattern.lastIndex = position;
    const match = pattern.exec(text);
    if (match) return { type, match };
  }
  return null;
}

function tokenNode(type, match, names) {
  const inner = match[1] ?? match[2] ?? match[3];
  if (type === "escape") return document.createTextNode(inner);
  if (type === "code") return element(match[1] ? "pre" : "code", "", inner);
  if (type === "mention") return mention(match[1], match[2], names);
  if (type === "time") return time(Number(match[1]), match[2]);
  if (type === "link") return link(inner, MESSAGE.test(inner) ? "💬 message" : inner);
  if (type === "masked") return link(match[2], match[1]);
  const node = element(TAGS[type] ?? "span", type === "spoiler" ? "spoiler" : "");
  if (type === "spoiler") node.addEventListener("click", () => node.classList.add("open"));
  node.append(inline(inner, names));
  return node;
}

function mention(sign, id, names) {
  return element("span", "mention", names[sign + id] ?? `${sign[0]}unknown`);
}

// A link of a message that is shown here scrolls to it.
function link(url, text) {
  const node = element("a", "", text);
  node.href = url;
  node.addEventListener("click", (event) => {
    const target = document.querySelector(`[data-id="${MESSAGE.exec(url)?.[1]}"]`);
    if (!target) return;
    event.preventDefault();
    target.scrollIntoView({ block: "center" });
  });
  node.target = "_blank";
  node.rel = "noreferrer noopener";
  return node;
}

function time(seconds, style) {
  const date = new Date(seconds * 1000);
  const format = TIME_FORMATS[style] ?? TIME_FORMATS.f;
  const node = element("time", "", style === "R" ? relative(seconds) : date.toLocaleString("en", format));
  node.title = date.toLocaleString();
  if (style === "R") node.dataset.seconds = seconds;
  return node;
}

export function relative(seconds) {
  const offset = seconds - Date.now() / 1000;
  const [unit, size] = UNITS.find(([, minimum]) => Math.abs(offset) >= minimum) ?? UNITS[3];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.round(offset / size), unit);
}

export function element(tag, name = "", text = "") {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text) node.textContent = text;
  return node;
}
