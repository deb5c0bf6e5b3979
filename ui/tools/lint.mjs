// House rules of the UI that the compiler does not check: no door for hostile text, no inline script
// or style, one file that knows URLs, imports that only go down, short files.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LINES = 300;
const DOORS = /\b(innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|createContextualFragment|DOMParser|eval\s*\(|new Function)\b/;
const FLOORS = ['model', 'widgets', 'views'];

function files(folder, ending) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return files(path, ending);
    return ending.test(entry.name) ? [path] : [];
  });
}

export function check(path, text) {
  const out = [];
  const say = (line, what) => out.push(`${path}:${line}: ${what}`);
  const lines = text.split('\n');
  if (lines.length - 1 > LINES) say(1, `${lines.length - 1} lines, at most ${LINES}`);
  const folder = /^src\/(\w+)\//.exec(path)?.[1];
  lines.forEach((line, i) => {
    if (DOORS.test(line)) say(i + 1, `${DOORS.exec(line)[0]}: text from outside goes into text nodes only`);
    if (/\bstyle="/.test(line)) say(i + 1, 'a style attribute in text: the policy forbids it');
    if (path.startsWith('src/') && !/^src\/api(_more)?\.ts$/.test(path) && !/\.test\.ts$/.test(path) && /['"`/]api\/v1\//.test(line)) say(i + 1, 'only src/api.ts and src/api_more.ts know URLs');
    if (/\bfetch\(/.test(line) && path.startsWith('src/') && path !== 'src/api.ts') say(i + 1, 'only src/api.ts talks to the server');
    if (/https?:\/\//.test(line) && path.startsWith('src/') && !/\.test\.ts$/.test(path) && !/\/\^https\?/.test(line) && !/w3\.org/.test(line)) say(i + 1, 'nothing remote');
    const to = /from '\.\.?\/(?:\.\.\/)?(\w+)\//.exec(line)?.[1];
    if (folder && to && FLOORS.indexOf(to) > FLOORS.indexOf(folder)) say(i + 1, `${folder} may not import from ${to}`);
  });
  return out;
}

const PLANTED = [
  ['src/views/a.tsx', 'x.innerHTML = y;\n'], ['src/views/b.tsx', "fetch('x');\n"], ['src/model/c.ts', "import { x } from '../widgets/x';\n"],
  ['src/views/d.tsx', "const u = 'api/v1/query';\n"], ['src/views/e.tsx', '\n'.repeat(400)], ['src/views/f.tsx', "const u = 'https://example.org/x.js';\n"],
];
for (const [path, text] of PLANTED) {
  if (check(path, text).length === 0) {
    console.log(`lint: self-test: the breach in ${path} was not found`);
    process.exit(1);
  }
}
const found = [...files(join(ROOT, 'src'), /\.tsx?$/), ...files(join(ROOT, 'e2e'), /\.mjs$/), join(ROOT, 'index.html')]
  .flatMap((path) => check(relative(ROOT, path), readFileSync(path, 'utf8')));
for (const line of found) console.log(line);
console.log(`lint: ${found.length} findings`);
process.exit(found.length ? 1 : 0);
