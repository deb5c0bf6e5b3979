// The walks that any server must stand, however young and busy: every page in both schemes and sizes, the
// keyboard, a pasted link. No step depends on how fast the machine is: each waits for what it needs to see.
import { PATIENCE, quietFor } from './browser.mjs';

export const PAGES = [
  ['home', '', 'h1.verdict'], ['explore', 'query', '.pane'], ['host', 'dashboards/host', 'main h1'], ['alerts', 'alerts', 'main h1'],
  ['rules', 'alerts?tab=rules', 'main h1'], ['targets', 'targets', 'main h1'], ['status', 'status', 'main h1'], ['flags', 'status?tab=flags', 'main h1'],
  ['configuration', 'status?tab=configuration', 'main h1'], ['tsdb', 'status?tab=tsdb', 'main h1'], ['queries', 'status?tab=queries', '.table-note'],
];

export function need(truth, text) {
  if (!truth) throw new Error(text);
}

/** Asks the page again and again from outside: the policy forbids the browser's own way (it evaluates text). */
export async function until(page, test) {
  await eventually(() => page.evaluate(`!!(${test})()`), test);
}

/** Asks again and again until it is so. */
export async function eventually(test, what) {
  for (const end = Date.now() + PATIENCE; ;) {
    if (await test()) return;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Waits until nothing is loading: no request for a while, no reserved space without content. */
export async function settled(page) {
  const began = Date.now();
  await eventually(() => quietFor(page, 250, began), 'a quiet network');
  await until(page, () => document.querySelectorAll('main .waiting').length === 0);
}

export async function open(page, url, wanted) {
  await page.goto(url);
  await page.waitForSelector(wanted);
  await settled(page);
}

async function fits(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  need(over <= 0, `the page is ${over} px wider than the window`);
}

export async function everyPage(run, base, tag, pages = PAGES) {
  for (const size of ['wide', 'phone']) {
    for (const scheme of ['light', 'dark']) {
      for (const [name, path, wanted] of pages) {
        await run.check(`${tag}${name}, ${size}, ${scheme}`, { size, scheme }, async (page) => {
          await open(page, base + path, wanted);
          need(await page.evaluate(() => document.documentElement.dataset.scheme) === scheme, 'the scheme does not follow the system');
          await run.shot(page, `${tag}${name}-${size}-${scheme}`.replace(/[^\w-]+/g, '-'));
          await fits(page);
          await run.accessible(page);
        });
      }
    }
  }
}

async function keyboard(run, base) {
  await run.check('keyboard: go anywhere', {}, async (page) => {
    await open(page, base, 'h1.verdict');
    for (const [key, path] of [['a', 'alerts'], ['t', 'targets'], ['s', 'status'], ['d', 'dashboards/host'], ['e', 'query'], ['h', '']]) {
      const there = (url) => new URL(url).pathname === new URL(base + path).pathname;
      await eventually(async () => {
        if (there(page.url())) return true;
        await page.keyboard.press('g'); // the two keys belong together for 1.5 s: a busy machine may need another try
        await page.keyboard.press(key);
        return there(page.url());
      }, `g ${key} to lead to ${path}`);
    }
    await page.keyboard.press('?');
    await page.waitForSelector('dialog.help[open]');
    await run.accessible(page);
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog.help[open]', { state: 'detached' });
    await page.keyboard.press('Control+k');
    await page.waitForSelector('dialog.palette[open] input:focus');
    await page.keyboard.type('tsdb');
    await until(page, () => document.querySelector('[role=option][aria-selected=true]')?.textContent?.includes('TSDB'));
    await run.accessible(page);
    await page.keyboard.press('Enter');
    await page.waitForURL(/status\?.*tab=tsdb/);
    await page.goBack();
    await page.waitForSelector('h1.verdict');
  });
  await run.check('keyboard: range and search', {}, async (page) => {
    await open(page, base + 'targets', 'main h1');
    await page.keyboard.press('[');
    await page.waitForURL(/from=\d+.*to=\d+/);
    const before = new URL(page.url()).searchParams;
    await page.keyboard.press('+');
    await page.waitForURL((url) => url.searchParams.get('from') !== before.get('from'));
    const after = new URL(page.url()).searchParams;
    need(Math.abs((after.get('to') - after.get('from')) / (before.get('to') - before.get('from')) - 0.5) < 0.01, 'zooming in does not halve the range');
    await page.keyboard.press('/');
    if (await page.locator('main [data-search]').count()) {
      await page.waitForSelector('main [data-search]:focus');
      await page.keyboard.type('zzz');
      await page.waitForURL(/q=zzz/);
      await page.keyboard.press('Escape');
      await until(page, () => !document.querySelector('main [data-search]:focus'));
    }
  });
  await run.check('keyboard: all can be reached with Tab, and the focus is seen', {}, async (page) => {
    await open(page, base + 'alerts', 'main h1');
    await page.keyboard.press('Tab');
    need(await page.evaluate(() => document.activeElement?.classList.contains('skip')), 'the first stop is not the skip link');
    const seen = new Set();
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        if (!e || e === document.body) return '';
        const outline = getComputedStyle(e);
        return `${outline.outlineStyle === 'none' ? 'UNSEEN ' : ''}${e.tagName} ${e.getAttribute('aria-label') ?? e.textContent?.slice(0, 30)}`;
      });
      need(!at.startsWith('UNSEEN'), `the focus is not seen on ${at}`);
      seen.add(at);
    }
    need(seen.size > 8, `Tab stops at ${seen.size} things only`);
  });
}

