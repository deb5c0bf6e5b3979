// A small menu on a button; the native popover closes itself on Esc and on a click beside it.
import { useId, useRef, useState } from 'preact/hooks';
import { Icon } from './icon';

export type MenuItem = [string, string | (() => void)];

export function Menu({ label, items }: { label: string; items: (MenuItem | undefined)[] }) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const place = () => {
    const box = button.current!.getBoundingClientRect();
    const menu = list.current!;
    menu.style.top = `${Math.min(box.bottom + 2, innerHeight - 180)}px`;
    menu.style.left = `${Math.max(8, Math.min(box.right - 200, innerWidth - 216))}px`;
  };
  const close = () => list.current?.hidePopover?.();
  const move = (event: KeyboardEvent) => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const all = [...list.current!.querySelectorAll<HTMLElement>('a,button')];
    const at = all.indexOf(document.activeElement as HTMLElement);
    all[(at + (event.key === 'ArrowDown' ? 1 : -1) + all.length) % all.length]?.focus();
    event.preventDefault();
  };
  return (
    <>
      <button type="button" class="quiet" ref={button} aria-label={label} aria-haspopup="true" aria-expanded={open}
        onClick={() => {
          place();
          list.current?.togglePopover?.();
        }}><Icon name="more" /></button>
      <div popover="auto" id={id} ref={list} class="menu" onKeyDown={move}
        onToggle={(event) => {
          const now = (event as unknown as { newState: string }).newState === 'open';
          setOpen(now);
          if (now) list.current?.querySelector<HTMLElement>('a,button')?.focus();
        }}>
        {open && items.filter((item): item is MenuItem => item !== undefined).map(([word, act]) => (typeof act === 'string'
          ? <a key={word} href={act} onClick={close}>{word}</a>
          : <button key={word} type="button" onClick={() => {
            act();
            close();
          }}>{word}</button>))}
      </div>
    </>
  );
}
