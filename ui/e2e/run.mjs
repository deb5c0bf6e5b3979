// Walks the pages of a server in Chromium and says what is wrong with them.
//   node e2e/run.mjs <base URL> [--shots <folder>] [--expr <query>] [--only <word>]   a real server
//   node e2e/run.mjs <base URL> --slow <address> --heat <address>     a real server with data for walks_real.mjs alone
//   node e2e/run.mjs --mock [--shots <folder>]            the mock: also empty, hostile, many, away
// Prints a line for each check and at the end "N passed, N failed".
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { openBrowser, openPage } from './browser.mjs';
import { mockWalks } from './walks_mock.mjs';
import { realWalks } from './walks_real.mjs';
import { walks } from './walks.mjs';

const require = createRequire(import.meta.url);

function options(argv) {
  const out = { base: '', shots: '', expr: 'up', only: '', slow: '', heat: '', mock: false };
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--mock') out.mock = true;
    else if (argv[i] === '--shots') out.shots = argv[++i];
    else if (argv[i] === '--expr') out.expr = argv[++i];
    else if (argv[i] === '--only') out.only = argv[++i];
    else if (argv[i] === '--slow') out.slow = argv[++i];
    else if (argv[i] === '--heat') out.heat = argv[++i];
    else out.base = argv[i];
  }
  if (!out.base && !out.mock) throw new Error('which server? give its base URL, or --mock');
  if (out.base && !out.base.endsWith('/')) out.base += '/';
  return out;
}

export class Run {
  constructor(browser, opts) {
    this.browser = browser;
    this.opts = opts;
    this.passed = this.failed = 0;
    this.axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
    if (opts.shots) mkdirSync(opts.shots, { recursive: true });
  }

  /** One check: a fresh page, a walk, and no error or breach of the policy on the way. */
  async check(name, how, walk) {
    if (this.opts.only && !name.includes(this.opts.only)) return;
    const { page, context, problems } = await openPage(this.browser, how);
    const began = Date.now();
    try {
      await walk(page);
      if (problems.length) throw new Error(problems.join('\n'));
      this.passed++;
      console.log(`ok     ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      this.failed++;
      console.log(`FAILED ${name}: ${error.message}\n${problems.join('\n')}`);
      if (this.opts.shots) await page.screenshot({ path: join(this.opts.shots, `failed-${name.replace(/[^a-z0-9]+/gi, '-')}.png`) }).catch(() => undefined);
    } finally {
      await context.close();
    }
  }

  async shot(page, name) {
    if (this.opts.shots) await page.screenshot({ path: join(this.opts.shots, `${name}.png`) });
  }

  /** No accessibility violation on the page as it is now. axe is evaluated past the policy, by the browser. */
  async accessible(page) {
    await page.evaluate(this.axe);
    const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    if (found.violations.length === 0) return;
    throw new Error(found.violations.map((v) => `axe ${v.id}: ${v.help}\n${v.nodes.slice(0, 3).map((n) => `   ${n.target.join(' ')} ${n.failureSummary?.split('\n')[1] ?? ''}`).join('\n')}`).join('\n'));
  }
}

const opts = options(process.argv.slice(2));
const browser = await openBrowser();
const run = new Run(browser, opts);
try {
  if (opts.slow || opts.heat) await realWalks(run, opts.base, opts);
  else if (opts.base) await walks(run, opts.base, opts.expr);
  if (opts.mock) await mockWalks(run);
} finally {
  await browser.close();
}
console.log(`${run.passed} passed, ${run.failed} failed`);
process.exit(run.failed === 0 && run.passed > 0 ? 0 : 1);
