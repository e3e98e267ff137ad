// After vite build: puts the WebAssembly parts into the build, and compresses everything once, so that the gateway does not have to.
// make wasm has made the parts before.
import { brotliCompressSync, constants } from "node:zlib";
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const dist = new URL("../../gateway/console/dist/", import.meta.url).pathname;
const wasm = new URL("../../build/wasm/", import.meta.url).pathname;

const brotli = (bytes, quality) =>
  brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });

copyFileSync(join(wasm, "wasm_exec.js"), join(dist, "wasm_exec.js"));
for (const name of ["jali-verify.wasm", "jali-cohort.wasm"]) {
  // As br only: every browser with WebAssembly and TLS takes it. One that was made of the same bytes is kept: it takes half a minute.
  const source = join(wasm, name), target = join(dist, `${name}.br`);
  if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) continue;
  writeFileSync(target, brotli(readFileSync(source), process.env.JALI_FAST ? 5 : 10));
}
const walk = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? walk(join(dir, e.name)) : [join(dir, e.name)]));
for (const file of walk(dist)) {
  if (!/\.(js|css|html|svg)$/.test(file)) continue;
  const bytes = readFileSync(file);
  if (bytes.length > 512) writeFileSync(`${file}.br`, brotli(bytes, 11));
  else rmSync(`${file}.br`, { force: true });
}
