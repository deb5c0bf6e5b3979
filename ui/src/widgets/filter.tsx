// The search of a page and its choices; both stand in the address.
import { useEffect, useState } from 'preact/hooks';
import { param, setParams } from '../model/url';
import { Icon } from './icon';
import { Shape, type StateName } from './state';

export function Search({ label, name = 'q' }: { label: string; name?: string }) {
  const [text, setText] = useState(param(name));
  const outside = param(name);
  useEffect(() => setText(outside), [outside]);
  useEffect(() => {
    if (text === outside) return;
    const timer = setTimeout(() => setParams({ [name]: text }, 'replace'), 120);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <span class="field"><Icon name="search" />
      <input type="search" data-search aria-label={label} placeholder={`${label}  /`} value={text} spellcheck={false} autocomplete="off" onInput={(e) => setText(e.currentTarget.value)} />
    </span>
  );
}

export interface Choice { id: string; word: string; of?: StateName; count?: number }

export function Choices({ name, choices, label }: { name: string; choices: Choice[]; label: string }) {
  const now = param(name);
  return (
    <div class="choices" role="group" aria-label={label}>
      {choices.map((c) => (
        <button key={c.id} type="button" aria-pressed={now === c.id} onClick={() => setParams({ [name]: now === c.id ? '' : c.id })}>
          {c.of && <Shape of={c.of} />}{c.word}{c.count !== undefined && <span class="num dim">{c.count}</span>}
        </button>
      ))}
    </div>
  );
}

/** A row that opens; what is open stands in the address. */
export function toggleOpen(id: string): void {
  setParams({ open: param('open') === id ? '' : id });
}
