// Signing in with the company in a real browser, at a real OpenID provider (OS-46).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { authorizeUrl, redeem, register } from '../lib/authorization.mjs';
import { accessibility, context, launch, overflows, picture } from '../lib/browser.mjs';
import { waitForBrowsers } from '../lib/callbacks.mjs';
import { Door, PASSWORD } from '../lib/door.mjs';
import { call } from '../lib/mcp.mjs';
import { OpenIdProvider, people, SECRET, signInThere } from '../lib/openid.mjs';

let provider;
let door;
let closed;
let browser;
let callbacks;
before(async () => {
  provider = await OpenIdProvider.at();
  const config = (passwords, more) => `
sign_in:
  passwords: ${passwords}
  providers:
    corp:
      name: Example Corp
      issuer: ${provider.url}
      client_id: door
      client_secret_file: client-secret
      scopes: [openid, profile, email, groups]
      accounts: create
      groups: { dev: developers }
      ${more}
`;
  const files = { 'client-secret': SECRET };
  door = await Door.open({ config: config(true, 'domains: [example.com]'), files });
  closed = await Door.open({ config: config(false, ''), files });
  await provider.start([door, closed]);
  browser = await launch();
  callbacks = await waitForBrowsers();
});
after(async () => {
  await browser.close();
  callbacks.close();
  await provider.stop();
  await door.close();
  await closed.close();
});

async function look(page, name) {
  await picture(page, `company-${name}`);
  assert.deepEqual(await accessibility(page), [], name);
  assert.equal(await overflows(page), false, `${name} needs sideways scrolling`);
}

const newClient = (at) => register(at, { redirect_uris: [callbacks.url], client_name: 'Company client' });

// Approves on the page that is open, and gives what the client gets.
async function tokens(page, at, client) {
  await page.click('button[value=approve]');
  await page.waitForURL((url) => url.href.startsWith(callbacks.url));
  const response = await redeem(at, client, new URL(callbacks.last, callbacks.url));
  assert.equal(response.status, 200);
  return response.json();
}

const EYES = {
  light: {},
  dark: { dark: true },
  'phone-dark-zh': { phone: true, dark: true, language: 'zh-TW' },
};

for (const [eyes, options] of Object.entries(EYES)) {
  test(`the pages around it (${eyes})`, async () => {
    const person = await context(browser, options);
    const page = await person.newPage();
    await page.goto(`${door.url}/sign-in`);
    await look(page, `${eyes}-sign-in`);
    await page.goto(`${closed.url}/sign-in`);
    await look(page, `${eyes}-sign-in-without-passwords`);
    assert.equal(await page.locator('input[type=password]').count(), 0);
    await page.goto(`${door.url}/sign-in/callback/corp?state=made-up&code=1`);
    await look(page, `${eyes}-gone`);
    await person.close();
  });
}

test('the first sign-in leads through to a token, and the second one needs no form', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  const client = await newClient(door);
  await page.goto(authorizeUrl(door, client));
  await page.click('text=Sign in with Example Corp');
  await signInThere(page, provider, 'ana');
  await page.waitForSelector('button[value=approve]');
  await look(page, 'consent');
  const first = await tokens(page, door, client);
  assert.ok(await call(door.endpoint, first.access_token));

  await page.goto(`${door.url}/account`);
  await look(page, 'account');
  assert.match(await page.innerText('main'), /ana\+corp[\s\S]*developers[\s\S]*Example Corp linked/);
  assert.equal(await page.locator('#current').count(), 0, 'there is no password to change');
  await page.click('header button');
  await page.waitForSelector('text=Sign out at Example Corp too');
  await look(page, 'signed-out');
  people.ana.groups = [];
  await page.goto(authorizeUrl(door, client));
  await page.click('text=Sign in with Example Corp');
  // Known there: no form. And no longer in the group that opens the server.
  await page.waitForSelector('h1');
  await page.waitForURL((url) => url.pathname === '/authorize');
  assert.match(await page.innerText('main'), /not allowed to use Test fixture/);
  people.ana.groups = ['dev'];
  await person.close();
});

test('whoever signs out there is signed out here (back-channel logout)', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(`${door.url}/sign-in`);
  await page.click('text=Sign in with Example Corp');
  await signInThere(page, provider, 'ana');
  await page.waitForURL(`${door.url}/`);
  await page.goto(`${provider.url}/session/end`);
  await page.click('button[value=yes]');
  await page.waitForSelector('text=Sign-out Success');
  await page.goto(`${door.url}/account`);
  assert.equal(new URL(page.url()).pathname, '/sign-in/account');
  const [ended] = JSON.parse(await door.cli('audit', 'search', '--event', 'signed_out', '--json'));
  assert.equal(ended.provider, 'corp');
  await person.close();
});

