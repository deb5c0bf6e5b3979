// The walks that need a real server with data made for them: a query of minutes that is cancelled while it
// runs, and native histograms as heat maps. Whoever starts the server says which queries have that.
import { eventually, need, open, settled, until } from './walks.mjs';

const listed = (base) => fetch(`${base}api/v1/status/active_queries`).then((r) => r.json()).then((r) => r.data);

/** slow: the search part of an Explore address whose graph takes minutes. */
async function cancelled(run, base, slow) {
  for (const [size, scheme] of [['wide', 'light'], ['phone', 'dark']]) await run.check(`a query that runs on the server is cancelled, ${size}, ${scheme}`, { size, scheme }, async (page) => {
    await page.goto(`${base}query?${slow}`);
    let query;
    await eventually(async () => (query = (await listed(base))[0]) !== undefined, 'the query among those that run');
    await eventually(async () => (await listed(base))[0]?.samples > 0, 'what it has cost so far');
    const other = await page.context().newPage();
    await other.goto(`${base}status?tab=queries`);
    const button = other.getByRole('button', { name: `Cancel query ${query.id}` });
    await button.waitFor();
    const row = `[...document.querySelectorAll('.active tbody tr')].find((tr) => tr.textContent.includes('${query.id}'))?.textContent ?? ''`;
    await until(other, `() => /\\d [KMG]iB/.test(${row})`);
    await run.shot(other, `real-queries-${size}-${scheme}`);
    await run.accessible(other);
    const seen = await button.boundingBox();
    need(seen.y + seen.height < page.viewportSize().height, `the button is below the window: the query takes ${Math.round(seen.y)} px`);
    await button.click();
    await eventually(async () => (await listed(base)).length === 0, 'the end of the query on the server');
    await until(other, `() => /cancelled/.test(${row})`);
    await page.waitForSelector('.pane .trouble');
    const trouble = await page.locator('.pane .trouble').boundingBox();
    need(trouble.y < page.viewportSize().height, 'what became of it is below the window');
    need(/cancel/i.test(await page.locator('.pane .trouble').textContent()), 'who asked is not told that it was cancelled');
    await run.shot(page, `real-cancelled-${size}-${scheme}`);
    await run.accessible(page);
    await other.close();
  });
}

/** heat: the search part of an Explore address whose graph is one series of native histograms. */
async function heats(run, base, heat) {
  for (const size of ['wide', 'phone']) for (const scheme of ['light', 'dark']) await run.check(`native histograms of the server are a heat map, ${size}, ${scheme}`, { size, scheme }, async (page) => {
    await open(page, `${base}query?${heat}`, '.heat canvas');
    await page.locator('.heat-room').focus();
    const told = () => page.locator('.heat .tip').textContent();
    let observed = 0;
    for (let i = 0; i < 12 && observed === 0; i++) { // up from the lowest bucket of the last step
      await page.keyboard.press(i === 0 ? 'ArrowLeft' : 'ArrowUp');
      observed = Number(/([\d.,]+) of [\d.,]+ observations/.exec(await told())?.[1] ?? 0);
    }
    need(observed > 0, `no cell has observations: ${await told()}`);
    need(/[([][^,]+, [^\])]+[\])]/.test(await told()), `the bounds are not told: ${await told()}`);
    await settled(page);
    await run.shot(page, `real-heat-${size}-${scheme}`);
    await run.accessible(page);
    need(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the heat map widens the page');
  });
}

export async function realWalks(run, base, { slow, heat }) {
  if (slow) await cancelled(run, base, slow);
  if (heat) await heats(run, base, heat);
}
