// Why there is nothing of this host: it is collected on request only where a configuration file is given.
import type { ComponentChildren } from 'preact';
import { more } from '../api_more';
import type { Answer, Labels } from '../api_types';
import { Empty } from '../widgets/bits';

/** Whether the server collects its host, by its flags; flags that do not say so are taken for the default. */
export function collectsHost(flags: Labels): boolean {
  const said = flags['collect.host'];
  return said === 'true' || (said !== 'false' && !flags['config.file']);
}

export async function hostAbsent(stop: AbortSignal): Promise<Answer<ComponentChildren>> {
  const flags = await more.flags(stop);
  return { ...flags, data: <HostAbsent flags={flags.data} /> };
}

export function HostAbsent({ flags }: { flags: Labels }) {
  if (collectsHost(flags)) {
    return (
      <Empty title="This host is not collected yet.">
        <p>Tidemark collects the machine it runs on natively, as <code>job="host"</code>. The first values come within one interval.</p>
      </Empty>
    );
  }
  return (
    <Empty title="This host is not collected.">
      <p>
        {flags['collect.host'] === 'false' ? 'The server was started with --collect.host=false. ' : 'A server with a configuration file collects its own machine only when told to. '}
        Start it with <code>--collect.host=true</code>; the values come as <code>job="host"</code>.
      </p>
    </Empty>
  );
}
