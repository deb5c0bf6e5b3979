// The metric browser: search on the server, then type, help, unit and the number of series of each.
import { useEffect, useState } from 'preact/hooks';
import { api } from '../api';
import { more } from '../api_more';
import { quote } from '../model/labels';
import { useResource } from '../model/resource';
import { parseValue } from '../model/series';
import { searchMatcher } from '../model/search';
import { whole } from '../model/units';
import { Modal } from '../widgets/modal';
import { Trouble } from '../widgets/bits';

const MOST = 50;

export function Browser({ open, onClose, onChoose }: { open: boolean; onClose: () => void; onChoose: (metric: string) => void }) {
  return <Modal open={open} onClose={onClose} label="Metrics" class="browser"><Inside onChoose={onChoose} onClose={onClose} /></Modal>;
}

function Inside({ onChoose, onClose }: { onChoose: (metric: string) => void; onClose: () => void }) {
  const [text, setText] = useState('');
  const [asked, setAsked] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), 150);
    return () => clearTimeout(timer);
  }, [text]);
  const found = useResource(asked, (stop) => more.labelValues('__name__', asked ? [searchMatcher(asked)] : [], MOST, stop), { live: false });
  const names = (found.data ?? []).slice(0, MOST);
  return (
    <>
      <div class="browser-head"><h2>Metrics</h2><button type="button" onClick={onClose}>Close</button></div>
      <input autofocus class="wide-field" aria-label="Search metrics" placeholder="Search metrics" value={text} spellcheck={false} autocomplete="off" onInput={(e) => setText(e.currentTarget.value)} />
      {found.error && <Trouble error={found.error} what="The metrics could not be listed." />}
      <ul class="browser-list" aria-label="Metrics found">
        {names.map((name) => <li key={name}><Metric name={name} onChoose={() => onChoose(name)} /></li>)}
      </ul>
      {found.data && names.length === 0 && <p class="dim">No metric has that in its name.</p>}
      {names.length >= MOST && <p class="dim">The first {MOST}; type more of the name to find others.</p>}
    </>
  );
}

function Metric({ name, onChoose }: { name: string; onChoose: () => void }) {
  const [open, setOpen] = useState(false);
  const meta = useResource(`meta ${name}`, (stop) => more.metadata(name, 1, stop), { live: false, on: open });
  const query = `count({__name__=${quote(name)}})`;
  const count = useResource(query, (stop) => api.query(query, undefined, stop), { live: false, on: open });
  const known = meta.data?.[name]?.[0] ?? Object.values(meta.data ?? {})[0]?.[0];
  const series = count.data?.resultType === 'vector' && count.data.result[0]?.value ? parseValue(count.data.result[0].value[1]) : count.data ? 0 : undefined;
  return (
    <>
      <button type="button" class="browser-name" aria-expanded={open} onClick={() => setOpen(!open)}><code>{name}</code></button>
      {open && (
        <div class="browser-more">
          <p>{known ? <>{known.help || 'It has no help text.'} <span class="dim">({known.type}{known.unit && `, ${known.unit}`})</span></> : <span class="dim">{meta.data || meta.error ? 'Nothing is known about its type.' : '…'}</span>}</p>
          <p><span class="num">{series === undefined ? '…' : `${whole(series)} series now`}</span> <button type="button" class="primary" onClick={onChoose}>Use it</button></p>
        </div>
      )}
    </>
  );
}
