// The walks of what must be told: pages that do not arrive, a notifier that is off, a reload that failed, and why a block is empty.
import { startMock } from './mock.mjs';
import { need, open, settled, until } from './walks.mjs';

const REFUSED = "Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server: Connection refused";

/** A mock whose world differs from the usual in what `more` makes of it. */
async function told(more) {
  const mock = await startMock();
  mock.state.world = { ...mock.state.world, ...more(mock.state.world) };
  return mock;
}

const textOf = (page, selector) => page.locator(selector).first().textContent();

async function paging(run) {
  await run.check('Home and Alerts tell that pages do not arrive', {}, async (page) => {
    const refused = (w) => ({ deliveries: w.deliveries.map((d) => ({ ...d, time: new Date(Date.now() - 4000).toISOString(), receiver: 'team', status: 'failed', code: 0, error: REFUSED })) });
    const mock = await told(refused);
    await open(page, mock.url, 'h1.verdict.firing a');
    need(/Pages to team are not delivered: connection refused\./.test(await textOf(page, 'h1.verdict')), 'the verdict does not name receiver and reason');
    await run.shot(page, 'told-undelivered');
    await run.accessible(page);
    await page.locator('h1.verdict a').click();
    await page.waitForURL(/\/alerts/);
    await until(page, () => /could not be sent to team [\dsmh ]+ ago: connection refused/.test(document.querySelector('.vlist')?.textContent ?? ''));
    await page.locator('.fold-head').first().click();
    await page.waitForSelector('.sent');
    need(!/answer 0|ago, 0/.test(await page.locator('main').textContent()), 'a status of 0 is shown');
    mock.state.world.deliveries = mock.state.world.deliveries.map((d) => ({ ...d, status: 'ok', code: 200, error: '' }));
    await open(page, mock.url, 'h1.verdict');
    await settled(page);
    need(!/not delivered/.test(await textOf(page, 'h1.verdict')), 'it is told although the pages arrive');
    mock.close();
  });
}

async function notifier(run) {
  for (const size of ['wide', 'phone']) await run.check(`an alert tells that no notifier is configured, ${size}`, { size }, async (page) => {
    const mock = await told(() => ({ deliveries: [], flags: { 'alertmanager.config': '' } }));
    await open(page, mock.url + 'alerts', '.trouble');
    need(/nobody is told .*--alertmanager\.config/.test(await textOf(page, '.trouble')), 'the page does not name the flag');
    await page.locator('.fold-head').first().click();
    await page.waitForSelector('.detail');
    const detail = await page.locator('.detail').textContent();
    need(/nobody is told: no notifier is configured.*--alertmanager\.config/.test(detail) && !/group_wait/.test(detail), 'the alert promises a page that never comes');
    await run.shot(page, `told-mute-${size}`);
    await run.accessible(page);
    mock.state.world.flags = { 'alertmanager.config': 'am.yml' };
    await page.reload();
    await until(page, () => /group_wait/.test(document.querySelector('.detail')?.textContent ?? ''));
    need(await page.locator('.trouble').count() === 0, 'a configured notifier is said to be missing');
    mock.close();
  });
}

async function reload(run) {
  await run.check('a failed reload is told where its effects are looked for', {}, async (page) => {
    const mock = await told((w) => ({ reloaded: false, groups: [], deliveries: [], targets: w.targets.filter((t) => t.health === 'up') }));
    for (const [path, wanted] of [['', 'h1.verdict.pending'], ['alerts', 'main h1'], ['alerts?tab=rules', 'main h1'], ['status?tab=configuration', '.config']]) {
      await open(page, mock.url + path, wanted);
      await page.waitForSelector('.trouble');
      need(/The last reload failed\./.test(await textOf(page, '.trouble')), `/${path} does not tell it`);
      await run.shot(page, `told-reload-${path.replace(/\W+/g, '-')}`);
      await run.accessible(page);
    }
    mock.state.world.reloaded = true;
    await open(page, mock.url, 'h1.verdict.ok');
    need(await page.locator('.trouble').count() === 0, 'a reload that went well is called failed');
    mock.close();
  });
}

async function target(run) {
  await run.check('a refused page without a broken line names none', {}, async (page) => {
    const mock = await told((w) => ({ targets: w.targets.map((t) => (t.bodyExcerpt ? { ...t, status: 500, lastReason: 'status', lastError: 'server returned HTTP status 500 Internal Server Error', bodyExcerpt: 'boom\n', errorLine: 0 } : t)) }));
    await open(page, mock.url + 'targets?q=pay-1', '.fold-head.target-row');
    await page.locator('.fold-head.target-row').first().click();
    await page.waitForSelector('.excerpt');
    const detail = await page.locator('.detail').textContent();
    need(/First bytes of the body/.test(detail) && !/line 0|cannot be read|is marked/.test(detail), 'a line is named that nobody knows');
    mock.close();
  });
}

