// The walks of what surrounds a query: those that run now, and what is done about one.
import { startMock } from './mock.mjs';
import { eventually, need, open, until } from './walks.mjs';

const row = (id) => `() => [...document.querySelectorAll('.active tbody tr')].find((tr) => tr.textContent.includes('${id}'))?.textContent`;

async function active(run) {
  await run.check('running queries: by age, what each costs, one is cancelled', {}, async (page) => {
    const mock = await startMock();
    await open(page, mock.url + 'status?tab=queries', '.active');
    const ids = await page.locator('.active-query .num').allTextContents();
    need(ids.join() === '4101,4117,4119', `not in order: ${ids}`);
    need(/10,000.*57,600,000.*1.77 GiB/.test(await page.locator('.active tbody tr').first().textContent()), 'the account is not shown');
    need(/–.*–.*–/.test(await page.locator('.active tbody tr').last().textContent()), 'what is not known is not told apart');
    await page.getByRole('button', { name: 'Cancel query 4117' }).click();
    await until(page, `() => /stopping/.test((${row(4117)})())`);
    need(mock.state.world.active[1].cancelled, 'the server was not told');
    mock.state.world.active.splice(1, 1);
    await until(page, `() => /cancelled/.test((${row(4117)})())`);
    mock.state.world.active[1].id = 4200; // ended, and another began
    await page.getByRole('button', { name: 'Cancel query 4119' }).waitFor({ state: 'detached' });
    await until(page, `() => /ended/.test((${row(4119)})()) && /Cancel/.test((${row(4200)})())`);
    await run.accessible(page);
    await run.shot(page, 'queries-ended');
    mock.close();
  });
  await run.check('running queries: one that is gone is no error, none is no table, an old server says so', {}, async (page) => {
    const mock = await startMock();
    await open(page, mock.url + 'status?tab=queries', '.active');
    await page.locator('.active').hover(); // nothing moves under the pointer
    mock.state.world.refused = true;
    await page.getByRole('button', { name: 'Cancel query 4119' }).click();
    await until(page, () => /Query 4119 had already ended/.test(document.querySelector('main [role=status]').textContent));
    need(!/not cancelled/.test(await page.locator('.active').textContent()), 'what had ended is called not cancelled');
    const [gone] = mock.state.world.active.splice(0, 1);
    mock.state.world.active.push({ ...gone, id: 5000 });
    await until(page, `() => /ended/.test((${row(4101)})())`);
    mock.state.world.active.length = 0;
    await page.mouse.move(5, 5);
    await until(page, () => /Nothing to stop here/.test(document.querySelector('main').textContent)); // what has ended leaves after a while
    await run.shot(page, 'queries-none');
    mock.state.world.active = { error: 'no such endpoint' };
    await until(page, () => /could not be read/.test(document.querySelector('main').textContent));
    mock.close();
  });
}