/** Waits until the server has samples of the query on the grid that a graph asks for; gives the grid's last point. */
async function sampled(base, expr) {
  const step = 10; // a multiple of every step that the walks' graphs have
  for (const stop = Date.now() + PATIENCE; ;) {
    const end = Math.floor(Date.now() / 1000 / step) * step;
    const body = new URLSearchParams({ query: expr, start: String(end), end: String(end), step: String(step) });
    const found = await fetch(`${base}api/v1/query_range`, { method: 'POST', body }).then((r) => r.json());
    if (found.data?.result?.length) return end;
    if (Date.now() > stop) throw new Error(`no sample of ${expr} has come`);
    await new Promise((done) => setTimeout(done, 500));
  }
}

const NO_DATA = /^No data between \d{4}-\d\d-\d\d \d\d:\d\d:\d\d and .*\d\d:\d\d:\d\d \(UTC[^)]*\)\.$/;

/** Drags over a part of the graph, looks at what comes, and goes back with a double click. */
async function dragThere(page, from, to) {
  const plot = page.locator('.pane .u-over').first();
  await plot.waitFor();
  const chart = page.locator('.pane .chart').first(), words = () => chart.getAttribute('aria-label');
  const said = await words(), before = new URL(page.url()), box = await plot.boundingBox(), y = box.y + box.height / 3;
  await page.mouse.move(box.x + box.width * from, y);
  await page.waitForSelector('.tip');
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * to, y, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL((url) => url.search !== before.search);
  const q = new URL(page.url()).searchParams, wide = Number(before.searchParams.get('to') ?? 3600) - Number(before.searchParams.get('from') ?? 0);
  need(Math.abs((q.get('to') - q.get('from')) / wide - (to - from)) < 0.02, `${to - from} of ${wide} s was dragged, the range is ${q.get('to') - q.get('from')} s`);
  await eventually(async () => await words() !== said, 'the graph of the new range');
  await settled(page);
  const zoomed = await words(), now = await plot.boundingBox();
  need(now && now.height === box.height && now.y === box.y && now.width === box.width, `the graph was at ${JSON.stringify(box)}, now at ${JSON.stringify(now)}`);
  const empty = await page.locator('.pane .over').allTextContents();
  const series = await page.locator('.legend tbody .legend-name').count();
  need(series > 0 ? empty.length === 0 : NO_DATA.test(empty.join()), `${series} series, and the graph says “${empty.join()}”`);
  await page.mouse.dblclick(box.x + box.width * 0.3, y);
  await page.waitForURL((url) => url.search === before.search);
  await eventually(async () => await words() !== zoomed, 'the graph of the range before');
  await settled(page);
  return series;
}

