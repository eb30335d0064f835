// P-ts-v2: the TypeScript SDK, major 2. Speaks without sessions, adds offline_access and with it prompt=consent,
// compares the issuer as a string, and follows what a registration answers, with a secret and without (MA-1,
// MA-133, OS-33).
import assert from 'node:assert/strict';
import { call } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, live, login } from '../lib/replay.mjs';
import { USUAL, register } from '../lib/wire.mjs';

export const name = 'P-ts-v2';
export const shows = 'CC-18 CC-29 CC-32 CC-53 CC-59 CC-73 CC-78';

const REDIRECT = 'http://localhost:33418/callback';
const VERSION = { 'mcp-protocol-version': '2026-07-28' };

export async function run({ door }) {
  const person = new Person();
  const { challenge, resource, issuer, server } = await discover(door.endpoint, VERSION);
  assert.equal(server.issuer, issuer, 'CC-18');

  const scope = `${challenge.scope} offline_access`;
  const caller = { call: (token) => call(door.endpoint, token) };
  const body = {
    client_name: 'A host of today', redirect_uris: [REDIRECT], ...USUAL, application_type: 'native', scope,
  };
  const request = { resource, scope, prompt: 'consent' };
  for (const method of ['none', 'client_secret_post']) {
    const client = await register(server.registration_endpoint, { ...body, token_endpoint_auth_method: method });
    assert.equal(client.token_endpoint_auth_method, method);
    assert.equal(client.scope, scope);
    const credentials = { client_id: client.client_id, client_secret: client.client_secret };
    // To be asked is not to be asked for the password (CC-78).
    const pages = person.pages.length;
    const granted = await login(person, {
      server, clientId: client.client_id, redirectUri: REDIRECT, request, redeem: { resource, ...credentials },
    });
    assert.equal(person.pages.slice(pages).filter((page) => page.includes('name="password"')).length, pages ? 0 : 1);
    assert.equal(granted.scope, scope);
    await live(door, granted, { server, caller, refresh: { resource, ...credentials } });
  }
}
