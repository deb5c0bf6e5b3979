// The frame around the pages, and which page an address shows. Home comes at once, the others on demand.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { PAGES } from './model/pages';
import { helpOpen, historyOpen, paletteOpen } from './model/keys';
import { railFolded } from './model/frame';
import { href, path } from './model/url';
import { Home } from './views/home';
import { Rail } from './widgets/rail';
import { AwayBar, TopBar } from './widgets/topbar';

const LATER: Record<string, () => Promise<ComponentType>> = {
  '/query': () => import('./views/explore').then((m) => m.Explore),
  '/dashboards/host': () => import('./views/host').then((m) => m.Host),
  '/alerts': () => import('./views/alerts').then((m) => m.Alerts),
  '/targets': () => import('./views/targets').then((m) => m.Targets),
  '/status': () => import('./views/status').then((m) => m.Status),
};

const here: Record<string, ComponentType> = { '/': Home };

function Page() {
  const now = path.value;
  const [, again] = useState(0);
  const [failed, setFailed] = useState('');
  const load = here[now] ? undefined : LATER[now];
  useEffect(() => {
    document.title = `${PAGES.find((p) => p.path === now)?.word ?? 'Not found'} · Tidemark`;
    if (!load) return;
    setFailed('');
    load().then((view) => {
      here[now] = view;
      again((n) => n + 1);
    }, (why: unknown) => setFailed(String(why)));
  }, [now]);
  const View = here[now];
  if (View) return <View />;
  if (failed) {
    return (
      <div class="trouble" role="alert">
        <h1>This page could not be loaded</h1>
        <p>The server does not answer, or a newer one has taken its place. What is open elsewhere keeps its data; load this page anew when the server is back.</p>
        <p><button type="button" onClick={() => location.reload()}>Load anew</button></p>
        <details><summary>What the browser said</summary><pre>{failed}</pre></details>
      </div>
    );
  }
  if (load) return <div class="waiting" style={{ minHeight: '400px' }} />;
  return (
    <div class="page"><h1>No such page</h1><p>Nothing is at this address. <a href={href('/')}>Home</a> tells how things stand; Ctrl K finds the rest.</p></div>
  );
}

/** The rest comes while the first page is read, so that it is there when the server is not. */
function fetchLater(): void {
  setTimeout(() => {
    import('./widgets/save').catch(() => undefined);
    for (const [page, load] of Object.entries(LATER)) {
      if (!here[page]) load().then((view) => (here[page] ??= view), () => undefined);
    }
  }, 1500);
}

/** What is needed on demand only: loaded when it is first opened. */
function Later({ open, load }: { open: boolean; load: () => Promise<ComponentType> }) {
  const [Part, set] = useState<{ it: ComponentType } | undefined>(undefined);
  useEffect(() => {
    if (open && !Part) load().then((it) => set({ it }), () => undefined);
  }, [open]);
  return Part ? <Part.it /> : null;
}

export function App() {
  useEffect(fetchLater, []);
  return (
    <div class={railFolded.value ? 'frame folded' : 'frame'}>
      <a class="skip" href="#main">Skip to the page</a>
      <Rail />
      <div class="body">
        <TopBar />
        <AwayBar />
        <main id="main" tabIndex={-1}><Page /></main>
      </div>
      <Later open={paletteOpen.value} load={() => import('./widgets/palette').then((m) => m.Palette)} />
      <Later open={historyOpen.value !== ''} load={() => import('./widgets/history').then((m) => m.History)} />
      <Later open={helpOpen.value} load={() => import('./widgets/help').then((m) => m.Help)} />
    </div>
  );
}
