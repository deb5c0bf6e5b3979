// Go anywhere: pages, metrics, alerts, targets. The server searches metric names; nothing is listed whole.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api';
import { more } from '../api_more';
import { alertId } from '../model/alerts';
import { paletteOpen } from '../model/keys';
import { labelKey, matchesWords, selector } from '../model/labels';
import { PAGES } from '../model/pages';
import { searchMatcher } from '../model/search';
import { useResource } from '../model/resource';
import { go, href } from '../model/url';
import { Icon } from './icon';
import { Modal } from './modal';
import '../style/dialogs.css';

interface Entry { kind: string; icon: string; text: string; more?: string; link: string }

const PLACES: Entry[] = [
  ...PAGES.map((page) => ({ kind: 'page', icon: page.icon, text: page.word, more: page.asks, link: page.path })),
  { kind: 'dashboard', icon: 'dashboards', text: 'Host dashboard', more: 'utilisation, saturation, errors', link: '/dashboards/host' },
  { kind: 'page', icon: 'alerts', text: 'Rules', more: 'last run, duration, errors', link: '/alerts?tab=rules' },
  { kind: 'page', icon: 'status', text: 'Flags', link: '/status?tab=flags' },
  { kind: 'page', icon: 'status', text: 'Configuration', link: '/status?tab=configuration' },
  { kind: 'page', icon: 'status', text: 'TSDB and cardinality', link: '/status?tab=tsdb' },
  { kind: 'page', icon: 'status', text: 'Running queries', more: 'what each costs, cancel', link: '/status?tab=queries' },
];

function linkOf(entry: Entry): string {
  const [page, query] = entry.link.split('?');
  return href(page!, Object.fromEntries(new URLSearchParams(query ?? '')));
}

function Inside() {
  const [text, setText] = useState('');
  const [asked, setAsked] = useState('');
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), 150);
    return () => clearTimeout(timer);
  }, [text]);
  const manner = { live: false };
  const metrics = useResource(asked, (stop) => more.labelValues('__name__', [searchMatcher(asked)], 20, stop), { live: false, on: asked.length > 1 });
  const alerts = useResource('alerts', (stop) => api.alerts(stop), manner);
  const targets = useResource('targets', (stop) => api.targets(stop), manner);
  const found: Entry[] = PLACES.filter((e) => matchesWords(`${e.text} ${e.more ?? ''}`, text));
  if (text.trim()) {
    for (const a of alerts.data?.alerts ?? []) {
      if (matchesWords(`${a.labels.alertname} ${selector(a.labels)}`, text)) {
        const id = alertId(a.labels);
        found.push({ kind: 'alert', icon: 'alerts', text: a.labels.alertname ?? 'alert', more: `${a.state} ${selector(a.labels, new Set(['alertname']))}`, link: `/alerts?open=${id}` });
      }
    }
    found.push(...(targets.data?.activeTargets ?? [])
      .filter((t) => matchesWords(`${t.scrapePool} ${t.scrapeUrl} ${selector(t.labels)}`, text)).slice(0, 10)
      .map((t) => ({ kind: 'target', icon: 'targets', text: t.labels.instance ?? t.scrapeUrl, more: `${t.scrapePool} · ${t.health}`, link: `/targets?q=${encodeURIComponent(t.labels.instance ?? t.scrapeUrl)}` })));
    if (asked.length > 1) {
      found.push(...(metrics.data ?? []).map((name) => ({ kind: 'metric', icon: 'explore', text: name, link: `/query?g0.expr=${encodeURIComponent(name)}` })));
    }
  }
  const shown = found.slice(0, 40);
  const now = Math.min(at, Math.max(0, shown.length - 1));
  const open = (entry: Entry | undefined) => {
    if (!entry) return;
    paletteOpen.value = false;
    go(linkOf(entry));
    window.scrollTo(0, 0);
  };
  const key = (event: KeyboardEvent) => {
    if (event.key === 'Enter') open(shown[now]);
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const next = (now + (event.key === 'ArrowDown' ? 1 : -1) + shown.length) % Math.max(1, shown.length);
      setAt(next);
      list.current?.children[next]?.scrollIntoView({ block: 'nearest' });
    } else return;
    event.preventDefault();
  };
  return (
    <>
      <div class="palette-field"><Icon name="search" />
        <input autofocus role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={shown.length ? `palette-${now}` : undefined}
          aria-label="Search pages, metrics, alerts and targets" placeholder="Page, metric, alert, target" spellcheck={false} autocomplete="off"
          value={text} onInput={(e) => {
            setText(e.currentTarget.value);
            setAt(0);
          }} onKeyDown={key} />
      </div>
      <ul id="palette-list" role="listbox" aria-label="Found" ref={list}>
        {shown.map((entry, i) => (
          <li key={entry.kind + entry.link + labelKey({ t: entry.text, m: entry.more ?? '' })} id={`palette-${i}`} role="option" aria-selected={i === now}
            onClick={() => open(entry)} onPointerMove={() => setAt(i)}>
            <Icon name={entry.icon} /><span class="palette-text">{entry.text}</span>
            {entry.more && <span class="dim cut">{entry.more}</span>}<span class="kind dim">{entry.kind}</span>
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p class="dim">Nothing has that name{asked !== text.trim() || metrics.slow ? ' yet, still searching' : ''}.</p>}
    </>
  );
}

export function Palette() {
  return <Modal open={paletteOpen.value} onClose={() => (paletteOpen.value = false)} label="Go anywhere" class="palette"><Inside /></Modal>;
}