async function past(run) {
  for (const size of ['wide', 'phone']) await run.check(`queries of before: found again, forgotten, never another server's, ${size}`, { size }, async (page) => {
    const mock = await startMock(), other = await startMock({ prefix: '/b/' });
    for (const query of ['node_load1', 'avg by (job) (up)', 'sum(!!)']) await open(page, `${mock.url}query?g0.expr=${encodeURIComponent(query)}`, '.pane canvas, .trouble');
    await page.keyboard.press('h');
    await page.waitForSelector('dialog.history[open] input:focus');
    need((await page.locator('.past code').allTextContents()).join() === 'avg by (job) (up),node_load1', 'not the two that were answered, newest first');
    await run.shot(page, `history-${size}`);
    await run.accessible(page);
    await page.keyboard.type('load');
    await until(page, () => document.querySelectorAll('.past').length === 1);
    await page.keyboard.press('Enter');
    await page.waitForURL(/g0\.expr=node_load1/);
    await until(page, () => Object.entries(localStorage).some(([key, value]) => key.startsWith('tidemark.queries') && JSON.parse(value)[0].query === 'node_load1'));
    await open(page, mock.url, 'h1.verdict');
    await page.keyboard.press('h');
    await page.waitForSelector('dialog.history[open] input:focus');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.pathname === '/query' && url.searchParams.get('g0.expr') === 'avg by (job) (up)');
    await page.getByRole('button', { name: 'History' }).click();
    await page.getByRole('button', { name: 'Forget node_load1' }).click();
    await until(page, () => document.querySelectorAll('.past').length === 1);
    await page.getByRole('button', { name: 'Forget all' }).click();
    await page.getByRole('button', { name: 'Yes, forget all 1' }).click();
    await until(page, () => /No query has been answered/.test(document.querySelector('.history').textContent));
    await open(page, other.url + 'query?g0.expr=node_load1', '.pane canvas');
    await page.evaluate(() => localStorage.setItem('tidemark.queries ["/b/","9"]', '[{"query":"secret","at":1}]'));
    await page.keyboard.press('h');
    await page.waitForSelector('.past');
    need((await page.locator('.past code').allTextContents()).join() === 'node_load1', 'queries of elsewhere are offered');
    mock.close();
    other.close();
  });
}

async function steps(run) {
  await run.check('a step that would fit is one click away, and stands in the address', {}, async (page) => {
    const mock = await startMock();
    await open(page, `${mock.url}query?g0.expr=node_load1&g0.tab=graph&g0.range_input=1d&g0.step_input=5`, '.trouble');
    need(/from=now-1d/.test(page.url()) && /step_input=5/.test(page.url()), 'the address of upstream lost its step or range');
    await run.accessible(page);
    await page.getByRole('button', { name: 'Use step 9 s' }).click();
    await page.waitForURL(/step_input=9s/);
    await page.waitForSelector('.legend tbody tr');
    await until(page, () => /step 9 s/.test(document.querySelector('.panel-foot').textContent) && /points on [\d,]+ pixels/.test(document.querySelector('.pane').textContent));
    await run.shot(page, 'step-hint');
    await page.locator('.far button').click();
    await page.waitForURL(/step_input=(1m30s|2m|1m)/);
    await until(page, () => !document.querySelector('.far'));
    await page.getByLabel('Step of the graph').fill('');
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => !url.searchParams.has('g0.step_input'));
    mock.close();
  });
}

async function explained(run) {
  for (const [size, scheme] of [['wide', 'light'], ['wide', 'dark'], ['phone', 'light']]) await run.check(`a query is explained, ${size}, ${scheme}`, { size, scheme }, async (page) => {
    const mock = await startMock();
    await open(page, `${mock.url}query?g0.expr=${encodeURIComponent('sum by (job) (rate(x[5m]))')}`, '.pane canvas');
    await page.getByRole('button', { name: 'explain' }).click();
    await page.waitForURL(/g0\.tab=explain/);
    await page.waitForSelector('.plan');
    const rows = page.locator('.plan tbody tr');
    need(await rows.count() === 4 && /most of it in range/.test(await page.locator('.explain').textContent()), 'the plan is not told');
    need(/11.2 ms.*812.*1,460,000.*0.*8.58 MiB/.test(await rows.nth(2).textContent()), 'the figures of a part are wrong');
    await run.shot(page, `explain-${size}-${scheme}`);
    await run.accessible(page);
    await page.getByRole('button', { name: 'Hide what is below aggregate' }).click();
    await until(page, () => document.querySelectorAll('.plan tbody tr').length === 2 && /16.7 ms/.test(document.querySelectorAll('.plan tbody tr')[1].textContent));
    mock.close();
  });
  await run.check('a plan that cannot be had says so in a sentence', {}, async (page) => {
    const mock = await startMock();
    const at = `${mock.url}query?g0.tab=explain&g0.expr=`;
    mock.state.world.plan = { error: 'the query needs more than --query.max-samples allows' };
    await open(page, `${at}up`, '.trouble');
    mock.state.world.plan = undefined;
    await page.getByRole('button', { name: 'Show the plan without running it' }).click();
    await page.waitForSelector('.plan');
    need(await page.locator('.plan-bar').count() === 0 && /nothing is measured/.test(await page.locator('.explain').textContent()), 'figures of a query that did not run');
    mock.state.world.unknown = ['explain'];
    await open(page, `${at}node_load1`, '.trouble');
    need(/This server does not explain queries\..*\(404\)/.test(await page.locator('.trouble').textContent()), 'an old server is not told');
    await run.accessible(page);
    mock.close();
  });
}

