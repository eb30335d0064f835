// P-python-v2: the Python SDK, major 2. Compares the issuer, and `iss`, as strings; speaks without sessions; sends the
// secret in the body or, encoded, as Basic, as the registration said.
import assert from 'node:assert/strict';
import { call } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, live, login, refreshOf } from '../lib/replay.mjs';
import { USUAL, basic, refusal, register, tokens } from '../lib/wire.mjs';

export const name = 'P-python-v2';
export const shows = 'CC-18 CC-29 CC-32 CC-59 CC-64 CC-79';

const REDIRECT = 'http://localhost:3030/callback';
const VERSION = { 'mcp-protocol-version': '2026-07-28', 'user-agent': 'python-httpx2/2.16.2' };

export async function run({ door }) {
  const person = new Person();
  const { challenge, resource, issuer, server } = await discover(door.endpoint, VERSION);
  assert.equal(server.issuer, issuer, 'CC-18');
  assert.equal(server.authorization_response_iss_parameter_supported, true, 'CC-79');

  const scope = `${challenge.scope} offline_access`;
  const caller = { call: (token) => call(door.endpoint, token) };
  for (const method of [undefined, 'client_secret_post', 'client_secret_basic']) {
    const client = await register(server.registration_endpoint, {
      client_name: 'A host of today', redirect_uris: [REDIRECT], ...USUAL, token_endpoint_auth_method: method,
      scope, application_type: 'native',
    });
    assert.equal(client.token_endpoint_auth_method, method ?? 'none');
    const { client_id: clientId, client_secret: secret } = client;
    const headers = method === 'client_secret_basic' ? basic.encoded(clientId, secret) : undefined;
    const proof = method === 'client_secret_post' ? { client_secret: secret } : {};
    const request = { resource, scope, prompt: 'consent' };
    const redeem = { resource, ...proof };
    const granted = await login(person, { server, clientId, redirectUri: REDIRECT, request, redeem, headers });
    const refresh = { client_id: clientId, resource, ...proof };
    // Any refusal sends it to the browser, so there is none without need: a lost answer is given again.
    const lost = await tokens(server.token_endpoint, refreshOf(granted, refresh), headers);
    const again = await tokens(server.token_endpoint, refreshOf(granted, refresh), headers);
    assert.equal(again.refresh_token, lost.refresh_token);
    if (secret) {
      const { status, error } = await refusal(server.token_endpoint, refreshOf(lost, { client_id: clientId }));
      assert.deepEqual([status, error], [401, 'invalid_client'], 'a secret is demanded where there is one');
    }
    await live(door, lost, { server, caller, refresh, headers });
  }
}
