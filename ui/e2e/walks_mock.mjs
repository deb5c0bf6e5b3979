// The walks that need a server which lies at will: hostile text, nothing at all, far too much, gone away.
import { startMock } from './mock.mjs';
import { HOSTILE } from './mock_worlds.mjs';
import { queryWalks } from './walks_queries.mjs';
import { toldWalks } from './walks_told.mjs';
import { eventually, everyPage, need, open, PAGES, settled, until, walks } from './walks.mjs';

const OPEN = [
  ['alert', 'alerts', '.fold-head'], ['target', 'targets?q=pay-1', '.fold-head.target-row'], ['rule', 'alerts?tab=rules&q=ShopSlow', '.fold-head'],
];

async function hostile(run) {
  const mock = await startMock({ name: 'hostile' });
  const pages = [...PAGES, ['table', `query?g0.expr=${encodeURIComponent(HOSTILE)}`, '.result']];
  for (const size of ['wide', 'phone']) for (const [name, path, wanted] of pages) {
    await run.check(`hostile text stays text: ${name}, ${size}`, { size }, async (page) => {
      await open(page, mock.url + path, wanted);
      for (const head of await page.locator('.fold-head').all()) if (await head.isVisible()) {
        await head.click();
        break;
      }
      await settled(page);
      const box = page.locator('.u-over').first();
      if (await box.count()) await box.hover();
      await run.shot(page, `hostile-${name}-${size}`);
      const found = await page.evaluate(() => ({
        images: document.querySelectorAll('img, script:not([src]), iframe, object').length,
        links: [...document.querySelectorAll('a')].filter((a) => /^\s*javascript:/i.test(a.getAttribute('href') ?? '')).length,
        broken: globalThis.__broken,
      }));
      need(found.images === 0, `${found.images} elements were made of text`);
      need(found.links === 0, 'a javascript: link was made');
      need(!found.broken, 'hostile text ran');
      need(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'hostile text widens the page');
    });
  }
  mock.close();
}

async function away(run) {
  await run.check('the server goes away and comes back', {}, async (page) => {
    const mock = await startMock();
    await open(page, `${mock.url}?refresh=5s`, 'h1.verdict');
    const before = await page.locator('.row-link').count();
    mock.state.away = true;
    await page.keyboard.press('r');
    await page.waitForSelector('.away');
    need((await page.locator('.away').textContent()).includes('has not answered since'), 'the bar does not say since when');
    need(await page.locator('.row-link').count() === before, 'the page lost its last data');
    await until(page, () => /has not answered/.test(document.querySelector('h1.verdict')?.textContent ?? ''));
    await run.accessible(page);
    await run.shot(page, 'away-home-wide-light');
    mock.state.away = false;
    await page.waitForSelector('.away', { state: 'detached' });
    mock.close();
  });
  for (const [size, scheme] of [['wide', 'dark'], ['phone', 'light']]) {
    await run.check(`away from the start, ${size}`, { size, scheme }, async (page) => {
      const mock = await startMock();
      await open(page, mock.url + 'alerts', 'main h1');
      mock.state.away = true;
      await page.evaluate(() => [...document.querySelectorAll('nav a')].find((a) => a.textContent.includes('Targets')).click());
      await page.waitForSelector('.trouble, .away');
      await run.shot(page, `away-targets-${size}-${scheme}`);
      await run.accessible(page);
      mock.close();
    });
  }
  await run.check('old data is dimmed after two seconds', {}, async (page) => {
    const mock = await startMock();
    await page.clock.install(); // the page's time passes only when the walk says so
    await open(page, mock.url + 'targets?refresh=off', '.fold-row');
    await page.clock.pauseAt(Date.now() + 3600e3);
    await settled(page);
    const asked = mock.state.asked;
    const answer = mock.hold();
    await page.keyboard.press('r');
    await eventually(async () => {
      await page.clock.runFor(20); // a frame or two, in which the refresh is noticed
      return mock.state.asked > asked;
    }, 'the refresh');
    await page.clock.runFor(1500);
    need(await page.locator('.late').count() === 0, 'it is dimmed too early');
    await page.clock.runFor(700);
    await page.waitForSelector('.late');
    answer();
    await page.waitForSelector('.late', { state: 'detached' });
    mock.close();
  });
}

