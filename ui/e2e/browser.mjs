// Chromium for the walks, without anything that would speak to the world.
import { chromium } from 'playwright-core';

export const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

export async function openBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic'],
  });
}

/** A page that remembers every error, every refused request and every breach of the policy. */
export async function openPage(browser, { size = 'wide', scheme = 'light' } = {}) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: scheme, timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', hasTouch: size === 'phone' });
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !/Failed to load resource/.test(text)) problems.push(`console: ${text}`);
  });
  return { page, context, problems };
}
