// A real Chromium, with pictures and an accessibility check.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pictures = fileURLToPath(new URL('../artifacts/pictures', import.meta.url));
mkdirSync(pictures, { recursive: true });

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 360, height: 740 };

export async function launch() {
  const executablePath = process.env.VESTIBULE_E2E_CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

// What the browser of one person is like.
export function context(browser, { dark = false, phone = false, language = 'en', script = true } = {}) {
  return browser.newContext({
    viewport: phone ? PHONE : DESKTOP,
    colorScheme: dark ? 'dark' : 'light',
    locale: language,
    javaScriptEnabled: script,
    deviceScaleFactor: 1,
  });
}

export async function picture(page, name) {
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

// What is wrong for people who cannot see or point. The page's own policy forbids foreign scripts, so axe
// goes in through the debugger.
export async function accessibility(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: axe });
  const { result } = await session.send('Runtime.evaluate', {
    expression: 'axe.run({ resultTypes: ["violations"] }).then((found) => JSON.stringify(found.violations))',
    awaitPromise: true,
    returnByValue: true,
  });
  // The session stays until its page goes: detaching it would take the page's virtual authenticator along.
  return JSON.parse(result.value).map(({ id, impact, nodes }) => ({
    id,
    impact,
    where: nodes.map((node) => `${node.target} ${node.failureSummary}`),
  }));
}

// Whether the page is wider than the window: on a phone nothing may need sideways scrolling.
export function overflows(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}
