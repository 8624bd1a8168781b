// Discord's markdown, the part that bots use, as DOM nodes; never as HTML text.

const TOKENS = [
  ["code", /```(?:[a-z]+\n)?([\s\S]+?)```|``(.+?)``|`([^`\n]+)`/y],
  ["escape", /\\([^\w\s])/y],
  ["bold", /\*\*([\s\S]+?)\*\*(?!\*)/y],
  ["underline", /__([\s\S]+?)__/y],
  ["italic", /\*([^*\s][^*]*?)\*|_([^_\s][^_]*?)_(?!\w)/y],
  ["strike", /~~([\s\S]+?)~~/y],
  ["spoiler", /\|\|([\s\S]+?)\|\|/y],
  ["mention", /<(@&|@|#)!?(\d+)>/y],
  ["time", /<t:(-?\d{1,12})(?::([tTdDfFR]))?>/y],
  ["link", /<?(https?:\/\/[^\s<>]+[^\s<>.,:;"')\]])>?/y],
];
const TAGS = { bold: "strong", underline: "u", italic: "em", strike: "s" };
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

export function render(text, names) {
  const made = document.createDocumentFragment();
  const lines = text.split("\n");
  lines.forEach((line, number) => {
    const small = line.startsWith("-# ");
    const heading = /^(#{1,3}) +/.exec(line);
    if ((small || heading) && !text.includes("```")) {
      const block = element(small ? "small" : "b", small ? "subtext" : "heading");
      block.append(inline(line.slice(small ? 3 : heading[0].length), names));
      made.append(block);
    } else if (!text.includes("```")) {
      made.append(inline(line, names));
    }
    if (number < lines.length - 1 && !text.includes("```")) made.append("\n");
  });
  if (text.includes("```")) made.append(inline(text, names));
  return made;
}

function inline(text, names) {
  const made = document.createDocumentFragment();
  let plain = "";
  let at = 0;
  while (at < text.length) {
    const found = tokenAt(text, at);
    if (!found) {
      plain += text[at];
      at += 1;
      continue;
    }
    made.append(plain, node(found.kind, found.match, names));
    plain = "";
    at += found.match[0].length;
  }
  made.append(plain);
  return made;
}

function tokenAt(text, at) {
  if (!"`\\*_~|<h".includes(text[at])) return null;
  if (text[at] === "_" && /\w/.test(text[at - 1] ?? "")) return null;
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) return { kind, match };
  }
  return null;
}

function node(kind, match, names) {
  const inner = match[1] ?? match[2] ?? match[3];
  if (kind === "escape") return document.createTextNode(inner);
  if (kind === "code") return element(match[1] ? "pre" : "code", "", inner);
  if (kind === "mention") return mention(match[1], match[2], names);
  if (kind === "time") return time(Number(match[1]), match[2]);
  if (kind === "link") return link(inner);
  const made = element(TAGS[kind] ?? "span", kind === "spoiler" ? "spoiler" : "");
  if (kind === "spoiler") made.addEventListener("click", () => made.classList.add("open"));
  made.append(inline(inner, names));
  return made;
}

function mention(sign, id, names) {
  return element("span", "mention", names[sign + id] ?? `${sign[0]}unknown`);
}

function link(address) {
  const made = element("a", "", address);
  made.href = address;
  made.target = "_blank";
  made.rel = "noreferrer noopener";
  return made;
}

function time(seconds, style) {
  const moment = new Date(seconds * 1000);
  const made = element("time", "", style === "R" ? relative(seconds) : moment.toLocaleString());
  made.title = moment.toLocaleString();
  if (style === "R") made.dataset.seconds = seconds;
  return made;
}

export function relative(seconds) {
  const away = seconds - Date.now() / 1000;
  const [unit, size] = UNITS.find(([, least]) => Math.abs(away) >= least) ?? UNITS[3];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.round(away / size), unit);
}

export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}
