// One query of Explore: its text, its graph, its table, and what it cost.
import type { ComponentType } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { api } from '../api';
import type { QueryData } from '../api_types';
import { promDuration, showDuration } from '../model/duration';
import { clock, rangeText, refreshNow, setRange, span } from '../model/frame';
import { recordQuery } from '../model/history';
import { historyOpen } from '../model/keys';
import { problemOf } from '../model/problem';
import { usePanel } from '../model/range_query';
import { useResource } from '../model/resource';
import { enoughStep, fitOf, stepOf } from '../model/step';
import { guessUnit, whole } from '../model/units';
import { param, setParams } from '../model/url';
import { Notes, Trouble } from '../widgets/bits';
import { Editor } from '../widgets/editor';
import { Icon } from '../widgets/icon';
import { Later, PanelBody, useRoom } from '../widgets/panel';
import type { Layer } from '../widgets/layer';
import type { ExemplarsProps } from './exemplars';
import type { ExplainProps } from './explain';
import { ResultTable } from './explore_table';

const TABS = ['graph', 'table', 'both', 'explain'] as const;
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
  const step = stepOf(param(`g${index}.step_input`));
  const setStep = (seconds: number | undefined) => setParams({ [`g${index}.step_input`]: seconds === undefined ? undefined : promDuration(seconds) });
  const drawn = expr !== '' && (tab === 'graph' || tab === 'both'), listed = expr !== '' && (tab === 'table' || tab === 'both');
  const graph = usePanel([{ expr }], width - 16, drawn, step);
  // The table asks for the range's end; a range that follows now lets the server choose.
  const at = rangeText.value.to === 'now' ? undefined : span.value.end;
  const table = useResource(JSON.stringify([expr, rangeText.value.to === 'now' ? '' : rangeText.value]),
    (stop) => api.query(expr, at, stop), { on: listed });
  // An answer carries the time it was evaluated at, not its samples' own; for a selector those can be asked.
  const ages = useResource(`ages ${expr}`, (stop) => api.query(`timestamp(${expr})`, at, stop), { on: isSelector(expr) && listed });
  const graphError = graph.key === '' && !graph.error ? undefined : graph.error;
  const error = tab === 'explain' ? undefined : tab === 'graph' ? graphError : table.error ?? graphError;
  const raw = error?.raw;
  const problem = useMemo(() => (draft.trim() === expr ? problemOf(error) : undefined), [raw, draft.trim() === expr]);
  const unit = guessUnit(expr);
  const marked = param(`g${index}.show_exemplars`) === '1';
  const [layer, setLayer] = useState<Layer | undefined>(undefined);
  const fit = fitOf(graphError?.raw ?? '');
  const enough = graph.data && step !== undefined ? enoughStep(graph.data.times.length, graph.data.end - graph.data.start, width - 16) : undefined;
  const done = expr !== '' && !error && (graph.key.includes(JSON.stringify(expr)) || table.key.includes(JSON.stringify(expr)));
  useEffect(() => {
    if (done) recordQuery(expr, Date.now() / 1000);
  }, [done, expr]);
  const tooMany = !fit.step && !fit.range && error && /exceeded maximum resolution|11[,. ]?000 points/.test(error.raw);
  return (
    <section class="pane" ref={ref as never} aria-label={several ? `Query ${index + 1}` : 'Query'}>
      <div class="pane-query">
        <Editor text={draft} label={several ? `Query ${index + 1}` : 'Query'} onText={setDraft} onRun={run} problem={problem} />
        <button type="button" class="primary" onClick={run} title="Ctrl/⌘ Enter or Shift Enter">Run</button>
        <button type="button" onClick={onBrowse}>Metrics</button>
        <button type="button" onClick={() => (historyOpen.value = key)} title="Queries of before (h)">History</button>
        {several && <button type="button" class="quiet" aria-label={`Remove query ${index + 1}`} onClick={() => setParams({ [key]: undefined, [`g${index}.tab`]: undefined, [`g${index}.step_input`]: undefined, [`g${index}.show_exemplars`]: undefined })}><Icon name="close" /></button>}
      </div>
      <h2 class="offscreen">{several ? `Result ${index + 1}` : 'Result'}</h2>
      <div class="pane-bar">
        <div class="choices" role="group" aria-label="Result as">
          {TABS.map((t) => <button key={t} type="button" aria-pressed={t === tab} onClick={() => setParams({ [`g${index}.tab`]: t === 'both' ? undefined : t })}>{t}</button>)}
        </div>
        {drawn && <button type="button" class="switch" aria-pressed={marked} onClick={() => setParams({ [`g${index}.show_exemplars`]: marked ? undefined : '1' })}>◆ exemplars</button>}
        {tab !== 'table' && <StepField step={step} auto={step === undefined ? graph.data?.step : undefined} onStep={setStep} />}
      </div>
      {expr === '' && (
        <div class="empty"><p class="empty-title">No query yet.</p><div class="empty-text"><p>Type one and press Ctrl/⌘ Enter, or open Metrics to see what there is. Three to begin with:</p>
          <ul class="examples">{['up', 'sum by (job) (rate(scrape_samples_scraped[5m]))', '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))'].map((q) => (
            <li key={q}><button type="button" class="linkish" onClick={() => setParams({ [key]: q })}><code>{q}</code></button></li>
          ))}</ul></div></div>
      )}
      {error && !(error.kind === 'away' && (graph.data || table.data)) && <Trouble error={error} what="No answer." />}
      {fit.step && <p class="far">A step of {showDuration(fit.step)} would fit. <button type="button" class="small" onClick={() => setStep(fit.step)}>Use step {showDuration(fit.step)}</button></p>}
      {fit.range && <p class="far">A range of {showDuration(fit.range)} would fit. <button type="button" class="small" onClick={() => setRange({ from: `now-${promDuration(fit.range!)}`, to: 'now' })}>Ask for the last {showDuration(fit.range)}</button></p>}
      {tooMany && <p class="far">That is more than 11,000 points a series. <button type="button" class="small" onClick={() => setRange({ from: 'now-1d', to: 'now' })}>Ask for the last day</button></p>}
      {expr !== '' && tab === 'explain' && <Plan expr={expr} step={step} width={width - 16} />}
      {drawn && !error && (
        <PanelBody title="Graph" data={graph.data} late={graph.late} slow={graph.slow} look={{ unit, height: 300 }} took={graph.answer?.took}
          notes={graph.answer && <Notes warnings={graph.answer.warnings} infos={graph.answer.infos} />} anchor={`g${index}`} layer={layer}
          note={marked && graph.data && graph.data.lines.length > 0 && <Later load={loadExemplars} height={28} with={{ expr, unit, onLayer: setLayer }} />} />
      )}
      {enough !== undefined && drawn && !error && (
        <p class="far">{whole(graph.data!.times.length)} points on {whole(width - 16)} pixels, more than can be seen: a step of {showDuration(enough)} has one for each. <button type="button" class="small" onClick={() => setStep(enough)}>Use step {showDuration(enough)}</button></p>
      )}
      {listed && table.data && !table.error && (
        <div class={table.late ? 'late' : ''}>
          <ResultTable data={table.data} unit={unit} now={at ?? clock.value} index={index} ages={isSelector(expr) && !ages.error ? ages.data : undefined} />
          <Notes warnings={table.answer?.warnings ?? []} infos={table.answer?.infos ?? []} />
          <footer class="panel-foot">{cost(table.data, table.answer?.took ?? 0)}</footer>
        </div>
      )}
    </section>
  );
}

