// A panel: title, chart, legend, and under it in small what the picture was made of.
import type { ComponentChildren, ComponentType } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Labels } from '../api_types';
import { showDuration } from '../model/duration';
import { darkNow, shareLink, span, zone } from '../model/frame';
import { labelKey, selector } from '../model/labels';
import { fillQuery, usePanel, type PanelData, type PanelQuery } from '../model/range_query';
import { picture, strongest, type Line, type Picture, type Rank } from '../model/series';
import { showClock, showDate, showTime, zoneName } from '../model/time';
import { show, whole } from '../model/units';
import { href, param } from '../model/url';
import { copyText, Notes, Trouble } from './bits';
import { Chart, Swatch } from './chart';
import type { Look } from '../model/look';
import { inReach } from './chart_options';
import type { CappedProps } from './capped';
import type { HeatMapProps } from './heatmap';
import type { Layer } from './layer';
import { Legend } from './legend';
import { Menu } from './menu';

export interface PanelProps {
  title: string;
  queries: PanelQuery[];
  look: Look;
  /** What to say when no series answers. */
  nothing?: string;
  /** Small multiple: the last values instead of a legend, no footer. */
  small?: boolean;
  id?: string;
  note?: ComponentChildren;
  /** Which series of the answer to show; if none fits, all are shown. */
  keep?: (labels: Labels) => boolean;
}

/** The frame of a picture that has no data yet: the page's range. */
function blank(): Picture {
  const { start, end } = span.peek();
  return picture([], start, end, end - start);
}

/** What stands in an empty picture. */
function noData({ start, end }: PanelData): string {
  const z = zone.value;
  const until = showDate(start, z) === showDate(end, z) ? showClock(end, z) : showTime(end, z);
  return `No data between ${showTime(start, z)} and ${until} (${zoneName(end, z)}).`;
}

/** The width of an element, and whether it has ever been near the screen. */
export function useRoom(): { ref: { current: HTMLElement | null }; width: number; seen: boolean } {
  const ref = useRef<HTMLElement | null>(null);
  const [room, set] = useState({ width: 0, seen: false });
  useEffect(() => {
    const element = ref.current!;
    const resize = new ResizeObserver(() => set((r) => (r.width === element.clientWidth ? r : { ...r, width: element.clientWidth })));
    resize.observe(element);
    const near = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      near.disconnect();
      set((r) => ({ ...r, seen: true }));
    }, { rootMargin: '300px' });
    near.observe(element);
    set((r) => ({ ...r, width: element.clientWidth }));
    return () => {
      resize.disconnect();
      near.disconnect();
    };
  }, []);
  return { ref, ...room };
}

export function Panel({ title, queries, look, nothing, small, id, note, keep }: PanelProps) {
  const { ref, width, seen } = useRoom();
  const loaded = usePanel(queries, width, seen, undefined, 'dashboard');
  const data = useMemo(() => kept(loaded.data, keep), [loaded.data]);
  const step = data?.step ?? 60;
  const link = href('/query', Object.fromEntries(queries.map((q, i) => [`g${i}.expr`, fillQuery(q.expr, step)])));
  return (
    <section class={small ? 'panel small-panel' : 'panel'} ref={ref as never} id={id}>
      <PanelBody title={title} data={data} late={loaded.late} slow={loaded.slow} look={look} small={small} link={link} note={note}
        error={loaded.error && !(loaded.error.kind === 'away' && loaded.data)
          ? <Trouble error={loaded.error} what={`“${title}” has no new data.`} /> : undefined}
        notes={loaded.answer && !small && <Notes warnings={loaded.answer.warnings} infos={[]} />}
        took={loaded.answer?.took} nothing={nothing} anchor={id} />
    </section>
  );
}

function kept(data: PanelData | undefined, keep: PanelProps['keep']): PanelData | undefined {
  const lines = data && keep ? data.lines.filter((line) => keep(line.labels)) : [];
  return data && lines.length ? { ...data, lines } : data;
}

export const DRAWN = 100;
const RANKS: Rank[] = ['max', 'last', 'avg'];

/** The lines that are drawn: one if it is isolated, all if `skip` is negative, else a hundred by their rank. */
export function drawnLines(lines: Line[], only: string | undefined, by: Rank, skip: number): Line[] {
  const one = only === undefined ? undefined : lines.find((line) => line.key === only);
  return one ? [one] : skip < 0 ? lines : strongest(lines, DRAWN, by, skip < lines.length ? skip : 0);
}

/** A part that few pictures need: its code comes when the first one does, its room is kept. */
export function Later<P>({ load, with: props, height }: { load: () => Promise<ComponentType<P>>; with: P; height: number }) {
  const [Part, set] = useState<{ it: ComponentType<P> } | undefined>(undefined);
  useEffect(() => void load().then((it) => set({ it }), () => undefined), []);
  return <div style={{ minHeight: `${height}px` }}>{Part && <Part.it {...props as P & object} />}</div>;
}

const loadCapped = (): Promise<ComponentType<CappedProps>> => import('./capped').then((m) => m.Capped);

interface BodyProps {
  title: string;
  data: PanelData | undefined;
  late: boolean;
  slow: boolean;
  look: Look;
  small?: boolean;
  link?: string;
  note?: ComponentChildren;
  error?: ComponentChildren;
  notes?: ComponentChildren;
  took?: number;
  nothing?: string;
  anchor?: string;
  layer?: Layer;
}

