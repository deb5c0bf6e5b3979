// A state is never told by colour alone: a shape and a word stand with it.
export type StateName = 'ok' | 'pending' | 'firing' | 'unknown' | 'quiet';

export function Shape({ of }: { of: StateName }) {
  return (
    <svg class={`shape ${of}`} width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
      {of === 'ok' && <path d="M2.5 7.5 5.7 10.7 11.5 3.8" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" />}
      {of === 'pending' && (
        <g><circle cx="7" cy="7" r="5.2" fill="none" stroke="currentColor" stroke-width="1.5" /><path d="M7 7V1.800A5.2 5.2 0 0 1 12.2 7z" fill="currentColor" /></g>
      )}
      {of === 'firing' && <path d="M7 1.5 13 12.500H1z" fill="currentColor" />}
      {of === 'unknown' && <path d="M4.5 5a2.5 2.5 0 1 1 3.7 2.200C7.3 7.7 7 8.1 7 9M7 11.800h.01" fill="none" stroke="currentColor" stroke-width="1.9" stroke-linecap="round" />}
      {of === 'quiet' && <path d="M3 7h8" stroke="currentColor" stroke-width="2" stroke-linecap="round" />}
    </svg>
  );
}

export function State({ of, word }: { of: StateName; word: string }) {
  return <span class={`state ${of}`}><Shape of={of} />{word}</span>;
}

export function healthState(health: string): { of: StateName; word: string } {
  if (health === 'up' || health === 'ok') return { of: 'ok', word: health };
  if (health === 'down' || health === 'err') return { of: 'firing', word: health === 'err' ? 'error' : 'down' };
  return { of: 'unknown', word: 'unknown' };
}
