// A real browser: sign-in, consent, home and the pages around them, as people with different eyes, hands,
// languages and screens meet them. Every page is photographed and checked for accessibility.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { authorizeUrl, redeem, register } from '../lib/authorization.mjs';
import { accessibility, context, launch, overflows, picture } from '../lib/browser.mjs';
import { waitForBrowsers } from '../lib/callbacks.mjs';
import { Door, PASSWORD } from '../lib/door.mjs';

let door;
let browser;
let callbacks;
before(async () => {
  door = await Door.open();
  browser = await launch();
  callbacks = await waitForBrowsers();
});
after(async () => {
  await browser.close();
  callbacks.close();
  await door.close();
});

async function look(page, name) {
  await picture(page, name);
  assert.deepEqual(await accessibility(page), [], name);
  assert.equal(await overflows(page), false, `${name} needs sideways scrolling`);
}

const newClient = (metadata) => register(door, { redirect_uris: [callbacks.url], ...metadata });

const EYES = {
  light: {},
  dark: { dark: true },
  phone: { phone: true },
  'phone-dark-zh': { phone: true, dark: true, language: 'zh-TW' },
};

for (const [eyes, options] of Object.entries(EYES)) {
  // MA-92, MA-136, OS-41.
  test(`sign-in, consent and home (${eyes})`, async () => {
    const person = await context(browser, options);
    const page = await person.newPage();
    const client = await newClient({ client_name: `Editor ${eyes}` });

    await page.goto(authorizeUrl(door, client));
    await look(page, `${eyes}-sign-in`);
    assert.equal(await page.getAttribute('html', 'lang'), options.language ? 'zh-Hant' : 'en');
    await page.fill('#username', 'ana');
    await page.fill('#password', 'wrong');
    await page.click('main button');
    assert.equal(await page.locator('[role=alert]').count(), 1);
    await look(page, `${eyes}-sign-in-wrong`);
    await page.fill('#password', PASSWORD);
    await page.click('main button');

    // Consent survives being loaded twice (CC-51).
    await page.waitForSelector('button[value=approve]');
    await page.reload();
    await look(page, `${eyes}-consent`);
    const text = await page.innerText('main');
    assert.match(text, new RegExp(`Editor ${eyes}`));
    assert.match(text, /Test fixture/);
    assert.ok(text.includes(callbacks.url), 'says where the browser will be sent');
    await page.click('button[value=approve]');
    await page.waitForURL((url) => url.href.startsWith(callbacks.url));
    assert.match(callbacks.last, /code=vst_ac_.*state=state-of-the-client/);
    assert.equal((await redeem(door, client, new URL(callbacks.last, callbacks.url))).status, 200);

    for (const path of ['', 'apps', 'sessions', 'account']) {
      await page.goto(`${door.url}/${path}`);
      await look(page, `${eyes}-${path || 'home'}`);
    }
    await page.goto(door.url);
    await page.click('summary >> nth=0');
    await look(page, `${eyes}-home-lines`);
    assert.match(await page.innerText('main'), new RegExp(`claude mcp add --transport http fixture ${door.endpoint}`));

    await page.goto(`${door.url}/authorize?client_id=nobody&response_type=code`);
    await look(page, `${eyes}-refused`);
    await page.goto(door.endpoint);
    await look(page, `${eyes}-endpoint`);
    await person.close();
  });
}

test('without JavaScript and without a mouse everything works', async () => {
  const person = await context(browser, { script: false });
  const page = await person.newPage();
  const client = await newClient({ client_name: 'Keyboard client' });
  await page.goto(authorizeUrl(door, client));
  // The browser gives the focus when it first paints, which may be after the page has loaded.
  await page.waitForSelector('#username:focus');
  await page.keyboard.type('ana');
  await page.keyboard.press('Tab');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForSelector('button[value=approve]');
  // The first button in the order of the keyboard is the one that allows.
  for (let presses = 0; presses < 10; presses += 1) {
    await page.keyboard.press('Tab');
    if (await page.locator('button[value=approve]:focus').count()) break;
  }
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.href.startsWith(callbacks.url));
  assert.match(callbacks.last, /code=/);
  await page.goto(door.url);
  assert.equal(await page.locator('button[data-copy]:visible').count(), 0, 'no dead buttons');
  await person.close();
});

async function signedIn(options) {
  const person = await context(browser, options);
  const page = await person.newPage();
  await page.goto(door.url);
  await page.fill('#username', 'ana');
  await page.fill('#password', PASSWORD);
  await page.click('main button');
  await page.waitForURL(`${door.url}/`);
  return { person, page };
}