async function explore(run, base, expr) {
  await run.check('explore: type, complete, run, paste the link', {}, async (page) => {
    const end = await sampled(base, expr);
    await open(page, base + 'query', '.pane');
    await page.waitForSelector('.editor-host:not([hidden])');
    await page.keyboard.press('/');
    await page.keyboard.type(expr, { delay: 15 });
    await until(page, () => document.querySelector('.editor-host')?.shadowRoot?.querySelector('.cm-tooltip-autocomplete li'));
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+Enter');
    await page.waitForURL((url) => url.searchParams.get('g0.expr') === expr); // not a key was lost
    await page.waitForSelector('.pane canvas');
    await page.waitForSelector('.pane table.result');
    await page.waitForSelector('.legend tbody .legend-name span');
    await run.shot(page, 'explore-run-wide-light');
    await run.accessible(page);
    // The link for somebody else: fixed times, a zone by name, the same query, the same picture.
    const link = new URL(page.url());
    link.searchParams.set('from', String(end - 600));
    link.searchParams.set('to', String(end));
    link.searchParams.set('tz', 'Asia/Tokyo');
    const names = async (p) => {
      await open(p, link.toString(), '.legend tbody .legend-name span');
      return JSON.stringify(await p.locator('.legend tbody .legend-name span').allTextContents());
    };
    const legend = await names(page);
    const other = await page.context().newPage();
    need(await names(other) === legend, 'the pasted link shows other series');
    need((await other.locator('.topbar').textContent()).includes('UTC+9'), 'the pasted link does not carry the zone');
    need(new URL(other.url()).searchParams.get('from') === String(end - 600), 'the pasted link lost its range');
    await other.close();
  });
  await run.check('explore: an error says where', {}, async (page) => {
    await open(page, `${base}query?g0.expr=${encodeURIComponent(`sum(${expr} !! 1)`)}`, '.trouble');
    const text = await page.locator('.trouble').first().textContent();
    need(/line 1, column \d+/.test(text), `no position in: ${text}`);
    await until(page, () => document.querySelector('.editor-host')?.shadowRoot?.querySelector('.cm-lintRange-error'));
    await run.accessible(page);
  });
  await run.check('explore: squiggles come from the server while typing, not where one types', {}, async (page) => {
    const marked = () => page.evaluate(() => document.querySelector('.editor-host').shadowRoot.querySelector('.cm-lintRange-error')?.textContent ?? '');
    const asked = (text) => page.waitForResponse((response) => response.url().endsWith('/format_query') &&
      new URLSearchParams(response.request().postData()).get('query').startsWith(text));
    await open(page, base + 'query', '.pane');
    await page.waitForSelector('.editor-host:not([hidden])');
    await page.keyboard.press('/');
    let answer = asked(`sum(${expr} !`);
    await page.keyboard.type(`sum(${expr} !`);
    await answer;
    await settled(page);
    need(await marked() === '', 'what is being typed is called wrong');
    answer = asked(`sum(${expr} !! 1) + 1`);
    await page.keyboard.type('! 1) + 1');
    await answer;
    await eventually(async () => await marked() !== '', 'a squiggle');
  });
  await run.check('explore: a query is explained, and found again among those of before', {}, async (page) => {
    await sampled(base, expr);
    await open(page, `${base}query?g0.expr=${encodeURIComponent(`sum(${expr})`)}&g0.tab=graph`, '.legend tbody tr');
    await page.getByRole('button', { name: 'explain' }).click();
    await page.waitForSelector('.plan tbody tr');
    need(/^\d+ parts?, .+ in all/.test(await page.locator('.explain').textContent()), 'the plan is not measured');
    await run.accessible(page);
    await page.keyboard.press('h');
    await page.waitForSelector('dialog.history[open] .past');
    need((await page.locator('.past code').allTextContents()).includes(`sum(${expr})`), 'the query is not among those of before');
  });
  await run.check('explore: drag zooms, double click goes back', {}, async (page) => {
    await sampled(base, expr);
    await open(page, `${base}query?g0.expr=${encodeURIComponent(expr)}&g0.tab=graph`, '.pane canvas');
    await page.waitForSelector('.legend tbody tr');
    // A young server has data at the right edge only, an old one everywhere: all of it must work.
    for (const [from, to] of [[0.05, 0.3], [0.4, 0.6], [0.74, 0.99]]) await dragThere(page, from, to);
    need(!new URL(page.url()).searchParams.has('from'), 'the double clicks did not lead back to the usual range');
  });
  await run.check('explore: the last quarter has data, a range long ago has none', {}, async (page) => {
    const end = await sampled(base, expr);
    const at = (from, to) => `${base}query?g0.expr=${encodeURIComponent(expr)}&g0.tab=graph&from=${from}&to=${to}`;
    await open(page, at(end - 900, end), '.legend tbody tr');
    await open(page, at(1000000000, 1000003600), '.pane .over');
    need(await dragThere(page, 0.2, 0.7) === 0, 'there is data of 2001');
    await run.shot(page, 'explore-nothing-wide-light');
    await run.accessible(page);
    await page.mouse.dblclick(700, 400);
    await page.waitForURL(/from=999998200&to=1000005400/); // no zoom to go back to: twice as long
  });
}

export async function walks(run, base, expr) {
  await everyPage(run, base, '');
  await keyboard(run, base);
  await explore(run, base, expr);
  await run.check('first content within 300 ms, a page within 100 ms', {}, async (page) => {
    // A busy machine takes time from any one try, not from each of ten; slow pages are slow in all.
    let paint = Infinity, took = Infinity;
    for (let i = 0; i < 10 && (paint >= 1000 || took >= 500); i++) {
      await open(page, base, 'h1.verdict'); // the first one warms the server and the browser up
      await until(page, () => performance.getEntriesByName('first-contentful-paint').length > 0);
      paint = Math.min(paint, await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime));
      took = Math.min(took, await page.evaluate(async () => {
        const link = [...document.querySelectorAll('nav a')].find((a) => a.textContent.includes('Targets'));
        const began = performance.now();
        link.click();
        while (document.querySelector('main h1')?.textContent !== 'Targets') await new Promise((done) => requestAnimationFrame(done));
        return performance.now() - began;
      }));
    }
    console.log(`       first content after ${Math.round(paint)} ms, the targets page after ${Math.round(took)} ms`);
    need(paint < 1000 && took < 500, `too slow: ${paint} ms, ${took} ms`); // shared machines: three to five times the goal
  });
}
