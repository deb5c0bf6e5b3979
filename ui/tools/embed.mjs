// Builds the pages and turns them into two sources: an assembler file that takes the compressed bytes
// in with .incbin, and the table of assets in C. The assembler's text names the content hash of each
// file, so a changed asset always assembles and links anew.
//   node embed.mjs <out folder> <folder as the assembler sees it> <depfile> <target in the depfile>
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack } from './pack.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TYPES = {
  html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml',
  woff2: 'font/woff2', png: 'image/png', json: 'application/json', txt: 'text/plain; charset=utf-8',
};

function walk(folder, base = '') {
  return readdirSync(join(folder, base), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((entry) => {
    const name = base ? `${base}/${entry.name}` : entry.name;
    return entry.isDirectory() ? [...walk(folder, name)] : [name];
  });
}

/** Everything the build reads; folders too, so that a new file counts. */
function inputs() {
  const out = ['index.html', 'package.json', 'package-lock.json', 'vite.config.ts', 'tsconfig.json'].map((name) => join(ROOT, name));
  const add = (folder) => {
    out.push(folder);
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) add(join(folder, entry.name));
      else out.push(join(folder, entry.name));
    }
  };
  for (const folder of ['src', 'public', 'tools']) add(join(ROOT, folder));
  return out;
}

const quote = (text) => `"${text.replace(/[\\"]/g, '\\$&')}"`;

function sources(dist, packed, seen) {
  let assembly = '// Made by ui/tools/embed.mjs.\n    .section .rodata\n';
  let externs = '', rows = '';
  walk(dist).forEach((name, i) => {
    const body = readFileSync(join(dist, name));
    const hash = createHash('sha256').update(body).digest('hex').slice(0, 32);
    const { br, gz } = pack(body);
    for (const [kind, bytes] of [['br', br], ['gz', gz]]) {
      // The hash of the compressed bytes: a different compressor also links anew.
      const file = `${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}.${kind}`;
      writeFileSync(join(packed, file), bytes);
      assembly += `    .globl ui_bytes_${i}_${kind}\n    .hidden ui_bytes_${i}_${kind}\n    .balign 16\nui_bytes_${i}_${kind}:\n    .incbin ${quote(`${seen}/packed/${file}`)}\n`;
      externs += `extern const unsigned char ui_bytes_${i}_${kind}[];\n`;
    }
    const type = TYPES[name.split('.').pop()];
    if (!type) throw new Error(`embed: no content type is known for ${name}`);
    const immutable = /^assets\/.+-[\w-]{8}\.\w+$/.test(name);
    rows += `    {${quote(name)}, ${quote(type)}, "\\"${hash}\\"", ${immutable}, ui_bytes_${i}_br, ${br.length}, ui_bytes_${i}_gz, ${gz.length}},\n`;
  });
  assembly += '    .section .note.GNU-stack,"",%progbits\n';
  const table = `// Made by ui/tools/embed.mjs.\n#include "ui_assets_table.h"\n\n${externs}\nconst struct ui_asset ui_asset_table[] = {\n${rows}};\nconst size_t ui_asset_count = sizeof ui_asset_table / sizeof ui_asset_table[0];\n`;
  return { assembly, table };
}

async function main() {
  const [, , out, seen, depfile, target] = process.argv;
  if (!target) throw new Error('embed: usage: embed.mjs <out> <seen> <depfile> <target>');
  if (!existsSync(join(ROOT, 'node_modules/vite/package.json'))) {
    console.error('ui: ui/node_modules is missing. Run `npm ci` in ui/ (or tools/setup.sh), or build without pages: meson configure -Dui=disabled');
    process.exit(1);
  }
  const dist = resolve(out, 'dist'), packed = resolve(out, 'packed');
  rmSync(packed, { recursive: true, force: true });
  mkdirSync(packed, { recursive: true });
  const { build } = await import('vite');
  await build({ root: ROOT, configFile: join(ROOT, 'vite.config.ts'), logLevel: 'warn', build: { outDir: dist, emptyOutDir: true } });
  const { assembly, table } = sources(dist, packed, seen);
  writeFileSync(join(out, 'ui_bytes.S'), assembly);
  writeFileSync(join(out, 'ui_table.c'), table);
  writeFileSync(depfile, `${target}: ${inputs().map((path) => path.replace(/ /g, '\\ ')).join(' ')}\n`);
}

await main();
