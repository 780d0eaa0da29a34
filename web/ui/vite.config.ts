import { defineConfig } from "vitest/config";
import { compressed } from "./compressed";
import { licences } from "./licences";

export default defineConfig({
  // The gateway serves the page at `/` and its files below `/assets/`.
  base: "/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  plugins: [licences(), compressed()],
  build: {
    target: "es2022",
    // A font or picture within a style sheet would be a data: address, which the content policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1_500,
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
