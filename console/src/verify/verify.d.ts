declare module "*/audit/wasm/verify.js" {
  export const sha256: (...parts: Iterable<number>[]) => Promise<Uint8Array>;
  export const leafHash: (line: Uint8Array) => Promise<Uint8Array>;
  export const nodeHash: (l: Uint8Array, r: Uint8Array) => Promise<Uint8Array>;
  export const b64: (bytes: Uint8Array) => string;
  export const tilePath: (level: number | string, n: number, width: number) => string;
  export const b64url: (bytes: Uint8Array) => string;
  export const same: (a: Uint8Array, b: Uint8Array) => boolean;
  export const fail: (what: string, entry?: number) => never;
  export const charge: (ledgers: Record<string, unknown>, e: unknown) => void;
  export const parseEntry: (line: string, seq: number) => unknown;
  export const keysOf: (vkeys: string) => Promise<{ origin: string; lines: string[] }>;
  export const openCheckpoint: (note: string, keys: unknown) => Promise<{ size: number; root: Uint8Array }>;
  export const verifyReceipt: (receipt: string, result: Uint8Array | null, vkeys: string) => Promise<{ ok: boolean; checked: string[] }>;
}
