// P-cursor: one registration with three redirect URIs of three kinds; comes back by a scheme of its own; wants every
// scope of the resource.
import assert from 'node:assert/strict';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, ended, login, refreshOf, resetSteps } from '../lib/replay.mjs';
import { pkce } from '../lib/token.mjs';
import { USUAL, authorizeUrl, register, tokens } from '../lib/wire.mjs';

export const name = 'P-cursor';
export const shows = 'CC-31 CC-33 CC-46 CC-50 CC-51 CC-58 CC-84 DEC-13';

const SCHEME = 'cursor://anysphere.cursor-mcp/oauth/callback';
const OLDER = 'cursor://anysphere.cursor-mcp/oauth/user-fixture/callback';
const WEB = 'https://www.cursor.com/agents/mcp/oauth/callback';
const THREE = [SCHEME, WEB, 'http://localhost:8787/callback'];

const body = (redirectUris) => ({
  client_name: 'Cursor', redirect_uris: redirectUris, ...USUAL, token_endpoint_auth_method: 'none',
});

export async function run({ door }) {
  const person = new Person();
  const { document, resource, server } = await discover(door.endpoint);
  const scope = document.scopes_supported.join(' ');

  // One that cannot be used is left out; the others stay, byte for byte.
  const some = await register(server.registration_endpoint, body([...THREE, 'http://cursor.example/callback']));
  assert.deepEqual(some.redirect_uris, THREE, 'CC-33');
  const older = await register(server.registration_endpoint, body([OLDER]));
  const connect = (client, redirectUri) =>
    login(person, { server, clientId: client.client_id, redirectUri, request: { resource, scope } });

  // Back by its scheme, from a page that goes on by itself and has a link all the same (CC-50). A click is needed
  // each time: any program can take that scheme (DEC-13).
  let granted;
  for (let time = 0; time < 2; time += 1) {
    granted = await connect(some, SCHEME);
    const [question, page] = person.pages.slice(-2);
    assert.match(question, /value="approve"/, 'CC-58');
    assert.match(page, /<meta http-equiv="refresh" content="0;url=cursor:/);
    assert.match(page, /<a class="button" href="cursor:/);
  }
  // The browser would apply form-action to every hop.
  const consent = await person.request(authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: some.client_id, redirect_uri: SCHEME, resource, ...pkce().parameters,
  }));
  assert.match(await consent.text(), /value="approve"/);
  const policy = consent.headers.get('content-security-policy');
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /form-action|navigate-to/);

  // By all its other ways.
  await connect(older, OLDER);
  await connect(some, WEB);
  await connect(some, 'http://localhost:51712/callback');

  const session = await Session.begin(door.endpoint, granted.access_token);
  await session.call(granted.access_token);
  const refresh = { client_id: some.client_id };
  const refreshed = await tokens(server.token_endpoint, refreshOf(granted, refresh));
  await door.restart();
  await session.call(refreshed.access_token);

  // It never revokes. The person ends all of it, on the page of apps (CC-84).
  for (let app = 0; app < 5; app += 1) await person.endApp(door.url, 'Cursor');
  await ended(door, refreshed, { server, refresh });
}

export const alone = {
  'CC-55 the page says how to reset it': async ({ door }) => {
    assert.match(await resetSteps(door, SCHEME), /Cursor's MCP settings, remove the server and add it again/);
  },
};
