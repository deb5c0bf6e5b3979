// Compares what every installed package asks of Node with the oldest Node that we promise (Debian 12's).
// Fails on a package that asks for a newer one, on a version that is not exact, on a package that
// would run a script at install, and on a lockfile that names a registry's host.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OLDEST = [18, 19, 0];

function compare(a, b) {
  for (let i = 0; i < 3; i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) - (b[i] ?? 0);
  return 0;
}

const numbers = (text) => text.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : 0));

/** Does one comparator such as ">=18.12", "^20.0.0", "18.x" or "*" admit the version? */
function admits(comparator, version) {
  const found = /^(>=|<=|>|<|\^|~|=|v)?\s*v?(\*|x|\d[\d.x*]*)/.exec(comparator.trim());
  if (!found) throw new Error(`cannot read "${comparator}"`);
  const [, sign = '', text] = found;
  if (text === '*' || text === 'x') return true;
  const wanted = numbers(text), parts = text.split('.').filter((p) => /^\d+$/.test(p)).length;
  const order = compare(version, wanted);
  if (sign === '>=') return order >= 0;
  if (sign === '<=') return order <= 0;
  if (sign === '>') return parts < 3 ? version[0] > wanted[0] : order > 0;
  if (sign === '<') return order < 0;
  if (sign === '^') return order >= 0 && version[0] === wanted[0];
  if (sign === '~') return order >= 0 && version[0] === wanted[0] && (parts < 2 || version[1] === wanted[1]);
  return wanted.slice(0, parts).every((n, i) => n === version[i]);
}

export function satisfies(range, version) {
  return range.split('||').some((part) => {
    const hyphen = /^\s*(\S+)\s+-\s+(\S+)\s*$/.exec(part);
    if (hyphen) return admits(`>=${hyphen[1]}`, version) && admits(`<=${hyphen[2]}`, version);
    const all = part.replace(/([<>=^~])\s+/g, '$1').trim().split(/\s+/).filter(Boolean);
    return all.every((comparator) => admits(comparator, version));
  });
}

function selfTest() {
  const is = [['>=18', true], ['^18.0.0 || ^20.0.0 || >=22.0.0', true], ['^20.19.0 || >=22.12.0', false], ['>= 20', false], ['18 || 20 || >=22', true],
    ['14 || >=16.14', true], ['>=12.0.0', true], ['>=18.20', false], ['*', true], ['<18', false], ['>=16 <18', false], ['10 - 18.99', true], ['>18', false], ['~18.19', true]];
  for (const [range, want] of is) if (satisfies(range, OLDEST) !== want) throw new Error(`engines: the check reads "${range}" wrongly`);
}

function packages(folder, out = []) {
  if (!existsSync(folder)) return out;
  for (const name of readdirSync(folder)) {
    if (name.startsWith('.')) continue;
    const path = join(folder, name);
    if (name.startsWith('@')) packages(path, out);
    else if (existsSync(join(path, 'package.json'))) {
      out.push(path);
      packages(join(path, 'node_modules'), out);
    }
  }
  return out;
}

function main() {
  selfTest();
  const problems = [];
  const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  for (const [name, version] of Object.entries({ ...own.dependencies, ...own.devDependencies, ...own.overrides })) {
    if (!/^\d+\.\d+\.\d+$/.test(version)) problems.push(`${name}: "${version}" is no exact version`);
  }
  const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
  if (/"resolved"/.test(lock)) problems.push('package-lock.json: has "resolved" fields; they name a registry');
  const locked = JSON.parse(lock).packages;
  for (const [path, entry] of Object.entries(locked)) {
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (!locked[`node_modules/${name}`] && !locked[`${path}/node_modules/${name}`]) problems.push(`${path}: the lockfile lacks its ${name}; other machines could not install`);
    }
    if (path && !entry.link && !entry.integrity) problems.push(`${path}: the lockfile has no integrity for it`);
    const range = entry.engines?.node;
    if (path && range && !satisfies(range, OLDEST)) problems.push(`${path} ${entry.version}: asks for node ${range}`);
  }
  const installed = packages(join(ROOT, 'node_modules'));
  if (installed.length === 0) problems.push('ui/node_modules is missing: run `npm ci` in ui/');
  for (const path of installed) {
    const { name, version, engines } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    if (engines?.node && !satisfies(engines.node, OLDEST)) problems.push(`${name} ${version}: asks for node ${engines.node}`);
  }
  if (!/^ignore-scripts=true$/m.test(readFileSync(join(ROOT, '.npmrc'), 'utf8'))) problems.push('.npmrc: install scripts are not switched off');
  for (const problem of new Set(problems)) console.log(`engines: ${problem}`);
  console.log(`engines: ${installed.length} packages against node ${OLDEST.join('.')}, ${new Set(problems).size} problems`);
  process.exit(problems.length ? 1 : 0);
}

main();
