// Small parts that every page uses.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { ApiError } from '../api';
import type { Labels } from '../api_types';
import { showAge, showDuration } from '../model/duration';
import { clock, zone } from '../model/frame';
import { orderedLabels } from '../model/labels';
import type { Resource } from '../model/resource';
import { showTime, zoneName } from '../model/time';
import { href } from '../model/url';
import { Icon } from './icon';

/** "12 s ago", kept true by the second; the exact time is in the title. */
export function Age({ time, bare }: { time: number; bare?: boolean }) {
  if (!Number.isFinite(time)) return <span class="dim">never</span>;
  const text = bare ? showDuration(Math.max(0, Math.round(clock.value - time))) : showAge(Math.max(0, clock.value - time));
  return <time class="num" title={`${showTime(time, zone.value)} ${zoneName(time, zone.value)}`}>{text}</time>;
}

export function Time({ time }: { time: number }) {
  if (!Number.isFinite(time)) return <span class="dim">never</span>;
  return <time class="num">{showTime(time, zone.value)} <span class="dim">{zoneName(time, zone.value)}</span></time>;
}

/** A page or block without content teaches what would fill it. */
export function Empty({ title, children, config }: { title: string; children?: ComponentChildren; config?: string }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <div class="empty-text">{children}</div>}
      {config && <div class="config"><pre tabIndex={0} aria-label="Configuration to copy">{config}</pre><Copy text={config} /></div>}
    </div>
  );
}

/** A sentence with a next step; the server's own words one click away. */
export function Trouble({ error, what }: { error: ApiError; what: string }) {
  const position = /(\d+):(\d+): (?:parse error: )?(.*)$/s.exec(error.raw);
  return (
    <div class="trouble" role="alert">
      <p><strong>{what}</strong> {error.text}{error.kind === 'bad' && position && <> At line {position[1]}, column {position[2]}: <code>{position[3]}</code></>}</p>
      {error.raw && (
        <details open={(error.kind === 'bad' && !position) || error.kind === 'refused'}><summary>What the server said</summary><pre tabIndex={0}>{error.raw}</pre></details>
      )}
    </div>
  );
}

/** Content of a resource: reserved space first, then data, dimmed while it is old, errors beside it. */
export function Loaded<T>({ of, what, height = 120, children }: {
  of: Resource<T>; what: string; height?: number; children: (data: T) => ComponentChildren;
}) {
  return (
    <>
      {of.error && !(of.error.kind === 'away' && of.data !== undefined) && <Trouble error={of.error} what={what} />}
      {of.data !== undefined
        ? <div class={of.late ? 'late' : undefined} aria-busy={of.late}>{children(of.data)}</div>
        : !of.error && <div class="waiting" style={{ minHeight: `${height}px` }}>{of.slow && <span>Loading…</span>}</div>}
    </>
  );
}

export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [word, set] = useState('');
  const copy = () => void copyText(text).then((ok) => {
    set(ok ? 'Copied' : 'Not allowed by the browser');
    setTimeout(() => set(''), 1500);
  });
  return <button type="button" class="small" onClick={copy}>{word || label}</button>;
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure context there is no clipboard API: the old way needs a selection.
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'offscreen';
    document.body.append(area);
    area.select();
    const ok = document.execCommand('copy');
    area.remove();
    return ok;
  }
}

/** A set of labels, quiet names and readable values. */
export function LabelSet({ labels, first = [], without = [] }: { labels: Labels; first?: string[]; without?: string[] }) {
  return (
    <span class="labels">
      {orderedLabels(labels, first).filter(([name]) => !without.includes(name)).map(([name, value]) => (
        <span class="label" key={name}><span class="dim">{name}=</span>{value}</span>
      ))}
    </span>
  );
}

/** A query, and the way into Explore with it. */
export function Expr({ query, word = 'Open in Explore' }: { query: string; word?: string }) {
  return (
    <div class="expr"><code>{query}</code><a href={href('/query', { 'g0.expr': query })}><Icon name="explore" />{word}</a></div>
  );
}

export function Tabs({ tabs, now, link }: { tabs: [string, string][]; now: string; link: (tab: string) => string }) {
  return (
    <nav class="tabs" aria-label="Parts of this page">
      {tabs.map(([id, word]) => <a key={id} href={link(id)} aria-current={id === now ? 'page' : undefined}>{word}</a>)}
    </nav>
  );
}

/** Notes of the server about an answer that is not all it seems. */
export function Notes({ warnings, infos }: { warnings: string[]; infos: string[] }) {
  if (warnings.length + infos.length === 0) return null;
  return (
    <ul class="notes">
      {warnings.map((text) => <li key={text} class="warn">Warning: {text}</li>)}
      {infos.map((text) => <li key={text}>{text}</li>)}
    </ul>
  );
}
