// One query of Explore: its text, its graph, its table, and what it cost.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { api } from '../api';
import type { QueryData } from '../api_types';
import { showDuration } from '../model/duration';
import { clock, rangeText, refreshNow, setRange, span } from '../model/frame';
import { problemOf } from '../model/problem';
import { usePanel } from '../model/range_query';
import { useResource } from '../model/resource';
import { guessUnit, whole } from '../model/units';
import { param, setParams } from '../model/url';
import { Notes, Trouble } from '../widgets/bits';
import { Editor } from '../widgets/editor';
import { Icon } from '../widgets/icon';
import { PanelBody, useRoom } from '../widgets/panel';
import { ResultTable } from './explore_table';

const TABS = ['graph', 'table', 'both'] as const;
type Tab = (typeof TABS)[number];

function tabOf(text: string): Tab {
  if (text === '0') return 'graph';
  if (text === '1') return 'table';
  return TABS.find((tab) => tab === text) ?? 'both';
}

export function Pane({ index, several, onBrowse }: { index: number; several: boolean; onBrowse: () => void }) {
  const key = `g${index}.expr`;
  const expr = param(key).trim();
  const tab = tabOf(param(`g${index}.tab`));
  const [draft, setDraft] = useState(expr);
  useEffect(() => setDraft(expr), [expr]);
  const run = () => {
    if (draft.trim() === expr) refreshNow();
    else setParams({ [key]: draft.trim() || (several ? ' ' : undefined) });
  };
  const { ref, width } = useRoom();
  const graph = usePanel([{ expr }], width - 16, expr !== '' && tab !== 'table');
  // The table asks for the range's end; a range that follows now lets the server choose.
  const at = rangeText.value.to === 'now' ? undefined : span.value.end;
  const table = useResource(JSON.stringify([expr, rangeText.value.to === 'now' ? '' : rangeText.value]),
    (stop) => api.query(expr, at, stop), { on: expr !== '' && tab !== 'graph' });
  // An answer carries the time it was evaluated at, not its samples' own; for a selector those can be asked.
  const ages = useResource(`ages ${expr}`, (stop) => api.query(`timestamp(${expr})`, at, stop), { on: isSelector(expr) && tab !== 'graph' });
  const graphError = graph.key === '' && !graph.error ? undefined : graph.error;
  const error = tab === 'graph' ? graphError : table.error ?? graphError;
  const raw = error?.raw;
  const problem = useMemo(() => (draft.trim() === expr ? problemOf(error) : undefined), [raw, draft.trim() === expr]);
  const unit = guessUnit(expr);
  const tooMany = error && /exceeded maximum resolution|11[,. ]?000 points/.test(error.raw);
  return (
    <section class="pane" ref={ref as never} aria-label={several ? `Query ${index + 1}` : 'Query'}>
      <div class="pane-query">
        <Editor text={draft} label={several ? `Query ${index + 1}` : 'Query'} onText={setDraft} onRun={run} problem={problem} />
        <button type="button" class="primary" onClick={run} title="Ctrl/⌘ Enter or Shift Enter">Run</button>
        <button type="button" onClick={onBrowse}>Metrics</button>
        {several && <button type="button" class="quiet" aria-label={`Remove query ${index + 1}`} onClick={() => setParams({ [key]: undefined, [`g${index}.tab`]: undefined })}><Icon name="close" /></button>}
      </div>
      <h2 class="offscreen">{several ? `Result ${index + 1}` : 'Result'}</h2>
      <div class="choices" role="group" aria-label="Result as">
        {TABS.map((t) => <button key={t} type="button" aria-pressed={t === tab} onClick={() => setParams({ [`g${index}.tab`]: t === 'both' ? undefined : t })}>{t}</button>)}
      </div>
      {expr === '' && (
        <div class="empty"><p class="empty-title">No query yet.</p><div class="empty-text"><p>Type one and press Ctrl/⌘ Enter, or open Metrics to see what there is. Three to begin with:</p>
          <ul class="examples">{['up', 'sum by (job) (rate(scrape_samples_scraped[5m]))', '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))'].map((q) => (
            <li key={q}><button type="button" class="linkish" onClick={() => setParams({ [key]: q })}><code>{q}</code></button></li>
          ))}</ul></div></div>
      )}
      {error && !(error.kind === 'away' && (graph.data || table.data)) && <Trouble error={error} what="No answer." />}
      {tooMany && <p class="far">That is more than 11,000 points a series. <button type="button" class="small" onClick={() => setRange({ from: 'now-1d', to: 'now' })}>Ask for the last day</button></p>}
      {expr !== '' && tab !== 'table' && !error && (
        <PanelBody title="Graph" data={graph.data} late={graph.late} slow={graph.slow} look={{ unit, height: 300 }} took={graph.answer?.took}
          notes={graph.answer && <Notes warnings={graph.answer.warnings} infos={graph.answer.infos} />} anchor={`g${index}`} />
      )}
      {expr !== '' && tab !== 'graph' && table.data && !table.error && (
        <div class={table.late ? 'late' : ''}>
          <ResultTable data={table.data} unit={unit} now={at ?? clock.value} index={index} ages={isSelector(expr) && !ages.error ? ages.data : undefined} />
          <Notes warnings={table.answer?.warnings ?? []} infos={table.answer?.infos ?? []} />
          <footer class="panel-foot">{cost(table.data, table.answer?.took ?? 0)}</footer>
        </div>
      )}
    </section>
  );
}

/** Is the query one plain selector, such as up{job="x"}? */
export function isSelector(expr: string): boolean {
  return /^(?:[a-zA-Z_:][\w:]*)?\s*(?:\{(?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\})?$/.test(expr) && expr !== '' && !/^(?:NaN|Inf)$/i.test(expr);
}

function cost(data: QueryData, took: number): string {
  const words: string[] = [];
  const read = data.stats?.samples?.totalQueryableSamples, server = data.stats?.timings?.execTotalTime ?? data.stats?.timings?.evalTotalTime;
  if (data.resultType === 'vector' || data.resultType === 'matrix') words.push(`${whole(data.result.length)} series`);
  if (read !== undefined) words.push(`${whole(read)} samples read`);
  if (server !== undefined) words.push(`server ${showDuration(server)}`);
  words.push(`in all ${showDuration(Math.round(took) / 1000)}`);
  return words.join(' · ');
}
