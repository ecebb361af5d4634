/** A label map that is painted in strokes, each of which can be undone. */

const KEPT = 200; // number of strokes that can be undone

export class Drawing {
  /**
   * @param size of the map, in pixels
   * @param blank class of an empty map
   */
  constructor(size, blank) {
    this.size = size;
    this.blank = blank;
    this.labels = new Uint8Array(size * size).fill(blank);
    this.former = [];
  }

  /** Store the map for undo. Call this before each change. */
  remember() {
    this.former.push(this.labels.slice());
    if (this.former.length > KEPT) this.former.shift();
  }

  undo() {
    this.labels = this.former.pop() ?? this.labels;
  }

  replace(labels) {
    this.remember();
    this.labels = labels;
  }

  clear() {
    this.replace(new Uint8Array(this.size ** 2).fill(this.blank));
  }

  /** Paint a line from one pixel to another with a square brush. */
  line(from, to, width, label) {
    const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
    for (let step = 0; step <= steps; step++) {
      const left = Math.round(from.x + ((to.x - from.x) * step) / steps) - (width >> 1);
      const top = Math.round(from.y + ((to.y - from.y) * step) / steps) - (width >> 1);
      this.fill(left, top, left + width, top + width, label);
    }
  }

  /** Paint a rectangle with two pixels as opposite corners, instead of what this stroke has painted so far. */
  rectangle(from, to, label) {
    this.labels = this.former.at(-1).slice();
    const [left, right] = [Math.min(from.x, to.x), Math.max(from.x, to.x)];
    const [top, bottom] = [Math.min(from.y, to.y), Math.max(from.y, to.y)];
    this.fill(left, top, right + 1, bottom + 1, label);
  }

  fill(left, top, right, bottom, label) {
    const inside = (place) => Math.max(0, Math.min(this.size, place));
    for (let y = inside(top); y < inside(bottom); y++) {
      this.labels.fill(label, y * this.size + inside(left), y * this.size + inside(right));
    }
  }
}
