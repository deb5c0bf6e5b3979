// The top bar: search, range, refresh, zone and scheme. Below it one bar if the server is away.
import { useEffect, useRef, useState } from 'preact/hooks';
import { awaySince } from '../api';
import { showDuration } from '../model/duration';
import {
  clock, held, QUICK, rangeText, refresh, refreshNow, REFRESHES, scheme, setRange, setRefresh, setScheme, setZone,
  shareLink, shiftRange, span, zone,
} from '../model/frame';
import { helpOpen, paletteOpen } from '../model/keys';
import { localZone, parseRange, showClock, showDate, showTime, validZone, zoneName, type RangeText } from '../model/time';
import { copyText } from './bits';
import { Icon } from './icon';

export function TopBar() {
  return (
    <header class="topbar">
      <button type="button" class="search" onClick={() => (paletteOpen.value = true)} aria-label="Search or go to Ctrl K">
        <Icon name="search" /><span class="wide">Search or go to</span>{' '}<kbd class="wide">Ctrl K</kbd>
      </button>
      <span class="spring" />
      <Range />
      <Refresh />
      <Display />
    </header>
  );
}

/** "now-1h → now"; absolute ends as times, the date only where it differs from today. */
export function rangeWords(range: RangeText, z: string): string {
  const quick = QUICK.find(([, r]) => r.from === range.from && r.to === range.to);
  if (quick) return quick[0];
  const today = showDate(clock.peek(), z);
  const one = (text: string) => {
    const time = Number(text);
    if (text === '' || Number.isNaN(time)) return text;
    return showDate(time, z) === today ? showClock(time, z) : showTime(time, z);
  };
  return `${one(range.from)} → ${one(range.to)}`;
}

/** Opens a native popover under its button, within the window. */
function usePop() {
  const button = useRef<HTMLButtonElement>(null);
  const pop = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const toggle = () => {
    const box = button.current!.getBoundingClientRect();
    pop.current!.style.top = `${box.bottom + 4}px`;
    const wide = document.documentElement.clientWidth;
    pop.current!.style.right = `${Math.max(8, Math.min(wide - box.right, wide - Math.min(360, wide - 16) - 8))}px`;
    pop.current!.togglePopover?.();
  };
  const onToggle = (event: Event) => setOpen((event as unknown as { newState: string }).newState === 'open');
  return { button, pop, open, toggle, onToggle, close: () => pop.current?.hidePopover?.() };
}

function Range() {
  const { button, pop, open, toggle, onToggle, close } = usePop();
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const words = rangeWords(rangeText.value, zone.value);
  const { start, end } = span.value;
  useEffect(() => {
    if (!open) return;
    setText(`${rangeText.peek().from} → ${rangeText.peek().to}`);
    setWrong(false);
    requestAnimationFrame(() => field.current?.select());
  }, [open]);
  const apply = (event: Event) => {
    event.preventDefault();
    const parsed = parseRange(text, Date.now() / 1000, zone.peek());
    if (!parsed) return setWrong(true);
    setRange(parsed);
    return close();
  };
  return (
    <div class="group">
      <button type="button" class="step wide" onClick={() => shiftRange(-0.5)} aria-label="Back by half the range ([)">‹</button>
      <button type="button" ref={button} class="range" aria-haspopup="dialog" aria-expanded={open} onClick={toggle}
        title={`${showTime(start, zone.value)} → ${showTime(end, zone.value)} ${zoneName(end, zone.value)}`}>
        <Icon name="clock" /><span class="num cut">{words}</span>
      </button>
      <button type="button" class="step wide" onClick={() => shiftRange(0.5)} aria-label="Forward by half the range (])">›</button>
      <div popover="auto" ref={pop} class="pop" onToggle={onToggle} role="dialog" aria-label="Range">
        {open && (
          <>
            <form onSubmit={apply}>
              <label for="range-text">From → to</label>
              <div class="row">
                <input id="range-text" ref={field} value={text} spellcheck={false} autocomplete="off" aria-invalid={wrong}
                  aria-describedby="range-help" onInput={(e) => {
                    setText(e.currentTarget.value);
                    setWrong(false);
                  }} />
                <button type="submit" class="primary">Show</button>
              </div>
              <p id="range-help" class={wrong ? 'wrong' : 'dim'}>
                {wrong ? 'That is no range. ' : ''}-6h, yesterday, now-2h → now-1h, 2026-11-20 08:00 → 09:30, unix times. Times are read in {zoneName(end, zone.value)}.
              </p>
            </form>
            <ul class="quick">
              {QUICK.map(([word, range]) => (
                <li key={word}><button type="button" aria-pressed={word === words} onClick={() => {
                  setRange(range);
                  close();
                }}>{word}</button></li>
              ))}
            </ul>
          </>
        )}
      </div>
    </div>
  );
}

