// Before vite build of the review site: an old build's files go, an export beside them stays, and the verifier comes from make wasm's place.
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const site = new URL("../../build/review/", import.meta.url).pathname, wasm = new URL("../../build/wasm/", import.meta.url).pathname;
mkdirSync(site, { recursive: true });
rmSync(join(site, "assets"), { recursive: true, force: true });
for (const name of ["wasm_exec.js", "jali-verify.wasm"]) copyFileSync(join(wasm, name), join(site, name));
