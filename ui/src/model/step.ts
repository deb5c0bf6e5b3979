// The step of a graph: as the address carries it, as a refusal names one that would fit, and whether it is finer than the screen.
import { parseDuration } from './duration';
import { chooseStep } from './series';

const SHORTEST = 0.001;

/** "30", "30s", "1m30s" in seconds; undefined if it is no step: then the page chooses. */
export function stepOf(text: string): number | undefined {
  const seconds = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : parseDuration(text);
  return seconds >= SHORTEST && Number.isFinite(seconds) ? seconds : undefined;
}

export interface Fit { step?: number; range?: number }

/** What the server says would fit: "… step=30s would fit", "… step 60s would fit", "… a range of 6h would fit". */
export function fitOf(refusal: string): Fit {
  const found = (word: string) => stepOf(new RegExp(`\\b${word}(?:=| of | )((?:\\d+(?:\\.\\d+)?(?:ms|[ywdhms])?)+) would fit`).exec(refusal)?.[1] ?? '');
  const step = found('step'), range = found('range');
  return { ...(step && { step }), ...(range && { range }) };
}

/** The step at which each pixel has its point, if this picture has more points than pixels. */
export function enoughStep(points: number, seconds: number, width: number): number | undefined {
  return width > 0 && points > width ? chooseStep(seconds, width * 3) : undefined;
}