test('an address is enough, without JavaScript and without a mouse', async () => {
  const person = await context(browser, { script: false });
  const page = await person.newPage();
  await page.goto(authorizeUrl(door, await newClient(door)));
  await page.waitForSelector('#username:focus');
  await page.keyboard.type('ana@example.com');
  await page.keyboard.press('Enter');
  await page.waitForSelector('input[name=login]');
  assert.ok(page.url().startsWith(provider.url), page.url());
  assert.equal(await page.inputValue('input[name=login]'), 'ana@example.com');
  await signInThere(page, provider, 'ana');
  await page.waitForSelector('button[value=approve]');
  await person.close();
});

test('whoever gives up at the provider is back on the sign-in page', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(authorizeUrl(door, await newClient(door)));
  await page.click('text=Sign in with Example Corp');
  await page.click('text=Cancel');
  await page.waitForSelector('[role=alert]');
  assert.match(await page.innerText('[role=alert]'), /did not finish signing in with Example Corp/);
  await look(page, 'gave-up');
  // From here everything else is open.
  await page.fill('#username', 'ana');
  await page.fill('#password', PASSWORD);
  await page.click('main form:last-of-type button');
  await page.waitForSelector('button[value=approve]');
  await person.close();
});

// OS-32.
test('a program that wants a fresh sign-in gets one from the provider', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  const client = await newClient(closed);
  await page.goto(authorizeUrl(closed, client));
  await signInThere(page, provider, 'ana');
  await tokens(page, closed, client);
  await page.goto(authorizeUrl(closed, client, { prompt: 'login' }));
  assert.match(await page.innerText('main'), /once more/);
  await page.click('text=Sign in with Example Corp');
  await signInThere(page, provider, 'ana');
  await page.waitForSelector('button[value=approve]');
  await tokens(page, closed, client);
  await person.close();
});

test('with passwords off a request goes to the provider at once, and a sign-out stays out', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  const client = await newClient(closed);
  await page.goto(authorizeUrl(closed, client));
  assert.ok(page.url().startsWith(provider.url), page.url());
  await signInThere(page, provider, 'ana');
  await page.waitForSelector('button[value=approve]');
  const got = await tokens(page, closed, client);
  assert.ok(await call(closed.endpoint, got.access_token));
  await page.goto(closed.url);
  await page.click('header button');
  await page.waitForSelector('text=Sign out at Example Corp too');
  await page.goto(`${closed.url}/sign-in`);
  assert.equal(await page.locator('text=Sign in with Example Corp').count(), 1);
  const { link } = await closed.json('user', 'add', 'ivy');
  await page.goto(link);
  await look(page, 'no-passwords');
  await person.close();
});

test('an account is linked and the link taken away on its page', async () => {
  people.eve = { name: 'Eve', email: 'eve@elsewhere.example', email_verified: false, preferred_username: 'eve' };
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(door.url);
  await page.click('text=Sign in with Example Corp');
  await signInThere(page, provider, 'eve');
  // No account for an address outside the company.
  await page.waitForSelector('text=company_refused');
  await look(page, 'refused');
  // One that the company has verified may be linked, but never by itself.
  Object.assign(people.eve, { email: 'eve@example.com', email_verified: true });
  await page.goto(door.url);
  await page.fill('#username', 'eve');
  await page.fill('#password', PASSWORD);
  await page.click('main form:last-of-type button');
  await page.waitForURL(`${door.url}/`);
  await page.goto(`${door.url}/account`);
  await page.click('text=Link >> nth=-1');
  await page.waitForSelector('text=linked');
  await look(page, 'account-linked');
  await page.click('button.danger');
  await page.waitForSelector('button.second');
  await person.close();
});

test('a provider that does not answer is named', async () => {
  await provider.stop();
  const person = await context(browser, { language: 'zh-TW' });
  const page = await person.newPage();
  const fresh = await Door.open({
    config: `
sign_in:
  providers: { corp: { name: Example Corp, issuer: "${provider.url}", client_id: door } }
`,
  });
  await page.goto(fresh.url);
  await page.click('form.provider button');
  await page.waitForSelector('text=provider_unavailable');
  await look(page, 'down');
  await fresh.close();
  await provider.start([door, closed]);
  await person.close();
});
