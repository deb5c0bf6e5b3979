// Exemplars of a query: laid over its graph, told below it, with their traces to copy.
import { useEffect, useMemo } from 'preact/hooks';
import type uPlot from 'uplot';
import { more } from '../api_more';
import { BACKGROUND } from '../model/colors';
import { readExemplars, sameKind, thinned, traceOf, type Exemplar } from '../model/exemplars';
import { darkNow, rangeText, span, zone } from '../model/frame';
import { selector } from '../model/labels';
import { useResource } from '../model/resource';
import { showTime, zoneName } from '../model/time';
import { show, whole, type Unit } from '../model/units';
import { Copy, LabelSet, Trouble } from '../widgets/bits';
import type { Layer } from '../widgets/layer';

const DRAWN = 200, LISTED = 50, NEAR = 8, TOLD = 4;

export interface ExemplarsProps { expr: string; unit: Unit; onLayer: (layer: Layer | undefined) => void }

export function Exemplars({ expr, unit, onLayer }: ExemplarsProps) {
  const found = useResource(JSON.stringify([expr, rangeText.value]), (stop) => {
    const { start, end } = span.peek();
    return more.exemplars(expr, start, end, stop);
  });
  const all = useMemo(() => readExemplars(found.data ?? []), [found.data]);
  const { start, end } = span.value, dark = darkNow.value, z = zone.value, same = sameKind(expr);
  const drawn = useMemo(() => thinned(all, start, end, DRAWN), [all]);
  useEffect(() => {
    onLayer(makeLayer(drawn, same, unit, dark, z));
    return () => onLayer(undefined);
  }, [drawn, same, unit, dark, z]);
  if (found.error) return <Trouble error={found.error} what={found.error.kind === 'missing' ? 'This server keeps no exemplars.' : 'The exemplars could not be read.'} />;
  if (!found.data) return <p class="far">{found.slow ? 'Looking for exemplars…' : '\u00a0'}</p>;
  if (all.length === 0) return <p class="far">No exemplar of these series in this range. They come with histograms and counters whose application adds a trace to a sample.</p>;
  return (
    <details class="exemplars">
      <summary>◆ {drawn.length < all.length ? `${whole(drawn.length)} of ${whole(all.length)} exemplars drawn, the highest and a middle one of each moment` : `${whole(all.length)} ${all.length === 1 ? 'exemplar' : 'exemplars'}`}{!same && ', on the time axis: their values are of another kind than the graph’s'}</summary>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Exemplars">
        <table class="result">
          <thead><tr><th scope="col">time</th><th scope="col" class="right">value</th><th scope="col">trace and more</th><th scope="col">series</th><th scope="col"><span class="offscreen">copy</span></th></tr></thead>
          <tbody>{[...all].sort((a, b) => b.value - a.value).slice(0, LISTED).map((x) => (
            <tr key={x.time + JSON.stringify([x.labels, x.series])}>
              <td class="num">{showTime(x.time, z)}</td>
              <td class="right num">{show(x.value, unitOf(x, unit, same), 5)}</td>
              <td><LabelSet labels={x.labels} /></td>
              <td>{selector(x.series)}</td>
              <td>{traceOf(x.labels) !== undefined && <Copy text={traceOf(x.labels)!} label="Copy trace" />}</td>
            </tr>
          ))}</tbody>
        </table>
      </div>
      {all.length > LISTED && <p class="capped">The highest {LISTED} of {whole(all.length)}.</p>}
    </details>
  );
}

/** The graph's unit if the values are of its kind; else what the metric's name tells. */
function unitOf(x: Exemplar, unit: Unit, same: boolean): Unit {
  return same ? unit : /_seconds(_|$)/.test(x.series.__name__ ?? '') ? 'seconds' : /_bytes(_|$)/.test(x.series.__name__ ?? '') ? 'bytes' : 'count';
}

/** Where a mark stands in the plot, in CSS pixels; `beyond` if the axis does not reach its value. */
function place(u: uPlot, x: Exemplar, same: boolean): { left: number; top: number; beyond: boolean } {
  const high = u.over.clientHeight, left = u.valToPos(x.time, 'x');
  if (!same) return { left, top: high - 6, beyond: false };
  const top = u.valToPos(x.value, 'y');
  return { left, top: Math.min(high - 5, Math.max(5, top)), beyond: top < 0 || top > high };
}

function makeLayer(all: readonly Exemplar[], same: boolean, unit: Unit, dark: boolean, z: string): Layer {
  return {
    draw: (u) => {
      const { ctx, bbox } = u, ratio = devicePixelRatio || 1, r = 4.5 * ratio;
      ctx.save();
      ctx.fillStyle = dark ? '#e6eaf0' : '#14181f';
      ctx.strokeStyle = BACKGROUND[dark ? 'dark' : 'light'];
      ctx.lineWidth = 1.5 * ratio;
      for (const x of all) {
        const at = place(u, x, same), cx = bbox.left + at.left * ratio, cy = bbox.top + at.top * ratio;
        if (at.left < 0 || at.left > u.over.clientWidth) continue;
        ctx.beginPath();
        ctx.moveTo(cx, cy - r);
        ctx.lineTo(cx + r, cy);
        ctx.lineTo(cx, cy + r);
        ctx.lineTo(cx - r, cy);
        ctx.closePath();
        ctx.fill();
        ctx.stroke();
        if (at.beyond) { // a short line towards where it would be
          ctx.fillRect(cx - ratio / 2, at.top < 10 ? bbox.top : cy, ratio, r * 1.6);
        }
      }
      ctx.restore();
    },
    tip: (u, left, top) => {
      const near = all.filter((x) => {
        const at = place(u, x, same);
        return Math.abs(at.left - left) <= NEAR && Math.abs(at.top - top) <= NEAR;
      });
      if (near.length === 0) return undefined;
      return (
        <div class="tip-exemplars">
          {near.slice(0, TOLD).map((x) => (
            <div key={x.time + JSON.stringify(x.labels)}>
              <div>◆ <strong>{show(x.value, unitOf(x, unit, same), 6)}</strong> <span class="dim">{showTime(x.time, z)} {zoneName(x.time, z)}</span></div>
              <LabelSet labels={x.labels} /><div class="dim">{selector(x.series)}</div>
            </div>
          ))}
          {near.length > TOLD && <div class="dim">and {near.length - TOLD} more here; all stand below the graph</div>}
        </div>
      );
    },
  };
}
