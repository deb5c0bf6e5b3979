// The queries of before: searched, run again, forgotten.
import { useRef, useState } from 'preact/hooks';
import { forgetQuery, pastQueries } from '../model/history';
import { historyOpen } from '../model/keys';
import { matchesWords } from '../model/labels';
import { whole } from '../model/units';
import { go, href, path, setParams } from '../model/url';
import { Age } from './bits';
import { Icon } from './icon';
import { Modal } from './modal';
import '../style/dialogs.css';

const SHOWN = 50;

export function History() {
  return <Modal open={historyOpen.value !== ''} onClose={() => (historyOpen.value = '')} label="Queries of before" class="history"><Inside /></Modal>;
}

function choose(query: string): void {
  const where = historyOpen.peek() || 'g0.expr';
  historyOpen.value = '';
  if (path.peek() === '/query') setParams({ [where]: query });
  else go(href('/query', { 'g0.expr': query }));
}

function Inside() {
  const [text, setText] = useState('');
  const [all, setAll] = useState(pastQueries);
  const [sure, setSure] = useState(false);
  const list = useRef<HTMLUListElement>(null);
  const found = all.filter((one) => matchesWords(one.query, text));
  const forget = (query?: string) => {
    forgetQuery(query);
    setAll(pastQueries());
    setSure(false);
  };
  // Arrows walk over the queries, from the field and back into it.
  const walk = (event: KeyboardEvent) => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const body = (event.currentTarget as HTMLElement);
    const stops = [body.querySelector<HTMLElement>('input')!, ...list.current?.querySelectorAll<HTMLElement>('.past') ?? []];
    const at = stops.indexOf(document.activeElement as HTMLElement);
    stops[(at + (event.key === 'ArrowDown' ? 1 : -1) + stops.length) % stops.length]?.focus();
    event.preventDefault();
  };
  return (
    <div onKeyDown={walk}>
      <form class="palette-field" onSubmit={(event) => {
        event.preventDefault();
        if (found[0]) choose(found[0].query);
      }}><Icon name="search" />
        <input autofocus aria-label="Search the queries of before" placeholder="Queries of before" spellcheck={false} autocomplete="off" value={text} onInput={(e) => setText(e.currentTarget.value)} />
        <button type="button" class="quiet" aria-label="Close" onClick={() => (historyOpen.value = '')}><Icon name="close" /></button>
      </form>
      <ul ref={list} aria-label="Queries of before">
        {found.slice(0, SHOWN).map((one) => (
          <li key={one.query}>
            <button type="button" class="past" onClick={() => choose(one.query)}><code>{one.query}</code><span class="dim"><Age time={one.at} /></span></button>
            <button type="button" class="quiet" aria-label={`Forget ${one.query.slice(0, 80)}`} onClick={() => forget(one.query)}><Icon name="close" /></button>
          </li>
        ))}
      </ul>
      <footer class="history-foot">
        {all.length === 0 ? <p class="dim">No query has been answered in this browser yet. Those asked in Explore will stand here.</p>
          : found.length === 0 ? <p class="dim">None of the {whole(all.length)} kept has that in it.</p>
            : <p class="dim">{found.length > SHOWN ? `The newest ${SHOWN} of ${whole(found.length)}. ` : ''}Kept in this browser only.</p>}
        {all.length > 0 && (sure
          ? <button type="button" onClick={() => forget()}>Yes, forget all {whole(all.length)}</button>
          : <button type="button" onClick={() => setSure(true)}>Forget all</button>)}
      </footer>
    </div>
  );
}
