// Where in a query the server's parser stumbled: "1:12: parse error: …".
import type { ApiError } from '../api';

export interface Problem { line: number; column: number; text: string }

export function problemOf(error: ApiError | undefined): Problem | undefined {
  const found = error?.kind === 'bad' ? /(?:^|[^\d])(\d+):(\d+): (?:parse error: )?([\s\S]*)$/.exec(error.raw) : null;
  return found ? { line: Number(found[1]), column: Number(found[2]), text: found[3]! } : undefined;
}
