// A door that registers itself at a real OpenID provider (RFC 7591), and people who connect their accounts there: the code,
// the renewal and the revocation are those of the client that it made itself.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';
import { context, launch } from '../lib/browser.mjs';
import { Door, PASSWORD, fixture, freePort } from '../lib/door.mjs';
import { signInThere } from '../lib/openid.mjs';
import { Program } from '../lib/process.mjs';

let server;
let issuer;
let upstream;
let door;
let browser;
const registered = [];
const granted = [];

before(async () => {
  const port = await freePort();
  issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' }] },
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id }) }),
    issueRefreshToken: async () => true,
    features: { devInteractions: { enabled: true }, registration: { enabled: true }, revocation: { enabled: true } },
  });
  provider.on('registration_create.success', (_, client) => registered.push(client.metadata()));
  provider.on('grant.success', (ctx) => granted.push([ctx.oidc.client.clientId, ctx.oidc.params.grant_type]));
  server = provider.listen(port, '127.0.0.1');
  await once(server, 'listening');
  // It has no credential of its own.
  upstream = new Program(fixture, ['--extra-tools']);
  const [, address] = await upstream.says(/^(http:\/\/\S+)$/m);
  door = await Door.open({
    config: `
connectors:
  forge:
    name: Forge
    oauth: { register: true, issuer: "${issuer}", scopes: [openid, profile] }
    who_am_i: { url: "${issuer}/me", id: /sub, name: /preferred_username }
    identity: { match: username }
`,
    servers: () => `  fixture:
    title: Forge server
    upstream: ${address}
    allow: [{ groups: [developers], tools: all }]
    credential: { connector: forge }
`,
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  server?.close();
  server?.closeAllConnections();
  await door?.close();
  await upstream?.stop();
});

async function connect() {
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(`${door.url}/connect?to=forge`);
  await page.fill('#username', 'ana');
  await page.fill('#password', PASSWORD);
  await page.keyboard.press('Enter');
  await page.click('form[action="/connect/leave"] button');
  await signInThere(page, { url: issuer }, 'ana');
  await page.waitForURL((url) => url.href.startsWith(door.url));
  const said = await page.innerText('main');
  return { person, page, said };
}

test('the door registers itself once, and people connect as its client', async () => {
  const first = await connect();
  assert.match(first.said, /You are connected as ana/);
  await first.person.close();
  assert.equal(registered.length, 1);
  const [client] = registered;
  assert.equal(client.client_name, 'Example Corp MCP');
  assert.deepEqual(client.redirect_uris, [`${door.url}/connect/callback/forge`]);
  assert.deepEqual([...client.grant_types].sort(), ['authorization_code', 'refresh_token']);
  assert.deepEqual(granted, [[client.client_id, 'authorization_code']]);
  assert.match(JSON.stringify(await door.json('connection', 'list')), /forge.*oauth|oauth.*forge/);

  // The same client after the next start, and told when somebody disconnects.
  await door.server.stop();
  await door.start();
  const again = await connect();
  assert.match(again.said, /You are connected as ana/);
  assert.equal(registered.length, 1);
  await again.page.goto(`${door.url}/connections`);
  await again.page.click('button.danger');
  assert.match(await again.page.innerText('[role=status]'), /was told that it does not count any more/);
  await again.person.close();
});
