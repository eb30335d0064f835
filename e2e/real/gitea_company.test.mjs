// The company's people sign in at Gitea itself, by `preset: gitea`: its organizations and teams are their groups, and it is asked
// again with the refresh token that it gave, which counts once (OS-46, MA-63).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { authorizeUrl, redeem, register } from '../lib/authorization.mjs';
import { context, launch, picture } from '../lib/browser.mjs';
import { waitForBrowsers } from '../lib/callbacks.mjs';
import { Door, freePort } from '../lib/door.mjs';
import { Gitea, signInThere } from '../lib/gitea.mjs';
import { call, initialize, post } from '../lib/mcp.mjs';

let gitea;
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
  const registered = await gitea.ask('ben', 'POST', '/user/applications/oauth2', {
    name: 'The door', redirect_uris: [`http://127.0.0.1:${port}/sign-in/callback/gitea`], confidential_client: true,
  });
  door = await Door.open({
    port,
    files: { 'client-secret': registered.client_secret },
    // The preset has https before the host, which this Gitea has not.
    config: `
sign_in:
  providers:
    gitea:
      preset: gitea
      host: ${new URL(gitea.url).host}
      issuer: ${gitea.url}
      client_id: ${registered.client_id}
      client_secret_file: client-secret
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
  await gitea?.close();
});

// A new browser that a program sends to the door, and from there to Gitea, as somebody there.
async function through(name) {
  const page = await (await context(browser)).newPage();
  const client = await register(door, { redirect_uris: [callbacks.url], client_name: 'Company client' });
  await page.goto(authorizeUrl(door, client));
  await page.click('text=Sign in with Gitea');
  await signInThere(page, gitea, name);
  await page.waitForSelector('#authorize-app');
  await picture(page, 'gitea-sign-in');
  await page.click('#authorize-app');
  return { page, client };
}

// What `user sync` says of ana.
async function asked() {
  const [row] = await door.json('user', 'sync', 'ana+gitea');
  return [row.outcome, ...row.groups];
}

let ana;

test('`check` finds Gitea', async () => {
  const said = await door.cli('check');
  assert.ok(said.includes('ok       sign_in.providers.gitea: '), said);
});

test('ana signs in at Gitea, with her team as a group, and her program can call', async () => {
  const { page, client } = await through('ana');
  await page.click('button[value=approve]');
  await page.waitForURL((url) => url.href.startsWith(callbacks.url));
  const response = await redeem(door, client, new URL(callbacks.last, callbacks.url));
  ana = { client, ...await response.json() };
  assert.equal(response.status, 200, JSON.stringify(ana));
  await page.context().close();
  await call(door.endpoint, ana.access_token);
  const { email_verified: verified } = await door.json('user', 'show', 'ana+gitea');
  assert.ok(!verified, 'nobody said that its addresses can be believed');
});

test('who is in none of the organizations does not come in', async () => {
  await gitea.add('eve');
  const { page } = await through('eve');
  await page.waitForSelector('text=company_refused');
  await page.context().close();
});

test('a team that ana leaves is gone when Gitea is asked again, and is back when she is', async () => {
  assert.deepEqual(await asked(), ['confirmed', 'developers']);
  await gitea.leave('ben', 'acme', 'platform', 'ana');
  assert.deepEqual(await asked(), ['confirmed']);
  const { message } = await post(door.endpoint, ana.access_token, initialize('2025-11-25'));
  assert.match(message.error.message, /may not use this server/);
  await gitea.join('ben', 'acme', 'platform', 'ana');
  assert.deepEqual(await asked(), ['confirmed', 'developers']);
  await call(door.endpoint, ana.access_token);
});

test('who is removed there gets no more tokens here', async () => {
  await gitea.run('admin', 'user', 'delete', '--username', 'ana', '--purge');
  assert.deepEqual(await asked(), ['gone']);
  const response = await fetch(`${door.url}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'refresh_token', client_id: ana.client.client_id, refresh_token: ana.refresh_token }),
  });
  assert.equal((await response.json()).error, 'invalid_grant');
});
