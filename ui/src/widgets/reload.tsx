// The banner of a failed reload: the server runs what it had before, on every page that shows its effects.
import { rfcTime } from '../model/time';
import { href } from '../model/url';
import { Time } from './bits';

/** `of` is status/runtimeinfo; `below` where the configuration that runs stands under the banner. */
export function ReloadFailed({ of, below }: { of: Record<string, unknown> | undefined; below?: boolean }) {
  if (of?.reloadConfigSuccess !== false) return null;
  return (
    <div class="trouble" role="alert">
      <p>
        <strong>The last reload failed.</strong> What runs is the configuration {below ? 'below, ' : ''}loaded <Time time={rfcTime(String(of.lastConfigTime ?? ''))} />
        {below ? '.' : <>: see <a href={href('/status', { tab: 'configuration' })}>Status</a>.</>} The server's log names the file, line and column.
      </p>
    </div>
  );
}