test('a client on another machine gets its address by copying (CC-57)', async () => {
  const { person, page } = await signedIn();
  const client = await newClient({ client_name: 'Remote client' });
  await page.goto(authorizeUrl(door, client));
  await page.click('button[value=elsewhere]');
  await look(page, 'elsewhere');
  const address = await page.locator('code').first().innerText();
  assert.ok(address.startsWith(callbacks.url));
  assert.equal((await redeem(door, client, address)).status, 200);
  await person.close();
});

// CC-50.
test('a client with a scheme of its own gets a page with a way back (CC-50)', async () => {
  const { person, page } = await signedIn();
  const client = await register(door, { client_name: 'Cursor', redirect_uris: ['cursor://anysphere.cursor-mcp/oauth/callback'] });
  await page.goto(authorizeUrl(door, client));
  await page.click('button[value=approve]');
  await page.waitForSelector('a[href^="cursor://"]');
  await look(page, 'way-back');
  await person.close();
});

test('denying goes back with an error, and being denied says whom to ask', async () => {
  const { person, page } = await signedIn();
  const client = await newClient({ client_name: 'Denied client' });
  await page.goto(authorizeUrl(door, client));
  await page.click('button[value=deny]');
  await page.waitForURL((url) => url.href.startsWith(callbacks.url));
  assert.match(callbacks.last, /error=access_denied/);
  await person.close();

  const eve = await context(browser);
  const hers = await eve.newPage();
  await hers.goto(authorizeUrl(door, client));
  await hers.fill('#username', 'eve');
  await hers.fill('#password', PASSWORD);
  await hers.click('main button');
  await hers.waitForSelector('h1');
  assert.match(await hers.innerText('main'), /platform@example\.com/);
  await look(hers, 'not-allowed');
  await hers.goto(door.url);
  await look(hers, 'home-empty');
  await eve.close();
});

// CC-84, OS-43.
test('an app is revoked, a session ended, the password changed, and signed out', async () => {
  const { person, page } = await signedIn();
  await page.goto(`${door.url}/apps`);
  const apps = await page.locator('li.row').count();
  assert.ok(apps > 0);
  await page.click('li.row button >> nth=0');
  assert.equal(await page.locator('li.row').count(), apps - 1);

  await page.goto(`${door.url}/sessions`);
  const sessions = await page.locator('li.row').count();
  const here = page.locator('li.row', { hasText: 'this browser' });
  await here.locator('summary').click();
  await here.getByLabel('What you call it').fill('Desk at the window');
  await here.locator('button.second').click();
  assert.match(await here.locator('h2').innerText(), /^Desk at the window/);
  await here.locator('summary').click();
  await look(page, 'sessions-named');
  await page.locator('li.row', { hasNotText: 'this browser' }).first().locator('button.danger').click();
  assert.equal(await page.locator('li.row').count(), sessions - 1);

  await page.goto(`${door.url}/account`);
  await page.fill('#current', PASSWORD);
  await page.fill('#new', 'another horse battery staple');
  await page.fill('#repeat', 'another horse battery staple');
  await page.click('form:has(#current) button');
  assert.equal(await page.locator('[role=status]').count(), 1);
  await look(page, 'account-changed');
  await page.goto(`${door.url}/sessions`);
  assert.equal(await page.locator('li.row').count(), 1, 'the other browsers are signed out');

  await page.click('header button');
  await page.goto(door.url);
  assert.equal(await page.locator('#password').count(), 1);
  await person.close();
});

test('an invitation sets a password, once', async () => {
  const { link } = await door.json('user', 'add', 'ivy', '--name', 'Ivy Chen', '--group', 'developers');
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(link);
  await look(page, 'invitation');
  await page.fill('#new', 'short');
  await page.fill('#repeat', 'short');
  await page.click('main button');
  assert.equal(await page.locator('#new:invalid').count(), 1, 'the browser itself says that it is too short');
  await page.fill('#new', 'a long walk in the hills');
  await page.fill('#repeat', 'a long walk in the hills');
  await page.click('main button');
  await page.waitForURL(`${door.url}/`);
  assert.match(await page.innerText('main'), /Ivy Chen/);
  await page.goto(link);
  await look(page, 'invitation-used');
  assert.equal(await page.locator('#new').count(), 0);
  await person.close();
});

// OS-127.
test('a relying party may ask for sign-out, and the person decides', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(door.url);
  await page.fill('#username', 'ivy');
  await page.fill('#password', 'a long walk in the hills');
  await page.click('main button');
  await page.waitForURL(`${door.url}/`);
  await page.goto(`${door.url}/logout`);
  await look(page, 'logout');
  await page.click('main button');
  await look(page, 'logged-out');
  await page.goto(door.url);
  assert.equal(await page.locator('#password').count(), 1);
  await person.close();
});