async function host(run) {
  await run.check('a host that is not collected says how it would be', {}, async (page) => {
    const nothing = (flags) => () => ({ flags, series: (q) => (/node_/.test(q) ? [] : undefined) });
    const mock = await told(nothing({ 'config.file': 'prometheus.yml', 'collect.host': 'auto' }));
    for (const path of ['', 'dashboards/host']) {
      await open(page, mock.url + path, 'main h1');
      await until(page, () => /--collect\.host=true/.test(document.querySelector('main')?.textContent ?? ''));
      need(!/by itself|within one interval|not collected yet/.test(await page.locator('main').textContent()), `/${path} promises a host that never comes`);
      await run.shot(page, `told-host-${path.replace(/\W+/g, '-')}`);
      await run.accessible(page);
      mock.state.world = { ...mock.state.world, flags: { 'config.file': '', 'collect.host': 'auto' } };
      await page.reload();
      await until(page, () => /within one interval/.test(document.querySelector('main')?.textContent ?? ''));
      mock.state.world = { ...mock.state.world, flags: { 'config.file': 'prometheus.yml', 'collect.host': 'auto' } };
    }
    mock.close();
  });
}

async function own(run) {
  await run.check('Tidemark finds its own figures, or says why there are none', {}, async (page) => {
    const mock = await told(() => ({ series: (q) => (q === 'tidemark_build_info' ? [[{ job: 'self', instance: 'a:1' }, 1, 1]] : undefined) }));
    for (const path of ['', 'status']) {
      const asked = [];
      const note = (request) => asked.push(decodeURIComponent((request.postData() ?? '').replaceAll('+', ' ')));
      page.on('request', note);
      await open(page, mock.url + path, 'main h1');
      await page.locator('.panel', { hasText: 'Active series' }).first().scrollIntoViewIfNeeded();
      for (let i = 0; i < 200 && !asked.some((q) => q.includes('head_series{job="self",instance="a:1"}')); i++) await page.waitForTimeout(50);
      need(asked.some((q) => q.includes('head_series{job="self",instance="a:1"}')), `/${path} does not ask for its own job`);
      need(!asked.some((q) => q.includes('job="tidemark"')), `/${path} asks for a job of a name that nobody gave`);
      page.off('request', note);
    }
    mock.state.world = { ...mock.state.world, series: (q) => (/tidemark_|prometheus_|process_/.test(q) ? [] : undefined) };
    for (const path of ['', 'status']) {
      await open(page, mock.url + path, 'main h1');
      await until(page, () => /Tidemark is not scraped\./.test(document.querySelector('main')?.textContent ?? ''));
      await run.shot(page, `told-own-${path}`);
      await run.accessible(page);
    }
    mock.close();
  });
}

async function unseen(run) {
  for (const scheme of ['dark', 'light']) await run.check(`what does not run and what is not scraped can be read, ${scheme}`, { scheme }, async (page) => {
    const mock = await told(() => ({}));
    await open(page, mock.url + 'alerts', 'main h1');
    await until(page, () => /Failing 1 rule cannot be evaluated/.test(document.querySelector('main')?.textContent ?? ''));
    const failing = page.locator('section', { hasText: 'Failing' }).last();
    need(/ShopSlow.*many-to-many matching not allowed/.test(await failing.textContent()), 'the failing rule does not say why');
    const inactive = page.locator('section', { hasText: 'Inactive' }).last();
    need(!/ShopSlow/.test(await inactive.textContent()), 'a rule that cannot be evaluated is called inactive');
    await failing.scrollIntoViewIfNeeded();
    await run.shot(page, `told-failing-${scheme}`);
    await run.accessible(page);
    await open(page, mock.url + 'targets', 'main h1');
    await page.locator('a', { hasText: 'Show them' }).click();
    await page.waitForURL(/dropped=1/);
    await until(page, () => /Dropped 4, before relabelling.*spare-1:8080/s.test(document.querySelector('main')?.textContent ?? ''));
    await page.locator('section', { hasText: 'Dropped' }).last().scrollIntoViewIfNeeded();
    await run.shot(page, `told-dropped-${scheme}`);
    await run.accessible(page);
    await open(page, mock.url + 'targets?dropped=1&q=spare-3', 'main h1');
    await until(page, () => /Dropped 1 of 4/.test(document.querySelector('main')?.textContent ?? ''));
    mock.close();
  });
}

async function young(run) {
  await run.check('Home makes no forecast of a minute', {}, async (page) => {
    const mock = await told(() => ({ series: (q) => (/^bottomk/.test(q) ? [[{}, -1, -1]] : undefined) }));
    await open(page, mock.url, 'h1.verdict');
    await until(page, () => (document.querySelector('main')?.textContent ?? '').split('not enough data yet').length === 3);
    await run.shot(page, 'told-young');
    mock.close();
  });
}

export async function toldWalks(run) {
  await unseen(run);
  await young(run);
  await paging(run);
  await notifier(run);
  await reload(run);
  await target(run);
  await host(run);
  await own(run);
}
