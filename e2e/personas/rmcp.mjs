// P-rmcp: the Rust SDK. Probes with a bare GET, looks for the document behind its URL too, gives up on anything that
// smells of trouble, and sends its scopes with every refresh.
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { call } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { live, login, refreshOf } from '../lib/replay.mjs';
import { USUAL, challengeOf, refusal, register, search } from '../lib/wire.mjs';

export const name = 'P-rmcp';
export const shows = 'CC-1 CC-2 CC-10 CC-11 CC-14 CC-20 CC-21 CC-67 CC-88';

export async function run({ door }) {
  const person = new Person();
  // A 200 would be read as the document itself.
  const probe = await fetch(door.endpoint, { redirect: 'manual' });
  assert.equal(probe.status, 401);
  const challenge = challengeOf(probe);
  const { origin } = new URL(door.endpoint);
  const document = await search([challenge.resource_metadata]);
  assert.equal(document.resource, door.endpoint);
  // Without a challenge: inserted, appended, root, in that order; each alone would do.
  const inserted = `${origin}/.well-known/oauth-protected-resource/mcp/fixture`;
  const appended = `${door.endpoint}/.well-known/oauth-protected-resource`;
  for (const address of [inserted, `${inserted}/`, appended]) {
    const found = await search([address]);
    assert.ok([door.endpoint, `${door.endpoint}/`].includes(found.resource), found.resource);
    assert.deepEqual({ ...found, resource: document.resource }, document);
  }
  assert.equal((await search([`${origin}/.well-known/oauth-protected-resource`])).resource, origin);
  // What is not there is plainly not there.
  for (const path of ['protected-resource/mcp/nowhere', 'authorization-server/mcp/nowhere', 'authorization-server/x']) {
    const nothing = await fetch(`${origin}/.well-known/oauth-${path}`);
    assert.equal(nothing.status, 404);
    assert.equal(typeof (await nothing.json()).error, 'string');
  }

  const { authorization_servers: [issuer] } = document;
  const server = await search([`${issuer}/.well-known/oauth-authorization-server`]);
  assert.ok(server.code_challenge_methods_supported.includes('S256'), 'CC-21');
  const redirectUri = `http://127.0.0.1:${await freePort()}/callback`;
  const scope = [...new Set([challenge.scope, ...document.scopes_supported, 'offline_access'])].join(' ');
  const { client_id: clientId } = await register(server.registration_endpoint, {
    client_name: 'rmcp', redirect_uris: [redirectUri], ...USUAL, token_endpoint_auth_method: 'none', scope,
  });
  const { resource } = document;
  const granted = await login(person, {
    server, clientId, redirectUri, request: { resource, scope }, redeem: { resource },
  });

  // Only invalid_grant means "sign in again" to it.
  const spoilt = refreshOf({ refresh_token: 'spoilt' }, { client_id: clientId });
  const bad = await refusal(server.token_endpoint, spoilt);
  assert.deepEqual([bad.status, bad.error], [400, 'invalid_grant']);
  // It adds scopes that were not granted; that is no error (CC-67).
  const refresh = { client_id: clientId, resource, scope: `${scope} admin groups` };
  const caller = { call: (token) => call(door.endpoint, token) };
  await live(door, granted, { server, caller, refresh });
}
