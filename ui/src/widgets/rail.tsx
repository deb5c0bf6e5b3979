// The rail: the pages that are built, and how many alerts fire. Folds to icons; a bar below on a phone.
import { api } from '../api';
import { foldRail, railFolded } from '../model/frame';
import { PAGES } from '../model/pages';
import { useResource } from '../model/resource';
import { href, path } from '../model/url';
import { Icon } from './icon';

export function Rail() {
  const alerts = useResource('alerts', (stop) => api.alerts(stop));
  const firing = alerts.data?.alerts.filter((a) => a.state === 'firing').length ?? 0;
  return (
    <nav class={railFolded.value ? 'rail folded' : 'rail'} aria-label="Pages">
      <a class="brand" href={href('/')} aria-label="Tidemark, home"><svg width="22" height="22" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" aria-hidden="true"><path d="M1.5 11c2 0 2-1.6 4.3-1.600S8 11 10.2 11s2.2-1.6 4.3-1.6" /><path d="M1.5 6.600c2 0 2-1.6 4.3-1.600S8 6.6 10.2 6.600s2.2-1.6 4.3-1.6" opacity=".55" /></svg><span>Tidemark</span></a>
      <ul>
        {PAGES.map((page) => {
          const here = page.path === path.value;
          const badge = page.path === '/alerts' && firing > 0;
          return (
            <li key={page.path}>
              <a href={href(page.path)} aria-current={here ? 'page' : undefined} title={`${page.word} (g ${page.key})`}>
                <Icon name={page.icon} /><span class="word">{page.word}</span>
                {badge && <span class="badge">{firing > 999 ? '999+' : firing}<span class="offscreen"> firing</span></span>}
              </a>
            </li>
          );
        })}
      </ul>
      <button type="button" class="fold quiet" onClick={() => foldRail(!railFolded.value)} aria-label={railFolded.value ? 'Unfold the rail' : 'Fold the rail'}>
        <Icon name="fold" /><span class="word">Fold</span>
      </button>
    </nav>
  );
}
