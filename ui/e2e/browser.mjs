// Chromium for the walks, without anything that would speak to the world.
import { chromium } from 'playwright-core';

export const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

export async function openBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic'],
  });
}

/** Far longer than anything takes on a busy machine: whoever waits so long waits in vain. */
export const PATIENCE = 60000;

/** The end of what a left page asked for in its last moment is never told: quiet is quiet after so long. */
const LOST = 15000;

const traffic = new WeakMap();

/** Counts the requests of a page that are under way, and remembers when the last of them ended. */
export function watchTraffic(page) {
  if (traffic.has(page)) return;
  const state = { open: new Map(), ended: Date.now() };
  const end = (request) => {
    state.open.delete(request);
    state.ended = Date.now();
  };
  page.on('request', (request) => {
    state.open.set(request, Date.now());
  });
  page.on('response', (response) => {
    // What the page before had asked for goes with it, with or without a word.
    const request = response.request();
    if (!request.isNavigationRequest() || request.frame() !== page.mainFrame()) return;
    for (const other of state.open.keys()) if (other !== request) state.open.delete(other);
  });
  page.on('requestfinished', end);
  page.on('requestfailed', end);
  traffic.set(page, state);
}

/** Has nothing been under way for that long, and since that moment? */
export function quietFor(page, ms, since) {
  const { open, ended } = traffic.get(page);
  for (const [request, began] of open) if (Date.now() - began > LOST) open.delete(request);
  return open.size === 0 && Date.now() - Math.max(ended, since) >= ms;
}

/** A page that remembers every error, every refused request and every breach of the policy. */
export async function openPage(browser, { size = 'wide', scheme = 'light' } = {}) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: scheme, timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', hasTouch: size === 'phone' });
  context.setDefaultTimeout(PATIENCE);
  context.on('page', watchTraffic);
  const page = await context.newPage();
  watchTraffic(page);
  const problems = [];
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !/Failed to load resource/.test(text)) problems.push(`console: ${text}`);
  });
  return { page, context, problems };
}
