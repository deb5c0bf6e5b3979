// Fails if the built pages weigh more than promised. Sizes are brotli, as they are sent.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack } from './pack.mjs';

const DIST = process.argv[2] ?? fileURLToPath(new URL('../dist', import.meta.url));
const KB = 1000;
const BUDGET = { 'first load': 60 * KB, editor: 135 * KB, total: 350 * KB };

const size = (name) => pack(readFileSync(join(DIST, name))).br.length;
const index = readFileSync(join(DIST, 'index.html'), 'utf8');
const first = ['index.html', ...[...index.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((m) => m[1])];
const assets = readdirSync(join(DIST, 'assets')).map((name) => `assets/${name}`);
const editor = assets.filter((name) => /^assets\/editor[-_]/.test(name));
const all = [...new Set([...first, ...assets])];
const parts = { 'first load': first, editor, total: all };
let failed = false;
for (const [name, list] of Object.entries(parts)) {
  const bytes = list.reduce((sum, file) => sum + size(file), 0);
  const over = bytes > BUDGET[name] || list.length < 2;
  failed ||= over;
  console.log(`budget: ${name}: ${(bytes / KB).toFixed(1)} KB of ${BUDGET[name] / KB} KB in ${list.length} files${over ? ' — TOO MUCH' : ''}`);
}
process.exit(failed ? 1 : 0);