function Refresh() {
  const why = { pointer: 'held while you point', editing: 'held while you edit', hidden: 'held', '': '' }[held.value] ?? '';
  return (
    <div class="group">
      <button type="button" onClick={refreshNow} aria-label="Refresh now (r)" title={why || 'Refresh now (r)'} class={why ? 'step held' : 'step'}><Icon name="refresh" /></button>
      <select aria-label="Refresh every" class="wide" value={refresh.value} onChange={(e) => {
        setRefresh(e.currentTarget.value);
        e.currentTarget.blur();
      }}>
        {(REFRESHES.includes(refresh.value) ? REFRESHES : [...REFRESHES, refresh.value]).map((r) => <option key={r} value={r}>{r === 'off' ? 'off' : r.replace(/(\d)([a-z])/, '$1 $2')}</option>)}
      </select>
    </div>
  );
}

function Display() {
  const { button, pop, open, toggle, onToggle, close } = usePop();
  const [named, setNamed] = useState('');
  const [word, setWord] = useState('');
  const z = zone.value;
  const choices: [string, string][] = [['local', `Local (${localZone()})`], ['UTC', 'UTC'], ...(z !== 'local' && z !== 'UTC' ? [[z, z] as [string, string]] : [])];
  const zones = open ? (Intl as unknown as { supportedValuesOf?: (of: string) => string[] }).supportedValuesOf?.('timeZone') ?? [] : [];
  return (
    <div class="group">
      <button type="button" ref={button} aria-haspopup="dialog" aria-expanded={open} onClick={toggle} aria-label={`${zoneName(clock.value, z)}: zone, scheme and sharing`} title="Zone, scheme, sharing">
        <Icon name={scheme.value} /><span class="wide num">{zoneName(clock.value, z)}</span>
      </button>
      <div popover="auto" ref={pop} class="pop" onToggle={onToggle} role="dialog" aria-label="Zone, scheme and sharing">
        {open && (
          <>
            <fieldset><legend>Time zone</legend>
              {choices.map(([id, text]) => (
                <label key={id} class="choice"><input type="radio" name="zone" checked={z === id} onChange={() => setZone(id)} />{text}</label>
              ))}
              <form class="row" onSubmit={(e) => {
                e.preventDefault();
                if (validZone(named)) setZone(named);
                else setWord('No zone has that name.');
              }}>
                <input aria-label="Another zone" placeholder="Another, such as Asia/Tokyo" list="zones" value={named} onInput={(e) => {
                  setNamed(e.currentTarget.value);
                  setWord('');
                }} />
                <datalist id="zones">{zones.map((name) => <option key={name} value={name} />)}</datalist>
                <button type="submit">Use</button>
              </form>
              {word && <p class="wrong">{word}</p>}
            </fieldset>
            <fieldset><legend>Scheme</legend>
              {(['system', 'light', 'dark'] as const).map((s) => (
                <label key={s} class="choice"><input type="radio" name="scheme" checked={scheme.value === s} onChange={() => setScheme(s)} /><Icon name={s} />{s}</label>
              ))}
            </fieldset>
            <fieldset class="narrow"><legend>Refresh</legend>
              <select aria-label="Refresh every" value={refresh.value} onChange={(e) => setRefresh(e.currentTarget.value)}>
                {REFRESHES.map((r) => <option key={r} value={r}>{r}</option>)}
              </select>
            </fieldset>
            <div class="row">
              <button type="button" onClick={() => void copyText(shareLink()).then(close)}><Icon name="share" />Copy link with fixed times</button>
              <button type="button" onClick={() => {
                close();
                helpOpen.value = true;
              }}><Icon name="keyboard" />Keys</button>
            </div>
          </>
        )}
      </div>
    </div>
  );
}

export function AwayBar() {
  const since = awaySince.value;
  if (!since) return null;
  return (
    <div class="away" role="status">
      The server has not answered since {showTime(since / 1000, zone.value)} {zoneName(since / 1000, zone.value)} ({showDuration(Math.max(1, Math.round(clock.value - since / 1000)))}).
      This page keeps its last data and tries again at each refresh. <button type="button" class="small" onClick={refreshNow}>Try now</button>
    </div>
  );
}
