import { svelte } from "@sveltejs/vite-plugin-svelte";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

// The review site: static files that a witness serves, wherever it likes, with an export beside them. The views are the console's; the gateway's services are replaced by the export.
const record = fileURLToPath(new URL("src/site/record.ts", import.meta.url));

export default defineConfig({
  root: "site",
  base: "./",
  publicDir: "../public",
  plugins: [svelte()],
  resolve: { alias: [{ find: /^.*\/lib\/api$/, replacement: record }] },
  worker: { format: "es" },
  build: {
    outDir: "../../build/review",
    // An export that somebody put there stays: tools/review.mjs removes what an earlier build made.
    emptyOutDir: false,
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
});
