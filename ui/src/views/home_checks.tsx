// What else Home's first sentence must say: that pages do not arrive, that the last reload failed.
// Comes on demand: on most days there is nothing to say.
import type { ComponentChildren } from 'preact';
import { ApiError } from '../api';
import { more } from '../api_more';
import type { Answer, Delivery } from '../api_types';
import { clock } from '../model/frame';
import { undelivered, whyNot } from '../model/paging';
import { href } from '../model/url';
import { ReloadFailed } from '../widgets/reload';

export interface Checks { mood: 'ok' | 'pending' | 'firing'; said: ComponentChildren; banner: ComponentChildren }

export async function homeChecks(stop: AbortSignal): Promise<Answer<Checks>> {
  const sent = more.deliveries(stop).catch((why: unknown) => {
    if (why instanceof ApiError && why.kind === 'missing') return undefined; // an older server keeps no list
    throw why;
  });
  const [answer, runtime] = await Promise.all([sent, more.runtime(stop)]);
  const lost = undelivered(answer?.data.deliveries ?? [], clock.peek());
  const stuck = runtime.data.reloadConfigSuccess === false;
  const data: Checks = {
    mood: lost.length ? 'firing' : stuck ? 'pending' : 'ok',
    said: lost.length ? <Undelivered lost={lost} /> : null,
    banner: <ReloadFailed of={runtime.data} />,
  };
  return { ...runtime, data };
}

function Undelivered({ lost }: { lost: Delivery[] }) {
  const receivers = [...new Set(lost.map((delivery) => delivery.receiver))];
  const names = receivers.length > 3 ? `${receivers.slice(0, 3).join(', ')} and ${receivers.length - 3} more` : receivers.join(', ');
  return <> <a href={href('/alerts')}>Pages to {names} are not delivered: {whyNot(lost[0]!)}.</a></>;
}
