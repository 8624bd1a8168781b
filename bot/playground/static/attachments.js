// Attachments of messages: pictures, videos and other files, and the dialog with an opened picture.

import { element } from "./markdown.js";

const IS_SPOILER = 1 << 3; // attachment flag

// Images replace earlier ones only after they are decoded.
export function renderAttachments(container, message, drawOn) {
  const ids = message.attachments.map((attachment) => attachment.id).join(" ");
  if (container.dataset.ids === ids) return;
  container.dataset.ids = ids;
  const nodes = message.attachments.map((attachment) => attachmentNode(attachment, drawOn));
  const decoding = nodes.map((item) => item.querySelector("img")?.decode().catch(() => null));
  Promise.all(decoding).then(() => {
    if (container.dataset.ids === ids) container.replaceChildren(...nodes);
  });
}

// Returns the pictures among the attachments that are shown, without spoilers and videos.
export function visiblePictures(message) {
  const shown = message.attachments.filter((attachment) => isPicture(attachment) && !isSpoiler(attachment));
  return shown.map(pictureOf);
}

function pictureOf({ filename, url }) {
  return { name: filename, url: localUrl(url) };
}

function isPicture(attachment) {
  return Boolean(attachment.width) && !isVideo(attachment);
}

function isVideo(attachment) {
  return attachment.content_type?.startsWith("video/");
}

function isSpoiler(attachment) {
  return Boolean(attachment.flags & IS_SPOILER);
}

function attachmentNode(attachment, drawOn) {
  const node = mediaNode(attachment, drawOn);
  return isSpoiler(attachment) ? withSpoiler(node) : node;
}

// Blurs the node until it is clicked. That click has no other effect.
export function withSpoiler(node) {
  node.classList.add("blurred");
  const reveal = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    node.classList.remove("blurred");
    node.removeEventListener("click", reveal, true);
  };
  node.addEventListener("click", reveal, true);
  return node;
}

function mediaNode(attachment, drawOn) {
  if (!attachment.width) {
    const file = element("a", "file", `${attachment.filename} · ${size(attachment.size)}`);
    file.href = localUrl(attachment.url);
    return file;
  }
  if (isVideo(attachment)) return videoNode(attachment);
  const open = element("button", "picture");
  open.type = "button";
  open.setAttribute("aria-label", `Open ${attachment.filename}`);
  const image = imageNode(attachment.url, attachment.description ?? attachment.filename);
  setSize(image, attachment);
  open.append(image);
  open.addEventListener("click", () => openViewer(attachment, drawOn));
  return open;
}

function videoNode(attachment) {
  const node = element("div", "video");
  const video = element("video");
  video.src = localUrl(attachment.url);
  video.controls = true;
  video.playsInline = true;
  video.preload = "metadata";
  setSize(video, attachment);
  video.setAttribute("aria-label", attachment.description ?? attachment.filename);
  node.append(video);
  return node;
}

function openViewer(attachment, drawOn) {
  const dialog = document.getElementById("viewer");
  const image = dialog.querySelector("img");
  image.src = localUrl(attachment.url);
  image.alt = attachment.description ?? attachment.filename;
  setSize(image, attachment);
  dialog.querySelector("button").onclick = () => {
    dialog.close();
    drawOn(pictureOf(attachment));
  };
  dialog.showModal();
}

// The style sheet needs both numbers to limit width and height without a change of their ratio.
function setSize(node, { width, height }) {
  node.width = width;
  node.height = height;
  node.style.setProperty("--width", width);
  node.style.setProperty("--height", height);
}

// Returns the path of a URL: files are fetched from the host name by which the page was opened.
function localUrl(address) {
  const url = new URL(address, location.origin);
  return url.pathname + url.search;
}

export function imageNode(address, alt) {
  const image = element("img");
  image.src = localUrl(address);
  image.alt = alt;
  return image;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
