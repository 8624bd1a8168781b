// PNG files from pixels and back. A canvas would lose the colours of transparent pixels.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const COLOUR_TYPES = { 1: 0, 3: 2, 4: 6 }; // by the number of channels: grey, RGB, RGBA
const SUB = 1, UP = 2, AVERAGE = 3, PAETH = 4; // filters: what a byte is predicted from
const COLOUR_SPACE = ["iCCP", "gAMA", "cHRM"]; // chunks; browsers convert such pictures
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

// Resolves to a Blob. `data` has 1, 3 or 4 bytes for each pixel, of 8 bits a channel.
export async function encodePng({ width, height, data }) {
  const channels = data.length / (width * height);
  const stride = width * channels;
  const rows = new Uint8Array(height * (stride + 1));
  for (let y = 0; y < height; y++) rows.set(smallestRow(data, y, stride, channels), y * (stride + 1));
  const header = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 8, COLOUR_TYPES[channels], 0, 0, 0]);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  const pixels = await pipe(rows, new CompressionStream("deflate"));
  const chunks = [chunk("IHDR", header), chunk("IDAT", pixels), chunk("IEND", new Uint8Array())];
  return new Blob([new Uint8Array(SIGNATURE), ...chunks], { type: "image/png" });
}

// Returns the number of a filter and the filtered row, with the filter that leaves the least.
function smallestRow(data, y, stride, channels) {
  const rows = [SUB, UP, PAETH].map((filter) => filteredRow(data, y, stride, channels, filter));
  return rows.reduce((best, row) => (row.sum < best.sum ? row : best)).bytes;
}

function filteredRow(data, y, stride, channels, filter) {
  const bytes = new Uint8Array(stride + 1);
  bytes[0] = filter;
  let sum = 0; // of the bytes as signed numbers, without their signs
  for (let x = 0; x < stride; x++) {
    const at = y * stride + x;
    const byte = (data[at] - prediction(data, y, x, stride, channels, filter)) & 255;
    bytes[x + 1] = byte;
    sum += byte < 128 ? byte : 256 - byte;
  }
  return { bytes, sum };
}

// Resolves to the pixels of a PNG with 8-bit RGBA, or to null for every other file.
export async function decodeRgba(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const chunks = readChunks(bytes);
  const header = chunks[0]?.data;
  if (chunks[0]?.type !== "IHDR" || header.length !== 13) return null;
  const [depth, colourType, , , interlaced] = header.subarray(8);
  const isConverted = chunks.some(({ type }) => COLOUR_SPACE.includes(type));
  if (depth !== 8 || colourType !== COLOUR_TYPES[4] || interlaced || isConverted) return null;
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const packed = new Blob(chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data));
  const rows = await pipe(packed, new DecompressionStream("deflate")).catch(() => null);
  if (rows?.length !== height * (4 * width + 1)) return null;
  return { width, height, data: unfilter(rows, 4 * width, height) };
}

function readChunks(bytes) {
  const chunks = [];
  const view = new DataView(bytes.buffer);
  if (SIGNATURE.some((byte, index) => bytes[index] !== byte)) return chunks;
  for (let start = SIGNATURE.length; start + 12 <= bytes.length; ) {
    const length = view.getUint32(start);
    const type = String.fromCharCode(...bytes.subarray(start + 4, start + 8));
    chunks.push({ type, data: bytes.subarray(start + 8, start + 8 + length) });
    start += length + 12;
  }
  return chunks;
}

// Each row begins with the number of its filter.
function unfilter(rows, stride, height) {
  const data = new Uint8ClampedArray(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      data[at] = (rows[y * (stride + 1) + 1 + x] + prediction(data, y, x, stride, 4, filter)) & 255;
    }
  }
  return data;
}

// Returns what a filter predicts of a byte from those to the left, above, and above to the left.
function prediction(data, y, x, stride, channels, filter) {
  if (filter === 0) return 0;
  const at = y * stride + x;
  const left = x < channels ? 0 : data[at - channels];
  if (filter === SUB) return left;
  const up = y ? data[at - stride] : 0;
  if (filter === UP) return up;
  if (filter === AVERAGE) return (left + up) >> 1;
  const corner = y && x >= channels ? data[at - stride - channels] : 0;
  return paeth(left, up, corner);
}

function paeth(left, up, corner) {
  const sum = left + up - corner;
  const [a, b, c] = [Math.abs(sum - left), Math.abs(sum - up), Math.abs(sum - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

async function pipe(data, transform) {
  const stream = new Blob([data]).stream().pipeThrough(transform);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(type, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...type].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, checksum(bytes.subarray(4, data.length + 8)));
  return bytes;
}

function checksum(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc;
}
