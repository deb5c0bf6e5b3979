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

export async function toldWalks(run) {
  await paging(run);
}
