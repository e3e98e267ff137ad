import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// The console lies at /console/ of the gateway and asks nobody else for anything.
export default defineConfig({
  base: "/console/",
  plugins: [svelte()],
  worker: { format: "es" },
  build: {
    outDir: "../gateway/console/dist",
    emptyOutDir: false,
    target: "es2023",
    // An inlined asset would be a data: address, which the content security policy does not allow.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
});
