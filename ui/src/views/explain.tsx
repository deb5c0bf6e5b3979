// How the server carries a query out: its plan, and what each part took.
import { useMemo, useState } from 'preact/hooks';
import { more } from '../api_more';
import type { Plan } from '../api_types';
import { showDuration } from '../model/duration';
import { rangeText, span } from '../model/frame';
import { heaviest, planRows, seenRows, type PlanRow } from '../model/plan';
import { useResource } from '../model/resource';
import { alignSpan, chooseStep } from '../model/series';
import { show, whole } from '../model/units';
import { Copy, Trouble } from '../widgets/bits';
import { Icon } from '../widgets/icon';
import '../style/explain.css';

const MOST = 400;
/** Deeper parts are indented no further: there would be no room for their words. */
const DEEPEST = 12;

export interface ExplainProps { expr: string; step: number | undefined; width: number }

export function Explain({ expr, step, width }: ExplainProps) {
  const [run, setRun] = useState(true);
  const [turn, setTurn] = useState(0);
  const found = useResource(JSON.stringify([expr, step, rangeText.value, run, turn]), (stop) => {
    const { start: from, end: to } = span.peek();
    const grid = step ?? chooseStep(to - from, width);
    const { start, end } = alignSpan(from, to, grid);
    return more.explain(expr, start, end, grid, run, stop);
  }, { live: false, on: width > 0 });
  const old = found.error?.kind === 'missing';
  return (
    <section class="explain" aria-label="How the query is carried out">
      {old && <Trouble error={found.error!} what="This server does not explain queries." />}
      {found.error && !old && (
        <>
          <Trouble error={found.error} what={run ? 'The query could not be measured.' : 'The query could not be explained.'} />
          {run && <p class="far"><button type="button" class="small" onClick={() => setRun(false)}>Show the plan without running it</button></p>}
        </>
      )}
      {!found.data && !found.error && <div class="waiting" style={{ minHeight: '160px' }}>{found.slow && <span>{run ? 'The query runs…' : 'Loading…'}</span>}</div>}
      {found.data && !found.error && (
        <div class={found.late ? 'late' : undefined}>
          <Tree plan={found.data} ran={run} onAgain={() => {
            setRun(true);
            setTurn(turn + 1);
          }} />
        </div>
      )}
    </section>
  );
}

function Tree({ plan, ran, onAgain }: { plan: Plan; ran: boolean; onAgain: () => void }) {
  const rows = useMemo(() => planRows(plan.tree), [plan]);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const seen = seenRows(rows, folded);
  const total = rows[0]!.whole, top = heaviest(rows);
  const toggle = (id: number) => {
    const next = new Set(folded);
    if (!next.delete(id)) next.add(id);
    setFolded(next);
  };
  return (
    <>
      <p class="table-head">
        <span>{ran ? <>{whole(rows.length)} {rows.length === 1 ? 'part' : 'parts'}, {showDuration(total)} in all{top && rows.length > 1 && <>; most of it in <code>{top.node.op}</code></>}.</> : <>{whole(rows.length)} {rows.length === 1 ? 'part' : 'parts'}; not run, so nothing is measured.</>}</span>
        <span class="spring" /><button type="button" class="small" onClick={onAgain}>{ran ? 'Measure again' : 'Run and measure'}</button><Copy text={plan.text} label="Copy as text" />
      </p>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Parts of the plan">
        <table class="plan">
          <thead><tr><th scope="col">part</th>{ran && <><th scope="col" colSpan={2}>own time and its share</th><th scope="col" class="right">series</th><th scope="col" class="right">samples</th><th scope="col" class="right">read</th><th scope="col" class="right">memory</th></>}</tr></thead>
          <tbody>{seen.slice(0, MOST).map((row) => <Part key={row.id} row={row} total={total} ran={ran} open={!folded.has(row.id)} onToggle={() => toggle(row.id)} />)}</tbody>
        </table>
      </div>
      {seen.length > MOST && <p class="capped">Shows {MOST} of {whole(seen.length)} parts; the text has all.</p>}
      {ran && <p class="dim small-text">Samples: looked at, once for each window they are in. Read: given by storage. Memory: taken by this part. The bar is the part's own time, its pale end that of the parts below.</p>}
    </>
  );
}

function count(x: number | undefined): string {
  return x === undefined ? '–' : whole(x);
}

function Part({ row, total, ran, open, onToggle }: { row: PlanRow; total: number; ran: boolean; open: boolean; onToggle: () => void }) {
  const { node } = row, of = (x: number) => (total > 0 ? `${Math.min(100, (x / total) * 100).toFixed(2)}%` : '0%');
  return (
    <tr>
      <td class="plan-part" style={{ paddingLeft: `${Math.min(row.depth, DEEPEST) * 20}px` }}>
        {row.parts > 0
          ? <button type="button" class="quiet" aria-expanded={open} aria-label={`${open ? 'Hide' : 'Show'} what is below ${node.op}`} onClick={onToggle}><Icon name={open ? 'down' : 'right'} /></button>
          : <span class="leaf" />}
        <span><strong>{node.op}</strong> <code>{node.detail}</code>{!open && <span class="dim"> and what is below it</span>}</span>
      </td>
      {ran && (
        <>
          <td class="right num plan-time">{showDuration(open ? row.own : row.whole)}</td>
          <td class="plan-bar"><svg width="100%" height="10" aria-hidden="true"><rect class="bar pale" width={of(row.whole)} height="10" /><rect class="bar" width={of(open ? row.own : row.whole)} height="10" /></svg></td>
          <td class="right num" data-word="series">{count(node.series)}</td>
          <td class="right num" data-word="samples">{count(node.samples)}</td>
          <td class="right num" data-word="read">{count(node.samplesRead)}</td>
          <td class="right num" data-word="memory">{node.bytes === undefined ? '–' : show(node.bytes, 'bytes', 3)}</td>
        </>
      )}
    </tr>
  );
}
