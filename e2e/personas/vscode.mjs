// P-vscode: compares everything exactly, the query of the URL too; registers four or six redirect URIs; takes any 401
// or 403 for a reason to sign in, and any other 4xx to its first POST for an old server (MA-35, TP-24, TP-47).
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { Session, initialize, post, unauthorized } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { ended, login, refreshOf, resetSteps } from '../lib/replay.mjs';
import { challengeOf, claimsOf, register, search, tokens } from '../lib/wire.mjs';

export const name = 'P-vscode';
export const shows = 'CC-3 CC-4 CC-5 CC-11 CC-14 CC-33 CC-34 CC-41 CC-43 CC-53 CC-93 DEC-8 DEC-10';

const CLIENT = 'https://vscode.dev/oauth/client-metadata.json';
const HEADERS = { 'user-agent': 'Visual Studio Code/1.104.0', 'mcp-protocol-version': '2025-11-25' };
const WEB = ['https://insiders.vscode.dev/redirect', 'https://vscode.dev/redirect'];
const FOUR = [...WEB, 'http://localhost:33418/', 'http://127.0.0.1:33418/'];
const SIX = [...WEB, 'http://localhost/', 'http://127.0.0.1/', 'http://localhost:33418/', 'http://127.0.0.1:33418/'];
// Where in the editor the sign-in began.
const STATE = 'vscode://vscode.github-authentication/did-authenticate?nonce=1%2B2&windowId=a%20b%3Ac';

async function discover(endpoint) {
  const response = await unauthorized(endpoint, undefined, HEADERS);
  assert.ok(response.headers.get('www-authenticate').startsWith('Bearer '), 'CC-3: it looks for just this');
  const challenge = challengeOf(response);
  const { resource, authorization_servers: [issuer] } = await search([challenge.resource_metadata], HEADERS);
  assert.equal(new URL(resource).href, new URL(endpoint).href, 'CC-11: the URL as it was typed');
  const server = await search([`${issuer}/.well-known/oauth-authorization-server`], HEADERS);
  return { scope: challenge.scope, resource, server };
}

const body = (server, redirectUris, scope) => ({
  client_name: 'Visual Studio Code', client_uri: 'https://code.visualstudio.com', redirect_uris: redirectUris,
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code']
    .filter((grant) => server.grant_types_supported.includes(grant)),
  response_types: ['code'], token_endpoint_auth_method: 'none', application_type: 'native', scope,
});

export async function run({ door }) {
  const person = new Person();
  const endpoint = `${door.endpoint}?team=blue&mode=x`;
  const { server, scope, resource } = await discover(endpoint);
  const request = { server, state: STATE, request: { scope, resource }, redeem: { resource }, headers: HEADERS };
  const anotherPort = async () => `http://127.0.0.1:${await freePort()}/`;

  // By its document: at its own port and, when that is busy, at another; in the browser, at its site.
  for (const redirectUri of ['http://127.0.0.1:33418/', await anotherPort(), WEB[1]]) {
    const granted = await login(person, { ...request, clientId: CLIENT, redirectUri });
    assert.equal(claimsOf(granted.access_token).aud, door.endpoint, 'DEC-10: tokens carry one spelling');
  }

  // By registering: all four, or all six, are kept as they were sent. The same again is the same client, as when a
  // 401 does not go away.
  const ids = [];
  for (const redirectUris of [FOUR, SIX, SIX]) {
    const client = await register(server.registration_endpoint, body(server, redirectUris, scope), HEADERS);
    assert.deepEqual(client.redirect_uris, redirectUris, 'CC-33');
    ids.push(client.client_id);
  }
  assert.equal(ids[2], ids[1], 'CC-34');
  const clientId = ids[1];
  const granted = await login(person, { ...request, clientId, redirectUri: await anotherPort() });
  const token = granted.access_token;

  // Its first POST, with a version of the future and an Accept that lacks event streams, is no 4xx (CC-93).
  const first = await post(endpoint, token, initialize('2099-01-01'), { ...HEADERS, accept: 'application/json' });
  assert.equal(first.status, 200, JSON.stringify(first.message));
  assert.match(first.message.result.protocolVersion, /^20\d\d-\d\d-\d\d$/);
  const session = await Session.begin(endpoint, token, { headers: { 'user-agent': HEADERS['user-agent'] } });
  await session.call(token);

  // What policy denies is neither 401 nor 403, which would open a browser (CC-5).
  await door.cli('group', 'remove-member', 'developers', 'ana');
  const denied = await session.send(token, { jsonrpc: '2.0', id: 7, method: 'tools/list' });
  const refused = await post(endpoint, token, initialize('2025-11-25'));
  await door.cli('group', 'add-member', 'developers', 'ana');
  for (const { status, message } of [denied, refused]) {
    assert.equal(status, 200);
    assert.match(message.error.message, /platform@example\.com/);
  }
  await session.call(token);

  const refresh = { client_id: clientId, resource };
  const refreshed = await tokens(server.token_endpoint, refreshOf(granted, refresh), HEADERS);
  await door.restart();
  await session.call(refreshed.access_token);

  // A header written into its settings, instead of signing in: it works while the token does, and then the answer
  // says what is wrong, because that is all that a person sees.
  await (await Session.begin(door.endpoint, refreshed.access_token)).call(refreshed.access_token);
  const [grant] = await door.json('grant', 'list', '--client', clientId);
  await door.cli('grant', 'revoke', grant.id);
  const gone = challengeOf(await unauthorized(door.endpoint, refreshed.access_token));
  assert.deepEqual([gone.error, gone.error_description], ['invalid_token', 'token revoked']);
  await ended(door, refreshed, { server, refresh });
}

export const alone = {
  'CC-55 the page says how to reset it': async ({ door }) => {
    for (const redirectUri of [WEB[1], 'http://127.0.0.1:33418/']) {
      const steps = await resetSteps(door, redirectUri);
      assert.match(steps, /"Authentication: Remove Dynamic Authentication Providers"/, redirectUri);
    }
  },
};
