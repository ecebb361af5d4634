/** The network of a .tflite file, run by LiteRT within the page. */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

export class Translator {
  /**
   * @param description what the server tells in model.json
   * @param model the compiled model
   */
  constructor(description, model) {
    const { size, io, classes, outputChannels } = description;
    this.shape = [1, size, size, classes[0].source.length];
    this.outputChannels = outputChannels;
    this.uint8 = io === "uint8";
    this.model = model;
    // The channels of each class, as the model takes them: 0 to 255, or -1 to 1.
    this.codes = classes.map(({ source }) => (this.uint8 ? source : source.map((level) => level / 127.5 - 1)));
  }

  static async load(description) {
    await loadLiteRt("vendor/@litertjs/core/wasm/");
    return new Translator(description, await loadAndCompile("model.tflite", { accelerator: "wasm" }));
  }

  /**
   * @param labels class of each pixel, row by row
   * @return the generated picture, an ImageData
   */
  async translate(labels) {
    const [, height, width, channels] = this.shape;
    const source = new (this.uint8 ? Uint8Array : Float32Array)(labels.length * channels);
    labels.forEach((label, pixel) => source.set(this.codes[label], pixel * channels));

    const input = new Tensor(source, this.shape);
    const [output] = await this.model.run(input);
    const drawn = output.toTypedArray();
    input.delete(); // memory of WebAssembly is not collected
    output.delete();

    const picture = new ImageData(width, height);
    for (let pixel = 0; pixel < labels.length; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const value = drawn[pixel * this.outputChannels + (this.outputChannels < 3 ? 0 : channel)];
        picture.data[4 * pixel + channel] = this.uint8 ? value : (value + 1) * 127.5; // rounded and clipped when stored
      }
      picture.data[4 * pixel + 3] = 255;
    }
    return picture;
  }
}
