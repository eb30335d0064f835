// P-gemini: Gemini CLI. Compares the resource exactly, a bare origin as `/`; registers with an empty scope; asks for
// all scopes of the server, and repeats them with each refresh.
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, live, login } from '../lib/replay.mjs';
import { USUAL, register, search } from '../lib/wire.mjs';

export const name = 'P-gemini';
export const shows = 'CC-11 CC-12 CC-14 CC-23 CC-29 CC-31 CC-34 CC-43 CC-67 CC-73';

const same = (one, other) => new URL(one).href === new URL(other).href;

export async function run({ door }) {
  const person = new Person();
  const { resource, server } = await discover(door.endpoint);
  assert.ok(same(resource, door.endpoint), resource);
  // Without a challenge: the path, without its last slash, then the root.
  const wellKnown = `${door.url}/.well-known/oauth-protected-resource`;
  assert.ok(same((await search([`${wellKnown}/mcp/fixture`])).resource, door.endpoint));
  assert.ok(same((await search([wellKnown])).resource, `${door.url}/`));

  const redirectUri = `http://localhost:${await freePort()}/oauth/callback`;
  const body = (uri) => ({
    client_name: 'Gemini CLI MCP Client', redirect_uris: [uri], ...USUAL, token_endpoint_auth_method: 'none', scope: '',
  });
  const client = await register(server.registration_endpoint, body(redirectUri));
  assert.equal(client.scope, server.scopes_supported.join(' '), 'CC-29: empty means that nothing was asked for');
  // The next run listens elsewhere, and is the same client, which gets its own spelling back.
  const elsewhere = `http://localhost:${await freePort()}/oauth/callback`;
  const again = await register(server.registration_endpoint, body(elsewhere));
  assert.equal(again.client_id, client.client_id, 'CC-34');
  assert.deepEqual(again.redirect_uris, [elsewhere]);

  const scope = server.scopes_supported.join(' ');
  const clientId = client.client_id;
  const request = { resource, scope };
  const granted = await login(person, { server, clientId, redirectUri, request, redeem: { resource } });
  assert.equal(granted.scope, scope, 'CC-73');
  const session = await Session.begin(door.endpoint, granted.access_token, { version: '2025-06-18' });
  await live(door, granted, { server, caller: session, refresh: { client_id: clientId, ...request } });
}