async function many(run) {
  const mock = await startMock({ name: 'many' });
  await run.check('312 series: a hundred drawn, and it says so', {}, async (page) => {
    await open(page, mock.url + 'query?g0.expr=many', '.legend tbody tr');
    need(/Draws 100 of 312 series/.test(await page.locator('.capped').first().textContent()), 'the cap is not told');
    need(await page.locator('.legend tbody tr').count() < 60, 'the legend is not virtual');
    await page.locator('.u-over').first().hover();
    await page.waitForSelector('.tip-row');
    need(await page.locator('.tip-row').count() === 10, 'the tooltip does not list ten');
    need(/and 90 more/.test(await page.locator('.tip').textContent()), 'the tooltip does not say how many more');
    await run.shot(page, 'many-explore');
    const hues = () => page.evaluate(() => document.querySelector('.chart').getAttribute('aria-label'));
    need(/100 series/.test(await hues()), 'the chart says another number than the words');
    need(Number(await page.locator('.legend tbody .legend-name span').first().textContent()) > 100, 'the legend does not begin with what is drawn');
    await page.getByLabel('Choose series by').selectOption('last');
    await page.waitForURL(/top=last/);
    await page.getByRole('button', { name: 'The next 100' }).click();
    await until(page, () => /Draws 101–200 of 312 series/.test(document.querySelector('.capped').textContent));
    await page.getByRole('button', { name: 'The next 100' }).click();
    await page.getByRole('button', { name: 'The next 12' }).click();
    await until(page, () => /12 series/.test(document.querySelector('.chart').getAttribute('aria-label')));
    await run.accessible(page);
    await page.getByRole('button', { name: 'Draw all' }).click();
    await until(page, () => /Draws all 312/.test(document.querySelector('.capped').textContent) && /312 series/.test(document.querySelector('.chart').getAttribute('aria-label')));
  });
  await run.check('3,000 targets and rules: rows only near the screen', {}, async (page) => {
    await open(page, mock.url + 'targets', '.fold-row');
    need(await page.locator('.fold-row').count() < 120, 'the list is not virtual');
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight / 2));
    await until(page, () => Number(document.querySelector('[aria-posinset]')?.getAttribute('aria-posinset')) > 500);
    await run.shot(page, 'many-targets');
    let took = Infinity;
    for (let i = 0; i < 5 && took >= 2500; i++) { // a busy machine may be slow once, a slow search is slow each time
      await open(page, mock.url + 'targets', '.fold-row');
      const began = Date.now();
      await page.keyboard.press('/');
      await page.keyboard.type('machine-2999');
      await until(page, () => document.querySelectorAll('.fold-row').length === 1);
      took = Math.min(took, Date.now() - began);
    }
    need(took < 2500, `the search took ${took} ms`);
    await open(page, mock.url + 'alerts?tab=rules', '.fold-row');
    need(await page.locator('.fold-row').count() < 120, 'the rules are not virtual');
    await run.accessible(page);
  });
  mock.close();
}

async function details(run, base) {
  for (const [size, scheme] of [['wide', 'light'], ['wide', 'dark'], ['phone', 'light'], ['phone', 'dark']]) {
    for (const [name, path, head] of OPEN) {
      await run.check(`open ${name}, ${size}, ${scheme}`, { size, scheme }, async (page) => {
        await open(page, base + path, head);
        await page.locator(head).first().click();
        await page.waitForSelector('.detail');
        await settled(page);
        need(/[?&]open=/.test(page.url()), 'the open row is not in the address');
        await run.shot(page, `open-${name}-${size}-${scheme}`);
        await run.accessible(page);
        await page.reload();
        await page.waitForSelector('.detail');
      });
    }
  }
  await run.check('a broken body is shown with its line marked', {}, async (page) => {
    await open(page, base + 'targets?q=pay-1', '.fold-head.target-row');
    await page.locator('.fold-head.target-row').first().click();
    await page.waitForSelector('.bad-line');
    need((await page.locator('.bad-line').textContent()).includes('oops'), 'the wrong line is marked');
  });
  await run.check('an alert says what was sent where', {}, async (page) => {
    await open(page, base + 'alerts', '.fold-head');
    await until(page, () => /sent to ops-webhook [\dsmh ]+ ago, 200/.test(document.querySelector('.vlist')?.textContent ?? ''));
  });
  await run.check('upstream addresses lead to our pages', {}, async (page) => {
    for (const [from, to] of [['rules', 'Rules'], ['flags', 'Flags'], ['config', 'Configuration'], ['tsdb-status', 'TSDB']]) {
      await open(page, base + from, '.tabs [aria-current]');
      need(await page.locator('.tabs [aria-current]').textContent() === to, `${from} does not lead to ${to}`);
    }
    await open(page, base + 'graph?g0.expr=node_load1&g0.range_input=2h&g0.tab=0', '.pane canvas');
    await page.waitForURL(/from=now-2h/);
  });
}

