// Passkeys, codes and recovery codes in a real browser, with a device that Chromium plays (Web Authentication Level 3
// section 11), by keyboard, in both languages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessibility, context, launch, overflows, picture } from '../lib/browser.mjs';
import { Door, PASSWORD } from '../lib/door.mjs';
import { codeOf } from '../lib/totp.mjs';

let door;
let browser;
before(async () => {
  // Passkeys are for names; this one leads to the machine itself.
  door = await Door.open({ host: 'localhost' });
  browser = await launch();
});
after(async () => {
  await browser.close();
  await door.close();
});

async function look(page, name) {
  await picture(page, `factors-${name}`);
  assert.deepEqual(await accessibility(page), [], name);
  assert.equal(await overflows(page), false, `${name} needs sideways scrolling`);
}

// A phone that holds passkeys and verifies its owner.
async function device(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable');
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  });
  return {
    credentials: async () => (await session.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    verifies: (isUserVerified) => session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    remove: () => session.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }),
    give: (credential) => session.send('WebAuthn.addCredential', { authenticatorId, credential }),
  };
}

async function signIn(page, username = 'ana') {
  await page.goto(`${door.url}/sign-in`);
  await page.fill('#username', username);
  await page.fill('#password', PASSWORD);
  await page.keyboard.press('Enter');
}

async function signOut(page) {
  await page.click('form[action="/sign-out"] button');
  await page.waitForURL((url) => url.pathname !== '/account');
}

// Goes on by the Tab key alone until what has the focus says this.
async function tabTo(page, text) {
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => document.activeElement.textContent.trim());
    if (focused === text) return;
  }
  assert.fail(`the keyboard does not reach ${text}`);
}

const isHome = (url) => url.pathname === '/';

test('a passkey: made, used by keyboard alone, renamed, removed', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  const phone = await device(page);
  await signIn(page);
  await page.waitForURL(isHome);
  await page.goto(`${door.url}/account`);
  await look(page, 'light-account-none');
  await page.fill('#passkey-name', 'My phone');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${door.url}/account#security`);
  await page.waitForSelector('.rename');
  const [made] = await phone.credentials();
  assert.deepEqual([made.isResidentCredential, made.rpId], [true, 'localhost']);
  await look(page, 'light-account-passkey');

  await signOut(page);
  await page.goto(`${door.url}/sign-in`);
  // The browser offers it while the name is asked for, and this device says yes at once; either way nobody types anything.
  await page.waitForURL(isHome, { timeout: 3000 }).catch(async () => {
    await look(page, 'light-sign-in');
    await tabTo(page, 'Sign in with a passkey');
    await page.keyboard.press('Enter');
    await page.waitForURL(isHome);
  });
  const [used] = await phone.credentials();
  assert.ok(used.signCount > made.signCount);

  // With a password the passkey is the second step.
  await phone.verifies(false);
  await signOut(page);
  await signIn(page);
  await page.waitForSelector('text=One more step');
  await look(page, 'light-second-passkey');
  await page.click('text=Use a passkey');
  await page.waitForSelector('[data-failed]:not([hidden])');
  await phone.verifies(true);
  await page.click('text=Use a passkey');
  await page.waitForURL(isHome);

  await page.goto(`${door.url}/account`);
  await page.fill('.rename input[name=name]', 'Old phone');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.rename input[value="Old phone"]');
  await page.click('[aria-label="Remove Old phone"]');
  await page.waitForSelector('.rename', { state: 'detached' });
  await person.close();
});

test('an app and recovery codes, without JavaScript too', async () => {
  const person = await context(browser, { script: false });
  const page = await person.newPage();
  await signIn(page);
  await page.waitForURL(isHome);
  await page.goto(`${door.url}/account`);
  await page.click('[aria-label="Set up an authenticator app"]');
  const secret = await page.textContent('pre code');
  assert.match(secret, /^([A-Z2-7]{4} ?){8}$/);
  await page.fill('#code', '000000');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=This code does not fit');
  assert.equal(await page.textContent('pre code'), secret, 'the same secret stays');
  await page.fill('#code', codeOf(secret));
  await page.keyboard.press('Enter');
  await page.waitForURL(`${door.url}/account#security`);
  await page.click('text=Make new codes');
  const codes = (await page.textContent('pre code')).trim().split('\n');
  assert.equal(codes.length, 10);
  const file = await page.getAttribute('a[download]', 'href');
  assert.ok(Buffer.from(file.split(',')[1], 'base64').toString().includes(codes[9]));

  await signOut(page);
  await signIn(page);
  await page.waitForSelector('text=One more step');
  // The next code: the one that confirmed it has counted.
  await page.fill('#code', codeOf(secret, Date.now() + 30_000));
  await page.keyboard.press('Enter');
  await page.waitForURL(isHome);

  await signOut(page);
  await signIn(page);
  await page.click('summary');
  await page.fill('#recovery', codes[2]);
  await page.keyboard.press('Enter');
  await page.waitForURL(isHome);
  await page.goto(`${door.url}/account`);
  await page.waitForSelector('text=9 are left');
  await person.close();
});

const EYES = { dark: { dark: true }, 'phone-zh': { phone: true, language: 'zh-TW' } };
for (const [eyes, options] of Object.entries(EYES)) {
  test(`every page (${eyes})`, async () => {
    const name = `eye-${eyes}`;
    await door.cliWith(PASSWORD, 'user', 'add', name, '--group', 'developers', '--password-stdin');
    const person = await context(browser, options);
    const page = await person.newPage();
    const phone = await device(page);
    await page.goto(`${door.url}/sign-in`);
    await look(page, `${eyes}-sign-in`);
    await signIn(page, name);
    await page.waitForURL(isHome);
    await page.goto(`${door.url}/account`);
    await page.click('form[action="/account/totp/begin"] button');
    await page.waitForSelector('.picture svg');
    await look(page, `${eyes}-totp`);
    const secret = await page.textContent('pre code');
    await page.fill('#code', codeOf(secret));
    await page.keyboard.press('Enter');
    await page.waitForURL(`${door.url}/account#security`);
    await page.click('form[action="/account/recovery-codes"] button');
    await page.waitForSelector('[data-print]:not([hidden])');
    await look(page, `${eyes}-codes`);
    await page.goto(`${door.url}/account`);
    await page.fill('#passkey-name', 'Phone');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.rename');
    await look(page, `${eyes}-account`);
    // A phone at hand that says yes at once would sign in before anything is typed.
    await phone.remove();
    await signOut(page);
    await signIn(page, name);
    await page.waitForSelector('#code');
    await page.fill('#code', '000000');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]');
    await page.click('summary');
    await look(page, `${eyes}-second`);
    await person.close();
  });
}
