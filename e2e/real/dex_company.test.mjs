// The company's people sign in at Dex, which asks Gitea who they are: its organizations and teams are their groups (OS-46,
// OS-121, MA-63). With passwords that Dex keeps itself, for somebody who is in no group.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { authorizeUrl, redeem, register } from '../lib/authorization.mjs';
import { context, launch, picture } from '../lib/browser.mjs';
import { waitForBrowsers } from '../lib/callbacks.mjs';
import { Dex } from '../lib/dex.mjs';
import { Door, freePort } from '../lib/door.mjs';
import { Gitea, signInThere } from '../lib/gitea.mjs';
import { call, initialize, post } from '../lib/mcp.mjs';
import { until } from '../lib/until.mjs';

const SECRET = 'the-secret-of-the-door-at-dex';
// "password", as in Dex's own example.
const HASH = '$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W';

let gitea;
let dex;
let door;
let browser;
let callbacks;
before(async () => {
  gitea = await Gitea.start({
    binary: process.env.VESTIBULE_REAL_GITEA, files: process.env.VESTIBULE_REAL_GITEA_FILES, people: ['ana', 'ben'],
  });
  // Ben owns the organization, so that Ana can be taken out of it.
  await gitea.ask('ben', 'POST', '/orgs', { username: 'acme' });
  for (const name of ['staff', 'platform']) await gitea.team('ben', 'acme', name, 'ana');
  const port = await freePort();
  dex = await Dex.at({ binary: process.env.VESTIBULE_REAL_DEX });
  const registered = await gitea.ask('ben', 'POST', '/user/applications/oauth2', {
    name: 'Dex', redirect_uris: [`${dex.url}/callback`], confidential_client: true,
  });
  dex.configure(`
enablePasswordDB: true
staticPasswords:
- { email: pat@example.com, hash: "${HASH}", username: pat, userID: "1" }
connectors:
- type: gitea
  id: gitea
  name: Gitea
  config:
    baseURL: ${gitea.url}
    clientID: ${registered.client_id}
    clientSecret: ${registered.client_secret}
    redirectURI: ${dex.url}/callback
    loadAllGroups: true
staticClients:
- { id: door, name: The door, secret: ${SECRET}, redirectURIs: ["http://127.0.0.1:${port}/sign-in/callback/corp"] }
`);
  await dex.start();
  door = await Door.open({
    port,
    files: { 'client-secret': SECRET },
    config: `
sign_in:
  providers:
    corp:
      name: Example Corp
      issuer: ${dex.url}
      client_id: door
      client_secret_file: client-secret
      scopes: [openid, profile, email, groups]
      accounts: create
      require_groups: [acme]
      groups: { "acme:platform": developers }
`,
  });
  browser = await launch();
  callbacks = await waitForBrowsers();
});
after(async () => {
  await browser?.close();
  callbacks?.close();
  await door?.close();
  await dex?.close();
  await gitea?.close();
});

// A new browser that a program sends to the door, and from there to Dex.
async function atDex() {
  const page = await (await context(browser)).newPage();
  const client = await register(door, { redirect_uris: [callbacks.url], client_name: 'Company client' });
  await page.goto(authorizeUrl(door, client));
  await page.click('text=Sign in with Example Corp');
  await page.waitForURL((url) => url.href.startsWith(dex.url));
  return { page, client };
}

// The same, further to Gitea and back, as somebody there.
async function through(name) {
  const at = await atDex();
  await at.page.click('text=Log in with Gitea');
  await signInThere(at.page, gitea, name);
  return at;
}

// The same, again if the door has not asked Dex for its new keys yet: it does so at most once in ten seconds.
function comesIn(name) {
  return until(`${name} comes in`, async () => {
    const at = await through(name);
    const approve = at.page.locator('button[value=approve]');
    await approve.or(at.page.locator('text=provider_unavailable')).waitFor();
    if (await approve.count()) return at;
    return at.page.context().close();
  }, 40);
}

// Lets the program in, and gives what it gets.
async function token({ page, client }) {
  await page.click('button[value=approve]');
  await page.waitForURL((url) => url.href.startsWith(callbacks.url));
  const response = await redeem(door, client, new URL(callbacks.last, callbacks.url));
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  await page.context().close();
  return body.access_token;
}

// What `user show` says of the groups of ana.
const groups = async () => JSON.stringify((await door.json('user', 'show', 'ana+corp')).groups);

let first;

test('`check` finds Dex', async () => {
  const said = await door.cli('check');
  assert.ok(said.includes('ok       sign_in.providers.corp: '), said);
});

test('ana comes in from Gitea by Dex, with her team as a group, and her program can call', async () => {
  const at = await through('ana');
  // Gitea asks her once whether Dex may know who she is.
  await at.page.click('#authorize-app');
  await at.page.waitForSelector('button[value=approve]');
  await picture(at.page, 'dex-consent');
  first = await token(at);
  await call(door.endpoint, first);
  assert.match(await groups(), /developers/);
});

test('somebody whom Dex knows, and who is in none of the groups, does not come in', async () => {
  const { page } = await atDex();
  await page.click('text=Log in with Email');
  await page.fill('#login', 'pat@example.com');
  await page.fill('#password', 'password');
  await page.click('button[type=submit]');
  await page.waitForSelector('text=company_refused');
  await page.context().close();
  const refused = await door.json('audit', 'list', '--event', 'sign_in_refused');
  assert.equal(refused.length, 1);
});

test('Dex rotates its keys, and the next sign-ins count', async () => {
  const before = await dex.keys();
  await dex.stop();
  await dex.start();
  assert.ok((await dex.keys()).some((kid) => !before.includes(kid)));
  await call(door.endpoint, await token(await comesIn('ana')));
});

test('an outage of Dex stops nobody who is in, and is named to whoever wants in', async () => {
  await dex.stop();
  await call(door.endpoint, first);
  // A door that knows Dex already sends browsers there; one that does not says it.
  const fresh = await Door.open({
    config: `
sign_in:
  providers: { corp: { name: Example Corp, issuer: "${dex.url}", client_id: door } }
`,
  });
  const page = await (await context(browser)).newPage();
  await page.goto(fresh.url);
  await page.click('form.provider button');
  await page.waitForSelector('text=provider_unavailable');
  await page.context().close();
  await fresh.close();
  await dex.start();
  await (await comesIn('ana')).page.context().close();
});

test('a team that ana leaves is gone with her next sign-in, for her programs too', async () => {
  await gitea.leave('ben', 'acme', 'platform', 'ana');
  await call(door.endpoint, first);
  const { page } = await through('ana');
  await page.waitForURL((url) => url.pathname === '/authorize');
  assert.match(await page.innerText('main'), /not allowed to use Test fixture/);
  await page.context().close();
  assert.doesNotMatch(await groups(), /developers/);
  const { message } = await post(door.endpoint, first, initialize('2025-11-25'));
  assert.match(message.error.message, /may not use this server/);
});

test('out of the organization she does not come in', async () => {
  await gitea.leave('ben', 'acme', 'staff', 'ana');
  const { page } = await through('ana');
  await page.waitForSelector('text=company_refused');
  await page.context().close();
});

test('who is removed there cannot sign in again', async () => {
  await gitea.run('admin', 'user', 'delete', '--username', 'ana', '--purge');
  const { page } = await through('ana');
  await page.waitForSelector('.flash-error');
  assert.ok(page.url().startsWith(gitea.url), page.url());
  await page.context().close();
});
