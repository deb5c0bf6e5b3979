// A long list of rows of differing height in the page's own scroll: only what is near the screen exists.
import { observeWindowOffset, observeWindowRect, Virtualizer, windowScroll } from '@tanstack/virtual-core';
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';


const PLAIN = 80;

export interface VListProps<T> {
  items: readonly T[];
  keyOf: (item: T) => string;
  row: (item: T) => ComponentChildren;
  /** The usual height of a row in px, until it is measured. */
  guess: number;
  label: string;
}

/** Short lists are plain; beyond 80 rows the list is virtual. */
export function VList<T>(props: VListProps<T>) {
  if (props.items.length > PLAIN) return <Long {...props} />;
  return <div class="vlist" role="list" aria-label={props.label} data-hold>{props.items.map((item) => <div role="listitem" key={props.keyOf(item)}>{props.row(item)}</div>)}</div>;
}

function Long<T>({ items, keyOf, row, guess, label }: VListProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [, draw] = useState(0);
  const made = useRef<Virtualizer<Window, HTMLElement> | undefined>(undefined);
  const margin = box.current ? box.current.getBoundingClientRect().top + scrollY : 0;
  const options = {
    count: items.length, getScrollElement: () => window, estimateSize: () => guess, overscan: 8, scrollMargin: margin,
    getItemKey: (i: number) => keyOf(items[i]!), initialOffset: scrollY,
    observeElementRect: observeWindowRect, observeElementOffset: observeWindowOffset, scrollToFn: windowScroll,
    onChange: () => draw((n) => n + 1),
  };
  made.current ??= new Virtualizer<Window, HTMLElement>(options);
  const list = made.current;
  list.setOptions(options);
  useLayoutEffect(() => list._didMount(), []);
  useLayoutEffect(() => list._willUpdate());
  return (
    <div class="vlist" role="list" aria-label={label} ref={box} data-hold style={{ height: `${list.getTotalSize()}px`, position: 'relative' }}>
      {list.getVirtualItems().map((item) => (
        <div role="listitem" aria-setsize={items.length} aria-posinset={item.index + 1} key={String(item.key)} data-index={item.index} ref={(e) => list.measureElement(e)}
          style={{ position: 'absolute', top: 0, left: 0, right: 0, transform: `translateY(${item.start - list.options.scrollMargin}px)` }}>
          {row(items[item.index]!)}
        </div>
      ))}
    </div>
  );
}
