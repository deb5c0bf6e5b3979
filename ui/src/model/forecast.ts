// When a disk is full, at the pace of the last hours.
import { show } from './units';

/** Seconds until what is free is used up at the pace of the last six hours; -1 until there is half an hour of data. */
export const forecast = (free: string) =>
  `bottomk(1, ${free} / (-deriv(${free}[6h]) > 0) and ${free} offset 30m) or -absent(${free} offset 30m)`;

/** What a forecast says: "41 days", or why there is none. */
export function timeLeft(seconds: number | undefined): string {
  if (seconds === undefined) return 'not shrinking';
  if (seconds < 0) return 'not enough data yet';
  const days = seconds / 86400;
  if (days > 365) return 'over a year';
  return days < 2 ? `${show(days * 24, 'count', 2)} h` : `${show(days, 'count', 2)} days`;
}
