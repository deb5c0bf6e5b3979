// A query's answer as a table: a column for each label, the exact value and its age, sortable.
import { useState } from 'preact/hooks';
import type { HistogramValue, Labels, QueryData, Sample, VectorItem } from '../api_types';
import { csvRows } from '../model/csv';
import { commonLabels, labelKey, selector } from '../model/labels';
import { parseValue } from '../model/series';
import { show, whole, type Unit } from '../model/units';
import { param, setParams } from '../model/url';
import { showDuration } from '../model/duration';
import { Copy, Time } from '../widgets/bits';

const PAGE = 200;

interface Row { labels: Labels; text: string; value: number; time: number; several?: Sample[]; histogram?: HistogramValue }

function rowsOf(data: QueryData): Row[] {
  if (data.resultType === 'vector') {
    return data.result.map((item) => item.value
      ? { labels: item.metric, text: item.value[1], value: parseValue(item.value[1]), time: item.value[0] }
      : { labels: item.metric, text: 'histogram', value: Number(item.histogram?.[1].count), time: item.histogram?.[0] ?? NaN, histogram: item.histogram?.[1] });
  }
  if (data.resultType === 'matrix') {
    return data.result.map((item) => {
      const last = item.values?.[item.values.length - 1];
      const sketch = item.histograms?.[item.histograms.length - 1];
      return last
        ? { labels: item.metric, text: last[1], value: parseValue(last[1]), time: last[0], several: item.values }
        : { labels: item.metric, text: 'histogram', value: Number(sketch?.[1].count), time: sketch?.[0] ?? NaN, histogram: sketch?.[1] };
    });
  }
  return [];
}

export function ResultTable({ data, unit, now, index, ages }: {
  data: QueryData; unit: Unit; now: number; index: number; ages: QueryData | undefined;
}) {
  const [most, setMost] = useState(PAGE);
  if (data.resultType === 'scalar' || data.resultType === 'string') {
    return <p class="single-value"><span class="num">{data.result[1]}</span> <span class="dim">{data.resultType}, at <Time time={data.result[0]} /></span></p>;
  }
  const rows = rowsOf(data);
  const aged = data.resultType === 'matrix' || (ages?.resultType === 'vector' && setTimes(rows, ages.result));
  if (rows.length === 0) return <p class="calm">No series answers this query now. A metric that stopped more than 5 minutes ago shows only in the graph.</p>;
  const common = commonLabels(rows.map((row) => row.labels));
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))].filter((name) => !(name in common)).sort((a, b) => (a === '__name__' ? -1 : b === '__name__' ? 1 : a < b ? -1 : 1));
  const [column, way] = (param(`g${index}.sort`) || '').split('~') as [string, string | undefined];
  const sorted = column === '' ? rows : [...rows].sort((a, b) => order(a, b, column) * (way === 'down' ? -1 : 1));
  const choose = (name: string) => setParams({ [`g${index}.sort`]: column !== name ? name : way === 'down' ? '' : `${name}~down` }, 'replace');
  const head = (name: string, word: string, right = false) => (
    <th key={name} scope="col" class={right ? 'right' : ''} aria-sort={column === name ? (way === 'down' ? 'descending' : 'ascending') : undefined}>
      <button type="button" onClick={() => choose(name)}>{word}{column === name && (way === 'down' ? ' ↓' : ' ↑')}</button>
    </th>
  );
  const csv = () => csvRows([[...Object.keys(common), ...names, 'time', 'value'],
    ...sorted.map((row) => [...Object.keys(common), ...names].map((n): string | number => row.labels[n] ?? '').concat([Number.isFinite(row.time) ? new Date(row.time * 1000).toISOString() : '', row.text]))]);
  return (
    <div data-hold>
      <p class="table-head">{!aged && <span>evaluated at <Time time={rows[0]!.time} /></span>}{Object.keys(common).length > 0 && <><span class="fixed">all with</span><code>{selector(common)}</code></>}<span class="spring" /><Copy text={csv()} label="Copy as CSV" /></p>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Table of results">
        <table class="result">
          <thead><tr>{names.map((name) => head(name, name === '__name__' ? 'metric' : name))}{head(' value', 'value', true)}<th scope="col" class="right">exact</th>{aged && head(' age', 'age', true)}</tr></thead>
          <tbody>
            {sorted.slice(0, most).map((row) => (
              <tr key={selector(row.labels)}>
                {names.map((name) => <td key={name} class="text">{row.labels[name] ?? <span class="dim">–</span>}</td>)}
                <td class="right num">{row.histogram ? '–' : show(row.value, unit)}</td>
                <td class="right num exact">{row.histogram ? <Sketch of={row.histogram} /> : row.text}{row.several && <span class="dim"> ({whole(row.several.length)} samples)</span>}</td>
                {aged && <td class="right num">{Number.isNaN(row.time) ? '–' : showDuration(Math.max(0, Math.round(now - row.time)))}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > most && <p class="capped">Shows {whole(most)} of {whole(rows.length)} series. <button type="button" class="small" onClick={() => setMost(most + 1000)}>Show more</button></p>}
    </div>
  );
}

/** Gives rows the times of their newest samples, as timestamp() told them; false if it told of none. */
function setTimes(rows: Row[], times: VectorItem[]): boolean {
  const known = new Map(times.map((item) => [labelKey(item.metric), parseValue(item.value?.[1] ?? 'NaN')]));
  for (const row of rows) {
    const { __name__: _name, ...labels } = row.labels;
    row.time = known.get(labelKey(labels)) ?? NaN;
  }
  return known.size > 0;
}

function order(a: Row, b: Row, column: string): number {
  if (column === ' value') return (a.value || 0) - (b.value || 0);
  if (column === ' age') return b.time - a.time;
  const x = a.labels[column] ?? '', y = b.labels[column] ?? '';
  return x.localeCompare(y, 'en', { numeric: true });
}

function Sketch({ of }: { of: HistogramValue }) {
  return (
    <details class="sketch"><summary>count {of.count}, sum {of.sum}</summary>
      <ul>{(of.buckets ?? []).map(([rule, low, high, count]) => <li key={low + high}>{rule === 1 || rule === 3 ? '[' : '('}{low}, {high}{rule === 0 || rule === 3 ? ']' : ')'}: {count}</li>)}</ul>
    </details>
  );
}
