// Running queries: what the server is busy with now, what each costs, and the way to stop one.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../api';
import { more } from '../api_more';
import type { ActiveQuery } from '../api_types';
import { endWord, mergeActive, type ActiveRow } from '../model/active';
import { showDuration } from '../model/duration';
import { beat, zone } from '../model/frame';
import { useResource } from '../model/resource';
import { rfcTime, showTime } from '../model/time';
import { show, whole } from '../model/units';
import { href } from '../model/url';
import { Empty, Trouble } from '../widgets/bits';
import { State } from '../widgets/state';

const EVERY = 2000;

/** Goes up every two seconds while the tab is seen: what runs now is of no use a minute later. */
function useTurns(): number {
  const [turn, set] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && set((n) => n + 1), EVERY);
    return () => clearInterval(timer);
  }, []);
  return turn + beat.value;
}

export function Queries() {
  const turn = useTurns();
  const found = useResource('active', (stop) => more.activeQueries(stop), { turn });
  const rows = useRef<{ of?: ActiveQuery[]; list: ActiveRow[] }>({ list: [] });
  const held = useRef(false);
  const [asked, setAsked] = useState<Record<number, string>>({});
  const [said, say] = useState('');
  if (found.data && rows.current.of !== found.data) {
    rows.current = { of: found.data, list: mergeActive(rows.current.list, found.data, Date.now() / 1000, held.current) };
  }
  const cancel = (id: number) => {
    setAsked((all) => ({ ...all, [id]: 'cancelling' }));
    more.cancelQuery(id).then(
      () => say(`Query ${id} is told to stop.`),
      (why: unknown) => {
        const gone = why instanceof ApiError && why.kind === 'missing';
        setAsked((all) => ({ ...all, [id]: gone ? '' : `not cancelled: ${why instanceof ApiError ? why.text : String(why)}` }));
        say(gone ? `Query ${id} had already ended.` : `Query ${id} was not cancelled.`);
      },
    );
  };
  const list = rows.current.list, running = list.filter((row) => row.ended === undefined).length;
  if (found.error?.kind === 'missing') return <Trouble error={found.error} what="This server does not tell which queries run." />;
  return (
    <section class="block" aria-label="Running queries" onPointerEnter={() => (held.current = true)} onPointerLeave={() => (held.current = false)}>
      {found.error && found.error.kind !== 'away' && <Trouble error={found.error} what="The running queries could not be read." />}
      <p class="offscreen" role="status">{said}</p>
      {found.data && (
        <p class="table-note">{running === 0 ? 'No query runs.' : `${whole(running)} ${running === 1 ? 'query runs' : 'queries run'}.`} <span class="dim">Asked anew every 2 s, oldest first. Cancelling stops the work on the server; who asked gets an error.</span></p>
      )}
      {!found.data && !found.error && <div class="waiting" style={{ minHeight: '120px' }}>{found.slow && <span>Loading…</span>}</div>}
      {found.data && list.length === 0 && (
        <Empty title="Nothing to stop here.">
          <p>Most queries are over within milliseconds: this list shows those that take long enough to be seen. Rules are not listed; <a href={href('/alerts', { tab: 'rules' })}>Rules</a> tells how long each group takes.</p>
        </Empty>
      )}
      {list.length > 0 && (
        <div class={found.late ? 'late scroll-x' : 'scroll-x'} tabIndex={0} role="region" aria-label="Table of running queries">
          <table class="active">
            <thead><tr><th scope="col">query</th><th scope="col" class="right">runs for</th><th scope="col" class="right">series</th><th scope="col" class="right">samples</th><th scope="col" class="right">memory</th><th scope="col">asked by</th><th scope="col"><span class="offscreen">stop</span></th></tr></thead>
            <tbody>{list.map((row) => <Row key={row.id} row={row} word={asked[row.id] ?? ''} onCancel={() => cancel(row.id)} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function count(x: number | undefined): string {
  return x === undefined ? '–' : whole(x);
}

function Row({ row, word, onCancel }: { row: ActiveRow; word: string; onCancel: () => void }) {
  const over = row.ended !== undefined, stopping = !over && (row.cancelled || word === 'cancelling');
  const z = zone.value;
  const extent = row.step > 0
    ? `${showDuration(row.end - row.start)} until ${showTime(row.end, z)}, step ${showDuration(row.step)}` : `at ${showTime(row.end, z)}`;
  const who = [row.class, row.origin].filter(Boolean).join(', ');
  return (
    <tr class={over ? 'over-row' : undefined}>
      <td class="active-query"><div class="active-text" title={row.query}><span class="dim num">{row.id}</span> <a href={href('/query', linkTo(row))}><code>{row.query}</code></a></div><div class="dim small-text">{extent}</div></td>
      <td class="right num" data-word="runs for" title={`since ${showTime(rfcTime(row.began), z)}`}>{showDuration(row.runningSeconds)}</td>
      <td class="right num" data-word="series">{count(row.series)}</td>
      <td class="right num" data-word="samples">{count(row.samples)}</td>
      <td class="right num" data-word="memory">{row.bytes === undefined ? '–' : show(row.bytes, 'bytes', 3)}</td>
      <td class="wrap" data-word="asked by">{who || '–'}{row.peer && <div class="dim small-text">{row.peer}</div>}{row.tenant !== undefined && String(row.tenant) !== '0' && <div class="dim small-text">tenant {row.tenant}</div>}</td>
      <td class="active-stop">
        {over ? <State of="quiet" word={endWord(row, word === 'cancelling')} />
          : stopping ? <State of="pending" word="stopping" />
            : <button type="button" onClick={onCancel} aria-label={`Cancel query ${row.id}`}>Cancel</button>}
        {word !== '' && word !== 'cancelling' && !over && <p class="wrong small-text">{word}</p>}
      </td>
    </tr>
  );
}

/** The same query with the same range in Explore. */
function linkTo(row: ActiveQuery): Record<string, string | undefined> {
  if (row.step <= 0) return { 'g0.expr': row.query, 'g0.tab': 'table' };
  return { 'g0.expr': row.query, from: String(Math.round(row.start)), to: String(Math.round(row.end)) };
}
