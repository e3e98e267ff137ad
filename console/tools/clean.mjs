// Before vite build: an old build's files must not be compiled into the gateway. The WebAssembly parts stay: compress.mjs looks whether they are new.
import { readdirSync, rmSync } from "node:fs";

const dist = new URL("../../gateway/console/dist/", import.meta.url);
for (const name of readdirSync(dist)) if (name !== "README" && !name.endsWith(".wasm.br")) rmSync(new URL(name, dist), { recursive: true });
