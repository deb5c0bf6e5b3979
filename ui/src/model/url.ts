// Where the person is: the page's path and its parameters, as signals over the browser's address.
// Everything that a page shows is decided by these, so that Back and a pasted link work.
import { batch, signal } from '@preact/signals';
import { basePath } from './base';

export const path = signal('/');
export const params = signal(new URLSearchParams());

/** Parameters that go along from page to page. */
const FRAME = ['from', 'to', 'tz', 'refresh'];

const ALIASES: Record<string, [string, Record<string, string>]> = {
  '/graph': ['/query', {}],
  '/rules': ['/alerts', { tab: 'rules' }],
  '/flags': ['/status', { tab: 'flags' }],
  '/config': ['/status', { tab: 'configuration' }],
  '/tsdb-status': ['/status', { tab: 'tsdb' }],
  '/service-discovery': ['/targets', {}],
  '/dashboards': ['/dashboards/host', {}],
};

/** The page that an address means: upstream's old paths become ours, parameters are kept. */
export function resolvePage(pathname: string, search: string, base: string): [string, URLSearchParams] {
  const rest = '/' + pathname.slice(base.length).replace(/^\/+|\/+$/g, '');
  const query = new URLSearchParams(search);
  const alias = ALIASES[rest];
  if (!alias) return [rest, query];
  for (const [key, value] of Object.entries(alias[1])) if (!query.has(key)) query.set(key, value);
  return [alias[0], query];
}

export function readAddress(): void {
  const [page, query] = resolvePage(location.pathname, location.search, basePath);
  batch(() => {
    path.value = page;
    params.value = query;
  });
}

function address(page: string, query: URLSearchParams): string {
  const text = query.toString();
  return basePath + page.replace(/^\//, '') + (text ? `?${text}` : '');
}

/** The link to a page, with what the frame carries along (range, zone, refresh). */
export function href(page: string, query: Record<string, string | undefined> = {}): string {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) out.set(key, value);
  for (const key of FRAME) {
    const value = params.value.get(key);
    if (value !== null && !out.has(key)) out.set(key, value);
  }
  return address(page, out);
}

export function go(link: string): void {
  if (link !== location.pathname + location.search) history.pushState(null, '', link);
  readAddress();
}

/** Changes parameters of this page; undefined or '' removes one. Typing replaces, choosing pushes. */
export function setParams(change: Record<string, string | undefined>, how: 'push' | 'replace' = 'push'): void {
  const query = new URLSearchParams(params.value);
  for (const [key, value] of Object.entries(change)) {
    if (value === undefined || value === '') query.delete(key);
    else query.set(key, value);
  }
  const link = address(path.value, query);
  if (link === location.pathname + location.search) return;
  if (how === 'push') history.pushState(null, '', link);
  else history.replaceState(null, '', link);
  params.value = query;
}

export function param(name: string): string {
  return params.value.get(name) ?? '';
}

/** A link in our own pages is followed without loading them anew. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const anchor = (event.target as Element | null)?.closest?.('a');
  if (!anchor || anchor.target || anchor.hasAttribute('download')) return;
  const to = new URL(anchor.href, location.href);
  if (to.origin !== location.origin || !to.pathname.startsWith(basePath) || to.pathname.startsWith(basePath + 'api/')) return;
  if (to.hash && to.pathname === location.pathname && to.search === location.search) return;
  event.preventDefault();
  go(to.pathname + to.search);
  window.scrollTo(0, 0);
}

export function startRouter(): void {
  readAddress();
  window.addEventListener('popstate', readAddress);
  document.addEventListener('click', followLinks);
}
