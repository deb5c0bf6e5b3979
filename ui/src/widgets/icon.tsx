// The one set of icons: 16 px, stroke 1.5, drawn in the colour of the text beside them.
const SHAPES: Record<string, string> = {
  home: 'M2.5 7.5 8 3l5.5 4.500M4 6.500V13h3V9.500h2V13h3V6.5',
  explore: 'M2.5 12.5 6 8l2.5 2.5 5-7M10.5 3.500h3v3',
  dashboards: 'M2.5 2.500h4.500v5h-4.500zM9 2.500h4.500v3H9zM9 7.500h4.500v6H9zM2.5 9.500h4.500v4h-4.500z',
  alerts: 'M8 2.200a3.6 3.6 0 0 0-3.6 3.600C4.4 9.5 3 10.5 3 11.500h10c0-1-1.4-2-1.4-5.700A3.6 3.6 0 0 0 8 2.200zM6.5 13.500h3',
  targets: 'M8 2.500a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5.500a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM8 1v3M8 12v3M1 8h3M12 8h3',
  status: 'M2 8.500h3l1.5-5 3 9 1.5-4h3',
  ok: 'M3 8.5 6.5 12 13 4.5',
  firing: 'M8 2.5 14 13H2z',
  search: 'M7 2.500a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3 13.5 13.5',
  refresh: 'M13 8a5 5 0 1 1-1.5-3.600M13 2.500v3h-3',
  clock: 'M8 2.500a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.200l2 1.3',
  zone: 'M8 2.500a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM2.5 8h11M8 2.500c-4 3.5-4 7.5 0 11M8 2.500c4 3.5 4 7.5 0 11',
  light: 'M8 5.200a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.600zM8 1.500v1.500M8 13v1.500M1.5 8H3M13 8h1.500M3.4 3.400l1 1M11.6 11.600l1 1M12.6 3.400l-1 1M4.4 11.600l-1 1',
  dark: 'M13 9.500A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.500z',
  system: 'M2.5 3h11v8h-11zM6 13.500h4',
  fold: 'M2.5 3h11v10h-11zM6 3v10',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  down: 'M4 6.5 8 10.5 12 6.5',
  right: 'M6.5 4 10.5 8 6.5 12',
  close: 'M4 4l8 8M12 4l-8 8',
  link: 'M6.5 9.500l3-3M7 4.500l1-1a3.2 3.2 0 0 1 4.5 4.500l-1 1M9 11.500l-1 1A3.2 3.2 0 0 1 3.5 8l1-1',
  share: 'M8 10V2.500M5 5l3-2.500L11 5M3 8.500v5h10v-5',
  plus: 'M8 3.500v9M3.5 8h9',
  help: 'M5.8 6a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.500M8 12.500h.01',
  keyboard: 'M1.5 4.500h13v7h-13zM4 7h.01M6.5 7h.01M9 7h.01M11.5 7h.01M5 9.300h6',
};

export type IconName = keyof typeof SHAPES;

export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor"
      stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={SHAPES[name] ?? ''} />
    </svg>
  );
}
