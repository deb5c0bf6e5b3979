// The base path, found at run time: what stands in the address before the page's own path.

/** Paths of pages, and upstream's names that lead to them. */
export const PAGE_PATHS = [
  '/dashboards/host', '/dashboards', '/query', '/graph', '/alerts', '/rules', '/targets', '/status',
  '/flags', '/config', '/tsdb-status', '/service-discovery',
];

/** '/prefix/query' → '/prefix/'; '/prefix/' → '/prefix/'; always ends in a slash. */
export function findBase(pathname: string): string {
  const path = pathname.replace(/\/+$/, '');
  for (const page of PAGE_PATHS) {
    if (path.endsWith(page)) return path.slice(0, path.length - page.length) + '/';
  }
  if (pathname.endsWith('/')) return pathname;
  return path.slice(0, path.lastIndexOf('/') + 1) || '/';
}

/** Whose data this page shows; what is kept in the browser is kept apart by it. The API names none yet: all is this one's. */
export const tenant = '0';

export const basePath = typeof location === 'undefined' ? '/' : findBase(location.pathname);
