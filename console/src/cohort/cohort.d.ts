declare module "*/crypto/cohort/wasm/cohort.mjs" {
  interface Upload {
    bytes: number;
    blocks: number;
    send(put: (bytes: Uint8Array, offset: number) => Promise<void>): Promise<void>;
    commit(): Uint8Array;
    erase(): void;
  }
  interface Key {
    id: Uint8Array;
    params: string;
    store(): Uint8Array;
    encrypt(question: object, selected: number[], o: { remember: (seed: Uint8Array) => Promise<void>; auditor: Uint8Array | null }): Promise<Upload>;
    decrypt(reply: Uint8Array, bounds: bigint[]): { numbers: number[]; outOfRange: boolean };
    erase(): void;
  }
  interface Cohort {
    sizes(params: string): { slotsPerBlock: number; registration: number; reply: number; limit: number };
    generateKey(params: string, crs: Uint8Array, auditor: Uint8Array | null): { key: Key; registration: Uint8Array };
    restoreKey(stored: Uint8Array): Key;
  }
  export function load(source: Promise<Response>): Promise<Cohort>;
}
