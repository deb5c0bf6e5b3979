// The query field: a plain text area that works at once; the full editor takes its place when it has come.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Problem } from '../model/problem';
import type { EditorHandle } from './editor_cm';

export interface EditorProps {
  text: string;
  label: string;
  onText: (text: string) => void;
  onRun: () => void;
  problem: Problem | undefined;
}

export function Editor({ text, label, onText, onRun, problem }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const handle = useRef<EditorHandle | undefined>(undefined);
  const [ready, setReady] = useState(false);
  const wasTyping = useRef(false);
  const [hint, setHint] = useState('');
  const latest = useRef({ text, onText, onRun });
  latest.current = { text, onText, onRun };

  useEffect(() => {
    let gone = false;
    void import('./editor_cm').then(({ openEditor }) => {
      if (gone || !host.current) return;
      handle.current = openEditor(host.current, {
        text: latest.current.text, label,
        onText: (t) => latest.current.onText(t), onRun: () => latest.current.onRun(), onHint: setHint,
      });
      wasTyping.current = document.activeElement === area.current;
      setReady(true);
    }, () => undefined); // without the editor the text area stays and does the work
    return () => {
      gone = true;
      handle.current?.close();
      handle.current = undefined;
    };
  }, []);
  useEffect(() => {
    if (ready && wasTyping.current) handle.current?.focus();
  }, [ready]);
  useEffect(() => handle.current?.set(text), [text, ready]);
  useEffect(() => handle.current?.mark(problem), [problem, ready]);

  const key = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
    event.preventDefault();
    onRun();
  };
  return (
    <div class="editor">
      <div class="editor-box">
        {!ready && (
          <textarea ref={area} data-search aria-label={label} rows={Math.max(1, text.split('\n').length)} spellcheck={false} value={text}
            placeholder="A query, such as rate(node_cpu_seconds_total[5m])" onInput={(e) => onText(e.currentTarget.value)} onKeyDown={key} />
        )}
        <div ref={host} class="editor-host" data-search={ready ? true : undefined} hidden={!ready} />
      </div>
      <p class="editor-hint" aria-live="polite">{hint || '\u00a0'}</p>
    </div>
  );
}
