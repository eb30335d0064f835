// P-fastmcp: the client of fastmcp. Looks at the authorization URL itself, once and without cookies, before it opens
// it: 400 means that it has to register again, anything but a page or a redirect is an error.
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, live, login } from '../lib/replay.mjs';
import { pkce } from '../lib/token.mjs';
import { USUAL, authorizeUrl, register } from '../lib/wire.mjs';

export const name = 'P-fastmcp';
export const shows = 'CC-29 CC-35 CC-51 CC-54 CC-56';

export async function run({ door }) {
  const person = new Person();
  const { scope, resource, server } = await discover(door.endpoint);
  const redirectUri = `http://localhost:${await freePort()}/callback`;
  const request = { resource, scope };
  const look = (clientId) => fetch(authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: clientId, redirect_uri: redirectUri, state: 's', ...request, ...pkce().parameters,
  }), { redirect: 'manual', headers: { 'user-agent': 'python-httpx/0.28.1' } });

  // What it kept from another life of the server.
  const stale = await look('pub-ofAnotherLifeOfThisServer');
  assert.equal(stale.status, 400, 'CC-54');
  assert.match(stale.headers.get('content-type'), /^text\/html/);
  assert.match(await stale.text(), /pub-ofAnotherLifeOfThisServer/, 'the page says which client it is about');

  const { client_id: clientId } = await register(server.registration_endpoint, {
    client_name: 'fastmcp', redirect_uris: [redirectUri], ...USUAL, token_endpoint_auth_method: 'none', scope: '',
  });
  const fresh = await look(clientId);
  assert.ok([200, 303].includes(fresh.status), `CC-56: ${fresh.status}`);
  // Looking has used nothing up (CC-51).
  const granted = await login(person, { server, clientId, redirectUri, request, redeem: { resource } });
  const session = await Session.begin(door.endpoint, granted.access_token);
  await live(door, granted, { server, caller: session, refresh: { client_id: clientId, resource } });

  // It is still known after everything that it had has ended (CC-35).
  assert.equal((await look(clientId)).status, fresh.status);
}