async function marked(run) {
  for (const [size, scheme] of [['wide', 'light'], ['wide', 'dark'], ['phone', 'light']]) await run.check(`exemplars are marks with their traces, ${size}, ${scheme}`, { size, scheme }, async (page) => {
    const mock = await startMock();
    await open(page, `${mock.url}query?g0.expr=${encodeURIComponent('histogram_quantile(0.9, node_load1)')}&g0.tab=graph&from=1795270000&to=1795273600`, '.pane canvas');
    await page.getByRole('button', { name: 'exemplars' }).click();
    await page.waitForURL(/show_exemplars=1/);
    await page.waitForSelector('.exemplars');
    need(/60 exemplars$/.test(await page.locator('.exemplars summary').textContent()), 'their number is not told');
    const box = await page.locator('.u-over').boundingBox();
    await page.mouse.move(box.x + box.width * (30.5 / 60), box.y + 5); // beyond the axis: at its edge
    await page.waitForSelector('.tip-exemplars');
    need(/1 m 30 s.*trace_id=[0-9a-f]{16}.*shop_request_seconds_bucket/.test(await page.locator('.tip-exemplars').textContent()), 'the event is not told');
    await run.shot(page, `exemplars-${size}-${scheme}`);
    await page.locator('.exemplars summary').click();
    need(/1 m 30 s.*Copy trace/.test(await page.locator('.exemplars tbody tr').first().textContent()), 'the highest does not come first');
    await run.accessible(page);
    await open(page, `${mock.url}query?g0.expr=${encodeURIComponent('rate(node_load1[5m])')}&g0.tab=graph&g0.show_exemplars=1`, '.exemplars');
    need(/on the time axis/.test(await page.locator('.exemplars summary').textContent()), 'values of another kind are drawn as if of this one');
    mock.close();
  });
  await run.check('no exemplars, and a server without them, say so', {}, async (page) => {
    const mock = await startMock();
    mock.state.world.series = () => [[{ a: 'b' }, 1, 2]];
    await open(page, `${mock.url}query?g0.expr=exempt&g0.tab=graph&g0.show_exemplars=1`, '.pane canvas');
    await until(page, () => /No exemplar of these series/.test(document.querySelector('.pane').textContent));
    mock.state.world.unknown = ['query_exemplars'];
    await open(page, `${mock.url}query?g0.expr=x&g0.tab=graph&g0.show_exemplars=1`, '.pane .trouble');
    need(/keeps no exemplars/.test(await page.locator('.pane .trouble').textContent()), 'an old server is not told');
    need(await page.locator('.pane canvas').count() > 0, 'the graph is gone with them');
    mock.close();
  });
}

