// The auditor's program in WebAssembly, for workers: loads once, and gives its answers as objects.
export interface Answer {
  ok: boolean;
  error?: string;
  entry?: number;
  field?: string;
  origin?: string;
  size?: number;
  root?: string;
  signed_by?: string[];
  checked?: string[];
  log?: number;
  text?: string;
}

interface Exports {
  Go: new () => { importObject: WebAssembly.Imports; run(i: WebAssembly.Instance): Promise<void> };
  jaliLive: Record<"open" | "feed" | "check" | "close" | "entry" | "fhir", (...args: (string | number)[]) => string>;
  jaliVerifyReceipt(receipt: string, result: Uint8Array | null, vkeys: string): string;
}

let loading: Promise<Exports> | undefined;

export function auditor(): Promise<Exports> {
  loading ??= (async () => {
    // Workers lie in assets/, what is served with them one above. @vite-ignore: the file of the Go release that made the program; it defines Go on globalThis.
    await import(/* @vite-ignore */ new URL("../wasm_exec.js", self.location.href).href);
    const g = globalThis as unknown as Exports;
    const go = new g.Go();
    const { instance } = await WebAssembly.instantiateStreaming(fetch(new URL("../jali-verify.wasm", self.location.href)), go.importObject);
    void go.run(instance);
    return g;
  })();
  return loading;
}
