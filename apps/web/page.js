/** The page: painting with mouse, pen, touch or keyboard, and the generated picture beside the label map. */

import { Drawing } from "./drawing.js";
import { Translator } from "./translator.js";

const LIVE = 60; // [ms]; a slower model runs only at the end of a stroke, so that the brush does not stutter

const element = (id) => document.getElementById(id);
const chosen = (name) => element("tools").elements[name].value;
const canvas = element("labels");

let model, drawing, translator;
let stroke = null; // first and last pixel of the current stroke; null between strokes
let cursor = null; // the pixel below the pointer
let asked = false;
let busy = false;
let milliseconds = 0;

async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return response;
}

function fail(what, error) {
  element("status").className = "failed";
  element("status").textContent = `${what} (${error?.message ?? error})`;
}

// -- showing -------------------------------------------------------------------------------------------------------

function show() {
  const picture = new ImageData(model.size, model.size);
  const colours = model.classes.map(({ colour }) => [...colour, 255]);
  drawing.labels.forEach((label, pixel) => picture.data.set(colours[label], 4 * pixel));
  canvas.getContext("2d").putImageData(picture, 0, 0);
  element("undo").disabled = !drawing.former.length;
  asked = true;
  element("generated").ariaBusy = "true";
  answer();
}

/** Translate the label map. If it changes in the meantime, translate it once more afterwards. */
async function answer() {
  if (!translator || busy || !asked || (stroke && milliseconds > LIVE)) return;
  busy = true;
  asked = false;
  try {
    await new Promise(requestAnimationFrame); // show the label map first
    const start = performance.now();
    const picture = await translator.translate(drawing.labels);
    milliseconds = performance.now() - start;
    element("generated").getContext("2d").putImageData(picture, 0, 0);
    element("time").textContent = `Generated in ${milliseconds.toFixed(0)} ms`;
    element("generated").ariaBusy = String(asked);
    element("save").disabled = false;
  } catch (error) {
    translator = null;
    fail("The model cannot be run.", error);
  }
  busy = false;
  answer();
}

function showCursor() {
  const width = chosen("tool") === "brush" ? Number(element("width").value) : 1;
  element("cursor").hidden = !cursor;
  if (!cursor) return;
  const percent = (pixels) => `${(100 * pixels) / model.size}%`;
  Object.assign(element("cursor").style, {
    left: percent(cursor.x - (width >> 1)),
    top: percent(cursor.y - (width >> 1)),
    width: percent(width),
    height: percent(width),
  });
}

// -- drawing -------------------------------------------------------------------------------------------------------

function begin(pixel) {
  drawing.remember();
  stroke = { first: pixel, last: pixel };
  move(pixel);
}

function move(pixel) {
  cursor = pixel;
  showCursor();
  if (!stroke) return;
  const label = Number(chosen("class"));
  if (chosen("tool") === "brush") drawing.line(stroke.last, pixel, Number(element("width").value), label);
  else drawing.rectangle(stroke.first, pixel, label);
  stroke.last = pixel;
  show();
}

function end() {
  stroke = null;
  answer();
}

/** Change the drawing without the brush, which ends the current stroke. */
function change(action) {
  stroke = null;
  action();
  show();
}

const undo = () => change(() => drawing.undo());

/** The pixel of the label map below a pointer, which may lie outside the map. */
function pixelOf(event) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return {
    x: Math.floor(((event.clientX - left) / width) * model.size),
    y: Math.floor(((event.clientY - top) / height) * model.size),
  };
}

function listen() {
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    begin(pixelOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.isPrimary) move(pixelOf(event));
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
  for (const name of ["pointerleave", "blur"]) {
    canvas.addEventListener(name, () => {
      cursor = null;
      showCursor();
    });
  }

  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const inside = (place) => Math.max(0, Math.min(model.size - 1, place));
    const { x, y } = cursor ?? { x: model.size >> 1, y: model.size >> 1 };
    if (event.key in directions) {
      const step = event.shiftKey ? 1 : Math.max(1, model.size >> 5);
      const [right, down] = directions[event.key];
      move({ x: inside(x + step * right), y: inside(y + step * down) });
    } else if (event.key === " ") {
      if (stroke) end();
      else begin({ x, y });
    } else {
      return;
    }
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") {
      event.preventDefault();
      undo();
    }
  });

  element("undo").addEventListener("click", undo);
  element("clear").addEventListener("click", () => change(() => drawing.clear()));
  element("random").addEventListener("click", random);
  element("save").addEventListener("click", save);
}

async function random() {
  try {
    const labels = new Uint8Array(await (await get("facade")).arrayBuffer());
    change(() => drawing.replace(labels));
  } catch (error) {
    fail("The server did not send a facade; is it still running?", error);
  }
}

function save() {
  element("generated").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "facade.png";
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// -- starting ------------------------------------------------------------------------------------------------------

function offerClasses() {
  model.classes.forEach(({ name, colour }, label) => {
    const entry = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "class", value: label });
    input.defaultChecked = name === "window";
    const swatch = document.createElement("span");
    swatch.style.background = `rgb(${colour})`;
    entry.append(input, swatch, name);
    element("classes").append(entry);
  });
}

async function start() {
  try {
    model = await (await get("model.json")).json();
  } catch (error) {
    return fail("The server does not answer; is it still running?", error);
  }
  for (const name of ["labels", "generated"]) Object.assign(element(name), { width: model.size, height: model.size });
  drawing = new Drawing(model.size, model.blank);
  offerClasses();
  listen();
  await random();
  drawing.former = []; // it was there from the beginning
  show();
  try {
    translator = await Translator.load(model);
    element("status").textContent = `${model.name}, ${model.size}×${model.size} pixels`;
  } catch (error) {
    return fail("The model cannot be loaded, so nothing is generated; drawing works.", error);
  }
  answer();
}

start();