async function heats(run) {
  for (const [size, scheme] of [['wide', 'light'], ['wide', 'dark'], ['phone', 'light'], ['phone', 'dark']]) await run.check(`a native histogram is a heat map, ${size}, ${scheme}`, { size, scheme }, async (page) => {
    const mock = await startMock();
    await open(page, mock.url + 'query?g0.expr=sketch&g0.tab=graph', '.heat canvas');
    const box = await page.locator('.heat canvas').boundingBox(), inner = box.width - 82;
    await page.mouse.move(box.x + 74 + inner * 0.45, box.y + 90);
    await until(page, () => /no sample: a gap/.test(document.querySelector('.heat .tip')?.textContent ?? ''));
    await page.mouse.move(box.x + 74 + inner * 0.8, box.y + 120);
    await until(page, () => /\([\d.]+( m?s)?, [\d.]+( m?s)?\].*\d+ of \d+ observations, [\d.]+ %mean at this time/.test(document.querySelector('.heat .tip')?.textContent ?? ''));
    await run.shot(page, `heat-${size}-${scheme}`);
    await run.accessible(page);
    // The same without a mouse.
    await page.mouse.move(5, 5);
    await page.locator('.heat-room').focus();
    await page.keyboard.press('ArrowLeft');
    const told = () => page.locator('.heat .tip').textContent();
    const first = await told();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowUp');
    await eventually(async () => await told() !== first, 'another cell');
    mock.close();
  });
  await run.check('heat maps and graphs share one crosshair', {}, async (page) => {
    const mock = await startMock();
    await open(page, mock.url + 'query?g0.expr=sketch&g0.tab=graph&g1.expr=sketch&g1.tab=graph&g2.expr=up&g2.tab=graph', '.heat canvas');
    await until(page, () => document.querySelectorAll('.heat canvas').length === 2 && document.querySelectorAll('.u-over').length === 1);
    const lines = () => page.evaluate(() => {
      const room = (e) => e.getBoundingClientRect().left;
      const cross = document.querySelector('.u-cursor-x'), plot = document.querySelector('.u-over');
      return {
        heats: [...document.querySelectorAll('.heat')].map((h) => h.querySelector('.heat-cross') && (room(h.querySelector('.heat-cross')) - room(h.querySelector('canvas')) - 74) / (h.querySelector('canvas').clientWidth - 82)),
        chart: room(cross) < room(plot) ? null : (room(cross) - room(plot)) / plot.clientWidth,
      };
    });
    const near = (x, part) => x !== null && Math.abs(x - part) < 0.02;
    const box = await page.locator('.heat canvas').first().boundingBox();
    await page.mouse.move(box.x + 74 + (box.width - 82) * 0.75, box.y + 100);
    await eventually(async () => {
      const now = await lines();
      return now.heats[0] === null && near(now.heats[1], 0.75) && near(now.chart, 0.75);
    }, 'the other heat map and the graph show the moment');
    await run.shot(page, 'heat-crosshair');
    const over = page.locator('.u-over'), wide = (await over.boundingBox()).width;
    await over.hover({ position: { x: wide * 0.25, y: 50 } });
    await eventually(async () => (await lines()).heats.every((x) => near(x, 0.25)), 'both heat maps follow the graph');
    await page.mouse.move(5, 5);
    await eventually(async () => (await lines()).heats.every((x) => x === null), 'the lines go with the pointer');
    mock.close();
  });
  await run.check('a heat map zooms as a graph does', {}, async (page) => {
    const mock = await startMock();
    await open(page, mock.url + 'query?g0.expr=sketch&g0.tab=graph', '.heat canvas');
    const box = await page.locator('.heat canvas').boundingBox(), at = (part) => box.x + 74 + (box.width - 82) * part;
    await page.mouse.move(at(0.25), box.y + 100);
    await page.mouse.down();
    await page.mouse.move(at(0.5), box.y + 100, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+/);
    const q = new URL(page.url()).searchParams;
    need(Math.abs((q.get('to') - q.get('from')) / 3600 - 0.25) < 0.02, `a quarter of an hour was dragged, the range is ${q.get('to') - q.get('from')} s`);
    await page.mouse.dblclick(at(0.4), box.y + 100);
    await page.waitForURL((url) => !url.searchParams.has('from'));
    mock.close();
  });
}

export async function queryWalks(run) {
  await active(run);
  await past(run);
  await steps(run);
  await explained(run);
  await marked(run);
  await heats(run);
}
