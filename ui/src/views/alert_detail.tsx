// One alert, opened: why it fires, its graph with the threshold, its history, and what was sent where.
import { api } from '../api';
import type { Delivery } from '../api_types';
import { splitThreshold, valueSide, type AlertRow } from '../model/alerts';
import { showDuration } from '../model/duration';
import { rangeText, span, zone } from '../model/frame';
import { includesLabels, labelName, quote } from '../model/labels';
import { useResource } from '../model/resource';
import { alignSpan, chooseStep, gridTimes, parseValue, runs } from '../model/series';
import { rfcTime, showTime, zoneName } from '../model/time';
import { guessUnit, show } from '../model/units';
import { Age, Expr, LabelSet, Time } from '../widgets/bits';
import { Panel } from '../widgets/panel';
import { State } from '../widgets/state';

export function AlertDetail({ row, sent, off }: { row: AlertRow; sent: Delivery[] | undefined; off: boolean }) {
  const split = splitThreshold(row.rule.query);
  const left = split?.left ?? row.rule.query;
  const unit = guessUnit(valueSide(row.rule.query));
  const over = split && /[>=]/.test(split.op);
  return (
    <div class="detail">
      <div class="detail-main">
        <dl class="notes-list">
          {Object.entries(row.annotations).map(([name, text]) => <div key={name}><dt>{name}</dt><dd class="text">{linked(text)}</dd></div>)}
        </dl>
        <Panel title={split ? `Value against ${split.op} ${show(split.bound, unit)}` : 'Value'} queries={[{ expr: left }]} keep={({ __name__: _name, ...labels }) => includesLabels(row.labels, labels)}
          look={{ unit, height: 180, thresholds: split ? [{ at: split.bound, word: `${over ? 'fires at' : 'fires below'} ${show(split.bound, unit)}`, mood: 'firing' }] : undefined }} />
        <Timeline row={row} />
      </div>
      <div class="detail-side">
        <h3>Why</h3>
        <Expr query={row.rule.query} />
        <p>
          Since <Time time={row.since} />{row.rule.duration ? `; the rule waits ${showDuration(row.rule.duration)} before it fires` : '; the rule fires at once'}.
          Value at the last run: <span class="num">{String(row.value)}</span>.
        </p>
        <p class="dim">Group {row.group.name} in <code>{row.group.file}</code>, every {showDuration(row.group.interval)}, last run <Age time={rfcTime(row.group.lastEvaluation)} />.</p>
        <h3>Labels</h3>
        <LabelSet labels={row.labels} first={['alertname', 'severity']} />
        <h3>Sent</h3>
        <Sent all={sent} off={off} />
      </div>
    </div>
  );
}

/** Only http and https become links; everything else of a stranger's text stays text. */
function linked(text: string) {
  return /^https?:\/\/\S+$/.test(text) ? <a href={text} rel="noreferrer noopener" target="_blank">{text}</a> : text;
}

function Sent({ all, off }: { all: Delivery[] | undefined; off: boolean }) {
  if (off && !all?.length) return <p>Nothing is sent and nobody is told: no notifier is configured. It is switched on by the flag <code>--alertmanager.config</code>, which names an <code>alertmanager.yml</code> with a receiver and a route.</p>;
  if (!all) return <p class="dim">This server keeps no list of deliveries.</p>;
  if (all.length === 0) return <p>Nothing was sent for this alert yet. A receiver in the notifier's configuration, matched by the route, gets it after <code>group_wait</code>.</p>;
  return (
    <ul class="sent">
      {all.slice(0, 20).map((d) => (
        <li key={d.time + d.receiver + d.integration + String(d.attempt)}>
          <State of={d.status === 'ok' ? 'ok' : d.status === 'retrying' ? 'pending' : 'firing'} word={d.status === 'ok' ? 'sent' : d.status} />
          <span> to <strong>{d.receiver}</strong> ({d.integration}) <Age time={rfcTime(d.time)} />{d.code ? `, answer ${d.code}` : ''}{(d.attempt ?? 1) > 1 && `, attempt ${d.attempt}`}</span>
          {d.error && <pre tabIndex={0}>{d.error}</pre>}
        </li>
      ))}
      {all.length > 20 && <li class="dim">and {all.length - 20} older</li>}
    </ul>
  );
}

/** inactive → pending → firing over the page's range, from the ALERTS series. */
function Timeline({ row }: { row: AlertRow }) {
  const match = Object.entries(row.labels).map(([name, value]) => `${labelName(name)}=${quote(value)}`).join(',');
  const { from, to } = rangeText.value;
  const loaded = useResource(JSON.stringify(['timeline', match, from, to]), async (stop) => {
    const { start: a, end: b } = span.peek();
    const step = chooseStep(b - a, 900);
    const { start, end } = alignSpan(a, b, step);
    const answer = await api.range(`ALERTS{${match}}`, start, end, step, stop);
    const values = new Array<number | null>(gridTimes(start, end, step).length).fill(0);
    for (const item of answer.data.result) {
      const level = item.metric.alertstate === 'firing' ? 2 : 1;
      for (const [time, text] of item.values ?? []) {
        const at = Math.round((time - start) / step);
        if (at >= 0 && at < values.length && parseValue(text) > 0) values[at] = Math.max(values[at] ?? 0, level);
      }
    }
    return { ...answer, data: { start, step, values } };
  });
  const data = loaded.data;
  const words = ['inactive', 'pending', 'firing'];
  const all = data ? runs(data.values) : [];
  const at = (i: number) => showTime(data!.start + i * data!.step, zone.value);
  return (
    <section class="timeline">
      <h3>History <span class="dim">over this page's range, a point every {data ? showDuration(data.step) : '–'}</span></h3>
      <svg class="strip tall" viewBox={`0 0 ${data?.values.length ?? 1} 18`} preserveAspectRatio="none" role="img"
        aria-label={data ? `History: ${all.map((r) => `${words[r.value ?? 0]} from ${at(r.from)}`).slice(-10).join(', ')}` : 'History'}>
        <rect class="strip-base" x="0" y="17" width={data?.values.length ?? 1} height="1" />
        {all.filter((r) => r.value).map((r) => (
          <rect key={r.from} class={r.value === 2 ? 'strip-down' : 'strip-pending'} x={r.from} width={r.to - r.from} y={r.value === 2 ? 0 : 9} height={r.value === 2 ? 18 : 9}>
            <title>{`${words[r.value!]} from ${at(r.from)} to ${at(r.to)}`}</title>
          </rect>
        ))}
      </svg>
      {data && <p class="dim small-text">{all.slice(-4).map((r) => `${words[r.value ?? 0]} since ${at(r.from)}`).join(' → ')} {zoneName(data.start, zone.value)}</p>}
    </section>
  );
}
