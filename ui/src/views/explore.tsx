// Explore: what is this number? Queries with their graphs and tables; all of it stands in the address.
import { useEffect, useState } from 'preact/hooks';
import { parseDuration } from '../model/duration';
import { params, setParams } from '../model/url';
import { Browser } from './explore_browser';
import { Pane } from './explore_pane';
import '../style/explore.css';

const MOST = 8;

/** The queries in the address: g0.expr, g1.expr, … as upstream writes them. */
export function panesOf(query: URLSearchParams): number[] {
  const out: number[] = [];
  for (let i = 0; i < MOST; i++) if (query.has(`g${i}.expr`)) out.push(i);
  return out.length ? out : [0];
}

/** Upstream's own range of the first query (g0.range_input, g0.end_input) becomes the page's; a fixed step stays. */
export function upstreamRange(query: URLSearchParams): Record<string, string | undefined> | undefined {
  const length = query.get('g0.range_input'), end = query.get('g0.end_input') ?? query.get('g0.moment_input');
  const change: Record<string, string | undefined> = {};
  for (const key of [...query.keys()]) {
    if (/^g\d+\.(range_input|end_input|moment_input|stacked|res_type|res_density|res_step|display_mode)$/.test(key)) change[key] = undefined;
    const fixed = /^(g\d+\.)res_step$/.exec(key);
    if (fixed && query.get(`${fixed[1]}res_type`) === 'fixed') change[`${fixed[1]}step_input`] = query.get(key)!;
  }
  if (length === null && end === null) return Object.keys(change).length ? change : undefined;
  if (query.has('from') || query.has('to')) return change;
  const seconds = parseDuration(length ?? '1h');
  const stop = end ? Date.parse(end.replace(' ', 'T') + (/[zZ]|[+-]\d\d:?\d\d$/.test(end) ? '' : 'Z')) / 1000 : NaN;
  if (Number.isNaN(seconds)) return change;
  if (Number.isNaN(stop)) return { ...change, from: `now-${length}`, to: 'now' };
  return { ...change, from: String(stop - seconds), to: String(stop) };
}

export function Explore() {
  const panes = panesOf(params.value);
  const [browse, setBrowse] = useState<number | undefined>(undefined);
  useEffect(() => {
    const change = upstreamRange(params.peek());
    if (change) setParams(change, 'replace');
  }, []);
  const add = () => {
    const free = Array.from({ length: MOST }, (_, i) => i).find((i) => !panes.includes(i));
    if (free !== undefined) setParams({ [`g${panes[0]}.expr`]: params.value.get(`g${panes[0]}.expr`) ?? ' ', [`g${free}.expr`]: ' ' });
  };
  return (
    <div class="page">
      <div class="page-head"><h1>Explore</h1></div>
      {panes.map((i) => <Pane key={i} index={i} several={panes.length > 1} onBrowse={() => setBrowse(i)} />)}
      {panes.length < MOST && <p><button type="button" onClick={add}>Add a query</button></p>}
      <Browser open={browse !== undefined} onClose={() => setBrowse(undefined)} onChoose={(metric) => {
        const key = `g${browse}.expr`;
        setParams({ [key]: metric });
        setBrowse(undefined);
      }} />
    </div>
  );
}
