// The strokes of a drawing, which can be undone and painted on a canvas again.

const CLEAR = { points: [], clears: true };

export class Drawing {
  constructor() {
    this.strokes = [];
    this.undone = [];
    this.open = false;
  }

  // `brush` has the properties color, width (pixels) and erases; points are pairs of pixels.
  begin(brush, point) {
    this.undone = [];
    this.strokes.push({ ...brush, points: [point] });
    this.open = true;
  }

  extend(point) {
    this.strokes.at(-1).points.push(point);
  }

  end() {
    this.open = false;
  }

  cancel() {
    this.open = false;
    this.strokes.pop();
  }

  clear() {
    this.undone = [];
    this.strokes.push(CLEAR);
  }

  undo() {
    if (this.canUndo) this.undone.push(this.strokes.pop());
  }

  redo() {
    if (this.canRedo) this.strokes.push(this.undone.pop());
  }

  get canUndo() {
    return !this.open && this.strokes.length > 0;
  }

  get canRedo() {
    return !this.open && this.undone.length > 0;
  }

  get isEmpty() {
    return this.visibleStrokes.every(({ erases }) => erases);
  }

  get visibleStrokes() {
    return this.strokes.slice(this.strokes.lastIndexOf(CLEAR) + 1);
  }

  paint(context) {
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    for (const stroke of this.visibleStrokes) paintLine(context, stroke, stroke.points);
  }

  // Paints the newest part of a stroke that is being drawn.
  paintLast(context) {
    const stroke = this.strokes.at(-1);
    paintLine(context, stroke, stroke.points.slice(-2));
  }
}

function paintLine(context, { color, width, erases }, points) {
  context.globalCompositeOperation = erases ? "destination-out" : "source-over";
  context.fillStyle = context.strokeStyle = color;
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  if (points.length === 1) {
    context.arc(...points[0], width / 2, 0, 2 * Math.PI);
    context.fill();
  } else {
    points.forEach((point) => context.lineTo(...point));
    context.stroke();
  }
}
