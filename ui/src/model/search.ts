// The server searches metric names; the page never asks for them all.
import { quote } from './labels';

/** A selector for every metric whose name has the text in it, in any case; blanks match anything. */
export function searchMatcher(text: string): string {
  const safe = text.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '.*');
  return `{__name__=~${quote(`(?i).*${safe}.*`)}}`;
}
