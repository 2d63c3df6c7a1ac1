// Bundles src/ into dist/: index.html, app.js, app.css, favicon.svg and the licences of what is bundled.
import { context, build } from "esbuild";
import { cp, readFile, writeFile, mkdir, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(here, "dist");

// The rendering library gives its root a fixed DOM id, which would repeat in every message. Its style sheet hangs on
// that id, so both are turned into the class that the same element already has.
const idsToClasses = {
  name: "ids-to-classes",
  setup(builder) {
    builder.onLoad({ filter: /slack-blocks-to-jsx[\\/]dist[\\/]index\.mjs$/ }, async ({ path: file }) => {
      const text = await readFile(file, "utf8");
      const contents = text.replaceAll('id:"slack_blocks_to_jsx",', "");
      if (contents === text) throw new Error("slack-blocks-to-jsx no longer has the id that this build removes");
      return { contents, loader: "js" };
    });
    builder.onLoad({ filter: /slack-blocks-to-jsx[\\/]dist[\\/]style\.css$/ }, async ({ path: file }) => {
      const text = await readFile(file, "utf8");
      const contents = text.replaceAll("#slack_blocks_to_jsx", ".slack_blocks_to_jsx");
      if (contents === text) throw new Error("slack-blocks-to-jsx no longer has the style sheet that this build changes");
      return { contents, loader: "css" };
    });
  },
};

const options = {
  entryPoints: { app: path.join(here, "src/main.jsx") },
  outdir: out,
  bundle: true,
  minify: true,
  metafile: true,
  format: "iife",
  target: ["chrome111", "firefox115", "safari16.4"],
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "none",
  plugins: [idsToClasses],
  logLevel: "info",
};

/** The licence texts of every package that ended up in the bundle. */
async function licences(metafile) {
  const packages = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const found = input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//);
    if (found) packages.add(found[1]);
  }
  const parts = [];
  for (const folder of [...packages].sort()) {
    const root = path.resolve(folder);
    const about = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
    const name = (await readdir(root)).find((file) => /^(licen[cs]e|copying)(\.|$)/i.test(file));
    const author = typeof about.author === "object" ? about.author.name : about.author;
    const declared = `The package names ${about.license} as its licence and ${author ?? "nobody"} as its author; it has no licence file.`;
    const text = name ? (await readFile(path.join(root, name), "utf8")).trim() : declared;
    parts.push(`${about.name} ${about.version} (${about.license})\n\n${text}`);
  }
  return `app.js and app.css contain the packages below, under these licences.\n\n${parts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}

await mkdir(out, { recursive: true });
for (const file of ["index.html", "favicon.svg"]) await cp(path.join(here, "src", file), path.join(out, file));
if (process.argv.includes("--watch")) {
  await (await context(options)).watch();
} else {
  const { metafile } = await build(options);
  await writeFile(path.join(out, "LICENSES.txt"), await licences(metafile));
}
