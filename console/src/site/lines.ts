// A file of lines that may be larger than memory should hold: the browser keeps it, and only where each line begins is kept here.
export class Lines {
  #blob: Blob;
  #starts: number[]; // and one more, past the last line

  private constructor(blob: Blob, starts: number[]) {
    this.#blob = blob;
    this.#starts = starts;
  }

  static async of(blob: Blob): Promise<Lines> {
    const starts = [0];
    let at = 0;
    const reader = blob.stream().getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      for (let i = part.value.indexOf(10); i >= 0; i = part.value.indexOf(10, i + 1)) starts.push(at + i + 1);
      at += part.value.length;
    }
    if (starts.at(-1) !== at) throw new Error("the last line is cut");
    return new Lines(blob, starts);
  }

  get length() {
    return this.#starts.length - 1;
  }

  // read returns lines [from, to).
  async read(from: number, to: number): Promise<string[]> {
    if (from >= to) return [];
    const part = this.#blob.slice(this.#starts[from], this.#starts[to] - 1);
    // What is not UTF-8 is no line, rather than one that was mended.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await part.arrayBuffer()).split("\n");
  }
}
