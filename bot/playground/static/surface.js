// The canvas of the drawing pad: strokes by mouse, finger, pen and arrow keys.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ARROW_STEP = 1 / 64; // of the longer side; with Shift a quarter of it
const PEN_ERASER = 5; // button of a pointer event
const BY_KEYS = "keys";

export class Surface {
  // `brush` returns color, width (in pixels of the canvas) and erases; `onChange` follows a stroke.
  constructor(canvas, ring, brush, onChange) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.ring = ring;
    this.brush = brush;
    this.onChange = onChange;
    this.drawing = null;
    this.source = null; // of the stroke that has begun: the id of a pointer, or BY_KEYS
    this.listen();
  }

  listen() {
    const on = (name, handle) => this.canvas.addEventListener(name, handle);
    on("pointerdown", (event) => this.onPointerDown(event));
    on("pointermove", (event) => this.onPointerMove(event));
    on("pointerup", (event) => event.pointerId === this.source && this.end());
    on("pointercancel", (event) => event.pointerId === this.source && this.cancel());
    on("pointerleave", () => (this.ring.hidden = true));
    on("keydown", (event) => this.onKey(event));
    on("blur", () => this.end());
  }

  show(drawing, { width, height }) {
    this.end();
    this.drawing = drawing;
    Object.assign(this.canvas, { width, height });
    this.cursor = [width / 2, height / 2];
    this.repaint();
  }

  hide() {
    this.end();
    this.drawing = null;
    this.canvas.width = this.canvas.height = 1;
  }

  repaint() {
    this.drawing.paint(this.context);
  }

  begin(source, brush, point) {
    this.end();
    this.source = source;
    this.drawing.begin(brush, point);
    this.drawing.paintLast(this.context);
    this.onChange();
  }

  extend(point) {
    this.drawing.extend(point);
    this.drawing.paintLast(this.context);
  }

  end() {
    if (this.source === null) return;
    this.source = null;
    this.drawing.end();
    this.repaint(); // as one line, whose edge is smoother than that of its parts
    this.onChange();
  }

  cancel() {
    this.drawing.cancel();
    this.end();
  }

  onPointerDown(event) {
    const isEraser = event.button === PEN_ERASER;
    if (!this.drawing || !(event.button === 0 || isEraser) || Number.isInteger(this.source)) return;
    this.canvas.setPointerCapture(event.pointerId);
    const brush = this.brush();
    this.begin(event.pointerId, { ...brush, erases: brush.erases || isEraser }, this.pointOf(event));
    this.showRing(this.pointOf(event));
  }

  onPointerMove(event) {
    if (!this.drawing) return;
    this.showRing(this.pointOf(event));
    if (event.pointerId !== this.source) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const step of events.length ? events : [event]) this.extend(this.pointOf(step));
  }

  onKey(event) {
    if (!this.drawing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") {
      if (this.source === BY_KEYS) this.end();
      else if (this.source === null) this.begin(BY_KEYS, this.brush(), this.cursor);
    } else if (event.key in ARROWS) {
      this.moveCursor(ARROWS[event.key], event.shiftKey);
    } else {
      return;
    }
    event.preventDefault();
    this.showRing(this.cursor);
  }

  moveCursor(direction, isFine) {
    const { width, height } = this.canvas;
    const step = Math.max(width, height) * ARROW_STEP * (isFine ? 0.25 : 1);
    const sizes = [width, height];
    this.cursor = this.cursor.map((value, axis) =>
      Math.min(Math.max(value + direction[axis] * step, 0), sizes[axis]),
    );
    if (this.source === BY_KEYS) this.extend(this.cursor);
  }

  // Returns the position of a pointer in pixels of the canvas.
  pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  // Shows the width of the brush around a point.
  showRing([x, y]) {
    const { width, height } = this.canvas;
    this.ring.hidden = false;
    this.ring.style.left = `${(100 * x) / width}%`;
    this.ring.style.top = `${(100 * y) / height}%`;
    this.ring.style.width = `${(100 * this.brush().width) / width}%`;
  }
}
