// The walks of what surrounds a query: those that run now, and what is done about one.
import { startMock } from './mock.mjs';
import { need, open, until } from './walks.mjs';

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

export async function queryWalks(run) {
  await active(run);
}
