// The walks that any server must stand: every page in both schemes and sizes, the keyboard, a pasted link.
export const PAGES = [
  ['home', '', 'h1.verdict'], ['explore', 'query', '.pane'], ['host', 'dashboards/host', 'main h1'], ['alerts', 'alerts', 'main h1'],
  ['rules', 'alerts?tab=rules', 'main h1'], ['targets', 'targets', 'main h1'], ['status', 'status', 'main h1'], ['flags', 'status?tab=flags', 'main h1'],
  ['configuration', 'status?tab=configuration', 'main h1'], ['tsdb', 'status?tab=tsdb', 'main h1'],
];

export function need(truth, text) {
  if (!truth) throw new Error(text);
}

/** Asks the page again and again from outside: the policy forbids the browser's own way (it evaluates text). */
export async function until(page, test, timeout = 15000) {
  for (const end = Date.now() + timeout; ;) {
    if (await page.evaluate(`!!(${test})()`)) return;
    if (Date.now() > end) throw new Error(`waited in vain for ${test}`);
    await page.waitForTimeout(50);
  }
}

/** Waits until nothing is loading: no request for a while, no reserved space without content. */
export async function settled(page) {
  await page.waitForLoadState('networkidle', { timeout: 15000 }).catch(() => undefined);
  await until(page, () => document.querySelectorAll('main .waiting').length === 0);
}

export async function open(page, url, wanted) {
  await page.goto(url);
  await page.waitForSelector(wanted, { timeout: 15000 });
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
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await page.waitForURL((url) => url.pathname === new URL(base + path).pathname, { timeout: 5000 });
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
      need(await page.locator('main [data-search]:focus').count() === 0, 'Esc does not leave the field');
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

async function explore(run, base, expr) {
  await run.check('explore: type, complete, run, paste the link', {}, async (page) => {
    await open(page, base + 'query', '.pane');
    await page.waitForSelector('.editor-host:not([hidden])');
    await page.keyboard.press('/');
    await page.keyboard.type(expr, { delay: 15 });
    await until(page, () => document.querySelector('.editor-host')?.shadowRoot?.querySelector('.cm-tooltip-autocomplete li'));
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+Enter');
    await page.waitForURL(/g0\.expr=/);
    await page.waitForSelector('.pane canvas');
    await page.waitForSelector('.pane table.result, .pane .single-value, .pane .calm');
    await run.shot(page, 'explore-run-wide-light');
    await run.accessible(page);
    const legend = await page.locator('.legend tbody .legend-name span').allTextContents();
    need(legend.length > 0, 'the graph has no series');
    // The link for somebody else: fixed times, a zone by name, the same query, the same picture.
    const link = new URL(page.url());
    const now = Math.floor(Date.now() / 1000);
    link.searchParams.set('from', String(now - 600));
    link.searchParams.set('to', String(now));
    link.searchParams.set('tz', 'Asia/Tokyo');
    const other = await page.context().newPage();
    await open(other, link.toString(), '.pane canvas');
    await other.waitForSelector('.legend tbody .legend-name');
    need((await other.locator('.topbar').textContent()).includes('UTC+9'), 'the pasted link does not carry the zone');
    need(JSON.stringify(await other.locator('.legend tbody .legend-name span').allTextContents()) === JSON.stringify(legend), 'the pasted link shows other series');
    need(new URL(other.url()).searchParams.get('from') === String(now - 600), 'the pasted link lost its range');
    await other.close();
  });
  await run.check('explore: an error says where', {}, async (page) => {
    await open(page, `${base}query?g0.expr=${encodeURIComponent(`sum(${expr} !! 1)`)}`, '.trouble');
    const text = await page.locator('.trouble').first().textContent();
    need(/line 1, column \d+/.test(text), `no position in: ${text}`);
    await until(page, () => document.querySelector('.editor-host')?.shadowRoot?.querySelector('.cm-lintRange-error'));
    await run.accessible(page);
  });
  await run.check('explore: drag zooms, double click goes back', {}, async (page) => {
    await open(page, `${base}query?g0.expr=${encodeURIComponent(expr)}&g0.tab=graph`, '.pane canvas');
    await page.waitForSelector('.legend tbody tr');
    const box = await page.locator('.u-over').first().boundingBox();
    const y = box.y + box.height / 2;
    // The last quarter: a server that has just started has data there and nowhere else.
    await page.mouse.move(box.x + box.width * 0.74, y);
    await page.waitForSelector('.tip');
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.99, y, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+/);
    const q = new URL(page.url()).searchParams;
    need(Math.abs(q.get('to') - q.get('from') - 900) < 60, `a quarter of an hour was dragged, the range is ${q.get('to') - q.get('from')} s`);
    await settled(page);
    await page.mouse.dblclick(box.x + box.width * 0.3, y);
    await page.waitForURL((url) => !url.searchParams.has('from'));
  });
}

export async function walks(run, base, expr) {
  await everyPage(run, base, '');
  await keyboard(run, base);
  await explore(run, base, expr);
  await run.check('first content within 300 ms, a page within 100 ms', {}, async (page) => {
    await open(page, base, 'h1.verdict'); // warms the server and the browser up
    await page.reload();
    await page.waitForSelector('h1.verdict');
    const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0);
    await settled(page);
    const took = await page.evaluate(async () => {
      const link = [...document.querySelectorAll('nav a')].find((a) => a.textContent.includes('Targets'));
      const began = performance.now();
      link.click();
      while (!document.querySelector('main h1') || document.querySelector('main h1').textContent !== 'Targets') await new Promise((done) => requestAnimationFrame(done));
      return performance.now() - began;
    });
    console.log(`       first content after ${Math.round(paint)} ms, the targets page after ${Math.round(took)} ms`);
    need(paint < 1000 && took < 500, `too slow: ${paint} ms, ${took} ms`); // shared machines: three to five times the goal
  });
}
