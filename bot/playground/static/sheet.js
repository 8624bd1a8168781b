// What the drawing pad draws on, a white page or a picture, and the files that it makes.

import { decodeRgba, encodePng } from "./png.js";

const PIXELS_LIMIT = 4096 * 4096;
const HALF = 128; // of the layer's alpha, from which on a pixel is painted

export function whiteSheet(width, height) {
  const canvas = newCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  return { canvas, width, height };
}

// Resolves to a sheet with the pixels of a picture; rejects with a sentence if it cannot be used.
export async function pictureSheet(picture) {
  const blob = picture.file ?? (await (await fetch(picture.url)).blob());
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) throw new Error("That picture cannot be opened.");
  const { width, height } = bitmap;
  if (width * height > PIXELS_LIMIT) throw new Error("That picture is too large: at most 16 megapixels.");
  const canvas = newCanvas(width, height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  const decoded = await decodeRgba(blob);
  const data = decoded?.data ?? pixelsOf(canvas);
  return { canvas, width, height, data };
}

// Resolves to the sheet with the drawing on it, on white where the picture is transparent.
export function sketchFile({ canvas, width, height }, layer) {
  const data = pixelsOf(whiteSheet(width, height).canvas, canvas, layer);
  const colours = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      colours[3 * pixel + channel] = data[4 * pixel + channel];
    }
  }
  return file({ width, height, data: colours }, "sketch.png");
}

// Resolves to the picture whose alpha is 0 where the layer is painted. Colours stay as they are.
export function holeFile({ width, height, data }, layer) {
  const pixels = Uint8ClampedArray.from(data);
  paintedPixels(layer).forEach((painted, pixel) => {
    if (painted) pixels[4 * pixel + 3] = 0;
  });
  return file({ width, height, data: pixels }, "picture.png");
}

// Resolves to a mask: white where the layer is painted or the picture is transparent, else black.
export function maskFile({ width, height, data }, layer) {
  const mask = paintedPixels(layer).map((painted, pixel) =>
    painted || data[4 * pixel + 3] < HALF ? 255 : 0,
  );
  return file({ width, height, data: mask }, "mask.png");
}

// Returns 1 for each painted pixel, and 0 for the others.
function paintedPixels(layer) {
  const data = pixelsOf(layer);
  const painted = new Uint8Array(data.length / 4);
  for (let pixel = 0; pixel < painted.length; pixel++) {
    painted[pixel] = Number(data[4 * pixel + 3] >= HALF);
  }
  return painted;
}

// Returns the RGBA pixels of canvases of one size, which are painted over each other.
function pixelsOf(...canvases) {
  const [{ width, height }] = canvases;
  const context = newCanvas(width, height).getContext("2d", { willReadFrequently: true });
  canvases.forEach((canvas) => context.drawImage(canvas, 0, 0));
  return context.getImageData(0, 0, width, height).data;
}

async function file(pixels, name) {
  return new File([await encodePng(pixels)], name, { type: "image/png" });
}

function newCanvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}