/** The plan's code comes when one is asked for. */
function Plan(props: ExplainProps) {
  return <Later load={loadExplain} height={160} with={props} />;
}

const loadExemplars = (): Promise<ComponentType<ExemplarsProps>> => import('./exemplars').then((m) => m.Exemplars);
const loadExplain = (): Promise<ComponentType<ExplainProps>> => import('./explain').then((m) => m.Explain);

/** The step of the graph: empty leaves it to the page, which chooses by range and width. */
function StepField({ step, auto, onStep }: { step: number | undefined; auto: number | undefined; onStep: (step: number | undefined) => void }) {
  const [text, setText] = useState('');
  useEffect(() => setText(step === undefined ? '' : promDuration(step)), [step]);
  const wrong = text.trim() !== '' && stepOf(text) === undefined;
  const apply = () => !wrong && onStep(stepOf(text));
  return (
    <label class="step-field">step
      <input value={text} placeholder={auto === undefined ? 'auto' : `auto ${promDuration(auto)}`} spellcheck={false} autocomplete="off" aria-invalid={wrong} aria-label="Step of the graph"
        onInput={(e) => setText(e.currentTarget.value)} onBlur={apply} onKeyDown={(e) => e.key === 'Enter' && apply()} />
    </label>
  );
}

/** Is the query one plain selector, such as up{job="x"}? */
export function isSelector(expr: string): boolean {
  return /^(?:[a-zA-Z_:][\w:]*)?\s*(?:\{(?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\})?$/.test(expr) && expr !== '' && !/^(?:NaN|Inf)$/i.test(expr);
}

function cost(data: QueryData, took: number): string {
  const words: string[] = [];
  const read = data.stats?.samples?.samplesRead, server = data.stats?.timings?.execTotalTime ?? data.stats?.timings?.evalTotalTime;
  if (data.resultType === 'vector' || data.resultType === 'matrix') words.push(`${whole(data.result.length)} series`);
  if (read !== undefined) words.push(`${whole(read)} samples read`);
  if (server !== undefined) words.push(`server ${showDuration(server)}`);
  words.push(`in all ${showDuration(Math.round(took) / 1000)}`);
  return words.join(' · ');
}