export function PanelBody(props: BodyProps) {
  const { title, data, late, slow, look, small, link, note, error, notes, took, nothing, anchor, layer } = props;
  const [only, setOnly] = useState<string | undefined>(undefined);
  const canvas = useRef<HTMLCanvasElement | undefined>(undefined);
  const [early] = useState(blank);
  const shown = data ?? early;
  const [skip, setSkip] = useState(0);
  const by = RANKS.find((rank) => rank === param('top')) ?? 'max';
  const hundred = useMemo(() => new Set(drawnLines(shown.lines, undefined, by, skip).map((line) => line.key)), [shown, by, skip]);
  const drawn = useMemo(() => ({ ...shown, lines: drawnLines(shown.lines, only, by, skip) }), [shown, only, by, skip]);
  const reach = inReach(shown.lines, look);
  const far = (look.thresholds ?? []).filter((t) => !reach.includes(t));
  const shared = Object.keys(shown.common).length ? selector(shown.common) : '';
  const share = () => {
    const to = new URL(shareLink());
    if (anchor) to.hash = anchor;
    void copyText(to.toString());
  };
  return (
    <>
      <header class="panel-head">
        <h3>{title}</h3>
        {shared && <code class="dim cut" title={shared}>{shared}</code>}
        <span class="panel-side">
          {small && data && data.lines.length === 1 && <Lasts shown={data} look={look} />}
          {(link || !small) && (
            <Menu label={`What to do with ${title}`} items={[
              link ? ['Open in Explore', link] : undefined,
              ['Copy link to this picture', share],
              data && ['Save as PNG', () => void import('./save').then((m) => canvas.current && m.savePng(canvas.current, title, data, look))],
              data && ['Save as CSV', () => void import('./save').then((m) => m.saveCsv(title, data))],
            ]} />
          )}
        </span>
      </header>
      {error}
      <div class={late && data ? 'late chart-room' : 'chart-room'} style={{ minHeight: `${look.height}px` }}>
        {!(data?.sketches.length && data.lines.length === 0) && <Chart shown={drawn} look={look} label={title} layer={layer} only={only} onOnly={setOnly} canvas={(c) => (canvas.current = c)} />}
        {!data && slow && !error && <p class="over">Loading…</p>}
        {data && data.sketches.length > 0 && <Heat data={data} unit={look.unit} />}
        {data && data.lines.length + data.sketches.length === 0 && <p class="over"><span>{nothing ?? noData(data)}</span></p>}
      </div>
      {small && data && data.lines.length > 1 && <Lasts shown={data} look={look} />}
      {shown.lines.length > DRAWN && only === undefined && <Later load={loadCapped} height={28} with={{ lines: shown.lines.length, points: shown.times.length, most: DRAWN, by, skip, onSkip: setSkip }} />}
      {far.length > 0 && data && data.lines.length > 0 && !small && (
        <p class="far">Far below {far.map((t) => `“${t.word}${/\d/.test(t.word) ? '' : ` ${show(t.at, look.unit)}`}”`).join(' and ')}: not in this picture.</p>
      )}
      {note}
      {!small && data && data.lines.length > 0 && <Legend shown={data} drawn={skip >= 0 && data.lines.length > DRAWN ? hundred : undefined} unit={look.unit} only={only} onOnly={setOnly} label={title} exact={look.height >= 250} />}
      {notes}
      {!small && <footer class="panel-foot" title={took === undefined ? '' : `Here after ${showDuration(Math.round(took) / 1000)}`}>{data ? footer(data) : '\u00a0'}</footer>}
    </>
  );
}

const HEATS = 4;

/** Native histograms as heat maps; the code for them comes when the first one does. */
function Heat({ data, unit }: { data: PanelData; unit: Look['unit'] }) {
  const [Part, set] = useState<{ it: ComponentType<HeatMapProps> } | undefined>(undefined);
  const { ref, width } = useRoom();
  useEffect(() => void import('./heatmap').then((m) => set({ it: m.HeatMap }), () => undefined), []);
  return (
    <div ref={ref as never}>
      {Part && width > 0 && data.sketches.slice(0, HEATS).map((sketch) => <Part.it key={labelKey(sketch.labels)} sketch={sketch} times={data.times} unit={unit} width={width} />)}
      {data.sketches.length > HEATS && <p class="capped">Draws {HEATS} of {whole(data.sketches.length)} histograms; narrow the query to see others.</p>}
    </div>
  );
}

/** Step, resolution, samples read, time taken by the server (until it was here is told by hovering). */
function footer(data: PanelData): string {
  const words = [`step ${showDuration(data.step)}`, `${whole(data.times.length)} points`];
  if (data.samples !== undefined) words.push(`${whole(data.samples)} samples read`);
  if (data.serverSeconds !== undefined) words.push(showDuration(data.serverSeconds));
  return words.join(' · ');
}

/** The newest values of a small multiple: up to three, the largest first. */
function Lasts({ shown, look }: { shown: Picture; look: Look }) {
  const known = shown.lines.filter((line) => line.last !== null);
  const listed = [...known].sort((a, b) => b.last! - a.last!).slice(0, 3);
  const scheme = darkNow.value ? 'dark' : 'light';
  if (shown.lines.length > 0 && known.length === 0) return <span class="dim">gap</span>;
  return (
    <span class="lasts">
      {listed.map((line) => <span key={line.key} class="num">{shown.lines.length > 1 && <><Swatch line={line} scheme={scheme} /><span class="dim">{line.name} </span></>}{show(line.last!, look.unit, 3)}</span>)}
    </span>
  );
}