async function lookAt(run, base) {
  for (const [size, scheme] of [['wide', 'light'], ['wide', 'dark'], ['phone', 'light']]) {
    await run.check(`pops, ${size}, ${scheme}`, { size, scheme }, async (page) => {
      await open(page, base, 'h1.verdict');
      await page.locator('.range').click();
      await page.waitForSelector('#range-text');
      await run.shot(page, `range-${size}-${scheme}`);
      await run.accessible(page);
      await page.fill('#range-text', 'nonsense');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.pop .wrong');
      await page.fill('#range-text', '-6h');
      await page.keyboard.press('Enter');
      await page.waitForURL(/from=now-6h/);
      await page.locator('button[title="Zone, scheme, sharing"]').click();
      await page.waitForSelector('.choice');
      await run.shot(page, `display-${size}-${scheme}`);
      await run.accessible(page);
      await page.locator('.choice', { hasText: 'UTC' }).last().click();
      await page.waitForURL(/tz=UTC/);
      await page.keyboard.press('Escape');
      await page.keyboard.press('Control+k');
      await page.waitForSelector('dialog.palette[open] input:focus');
      await page.keyboard.type('load');
      await until(page, () => document.querySelector('.palette')?.textContent?.includes('node_load1'));
      await run.shot(page, `palette-${size}-${scheme}`);
    });
  }
  await run.check('the metric browser', {}, async (page) => {
    await open(page, base + 'query', '.pane');
    await page.getByRole('button', { name: 'Metrics' }).click();
    await page.waitForSelector('dialog.browser[open] .browser-name');
    await page.locator('.browser-name', { hasText: 'node_load1' }).click();
    await until(page, () => document.querySelector('.browser-more')?.textContent?.includes('1m load average'));
    await run.shot(page, 'browser-wide-light');
    await run.accessible(page);
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.waitForURL(/g0\.expr=node_load1/);
  });
}

async function pictures(run, base) {
  await run.check('a picture is saved as CSV and PNG, a gap stays a gap', {}, async (page) => {
    await open(page, base + 'query?g0.expr=avg+by+(job)+(up)&g0.tab=graph', '.legend tbody tr');
    await page.getByRole('button', { name: 'What to do with Graph' }).click();
    const [csv] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as CSV' }).click()]);
    const stream = await csv.createReadStream();
    let text = '';
    for await (const part of stream) text += part;
    need(/^time,/.test(text) && /Z,.*,$/m.test(text), 'the CSV has no hole where the data has one');
    await page.getByRole('button', { name: 'What to do with Graph' }).click();
    const [png] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as PNG' }).click()]);
    need(/\.png$/.test(png.suggestedFilename()), 'no PNG');
    if (run.opts.shots) await png.saveAs(`${run.opts.shots}/saved.png`);
    await page.locator('.legend tbody .legend-name button').first().click();
    await until(page, () => document.querySelectorAll('.legend tr.off').length === 3);
  });
  await run.check('nothing jumps while a page loads', {}, async (page) => {
    await page.addInitScript(() => {
      globalThis.__shift = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((e) => (globalThis.__shift += e.value))).observe({ type: 'layout-shift', buffered: true });
    });
    await open(page, base, 'h1.verdict');
    await page.evaluate(() => (globalThis.__shift = 0));
    const [again] = await Promise.all([page.waitForResponse((r) => r.url().includes('/api/v1/')), page.keyboard.press('r')]);
    need(again.ok(), 'the refresh was refused');
    await settled(page);
    const shift = await page.evaluate(() => globalThis.__shift);
    need(shift < 0.01, `a refresh shifts the layout by ${shift}`);
  });
}

export async function mockWalks(run) {
  const usual = await startMock();
  await walks(run, usual.url, 'node_load1');
  await details(run, usual.url);
  await lookAt(run, usual.url);
  await pictures(run, usual.url);
  usual.close();
  const empty = await startMock({ name: 'empty' });
  await everyPage(run, empty.url, 'empty ', PAGES.filter(([name]) => !['flags', 'status'].includes(name)));
  empty.close();
  const prefixed = await startMock({ prefix: '/deep/prefix/' });
  await run.check('a route prefix needs no rebuild', {}, async (page) => {
    await open(page, prefixed.url + 'dashboards/host', '.panels canvas');
    await page.locator('nav a', { hasText: 'Targets' }).click();
    await page.waitForURL(/\/deep\/prefix\/targets$/);
    await page.waitForSelector('.fold-row');
    await open(page, prefixed.url, 'h1.verdict');
  });
  prefixed.close();
  await hostile(run);
  await many(run);
  await away(run);
  await queryWalks(run);
  await toldWalks(run);
}
