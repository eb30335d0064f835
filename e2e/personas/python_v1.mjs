// P-python-v1: the Python SDK, major 1. Its URL type writes the issuer with a slash; Basic credentials are encoded;
// whatever goes wrong with a refresh, it signs in anew.
import assert from 'node:assert/strict';
import { Session, unauthorized } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { live, login, refreshOf } from '../lib/replay.mjs';
import { USUAL, basic, challengeOf, refusal, register, search } from '../lib/wire.mjs';

export const name = 'P-python-v1';
export const shows = 'CC-29 CC-31 CC-35 CC-59 CC-60 CC-63 CC-66';

const REDIRECT = 'http://localhost:3030/callback';
const VERSION = { 'mcp-protocol-version': '2025-11-25', 'user-agent': 'python-httpx/0.28.1' };
const SECRET = 'p%2Bq+r/s=:t&u?v~w!x(y)z*9876543210';

export const files = { 'python-secret': SECRET };
export const clients = `
  python-host:
    name: A host on the Python SDK
    redirect_uris: ["${REDIRECT}"]
    secret_file: python-secret`;

// As its URL type writes it.
const url = (text) => new URL(text).href;

export async function run({ door }) {
  const person = new Person();
  const challenge = challengeOf(await unauthorized(door.endpoint, undefined, VERSION));
  const places = [challenge.resource_metadata, `${door.url}/.well-known/oauth-protected-resource/mcp/fixture`];
  const { resource, authorization_servers: [issuer] } = await search(places, VERSION);
  const server = await search([new URL('/.well-known/oauth-authorization-server', url(issuer)).href], VERSION);
  // It writes both in the same way, so they are the same, and `iss` is not looked at.
  assert.equal(url(server.issuer), url(issuer));

  const request = { resource: url(resource), scope: challenge.scope };
  const redeem = { resource: request.resource };
  const client = await register(server.registration_endpoint, {
    client_name: 'A host', redirect_uris: [REDIRECT], ...USUAL, scope: challenge.scope,
  });
  assert.equal(client.token_endpoint_auth_method, 'none', 'CC-29');
  const clientId = client.client_id;
  const first = await login(person, { server, clientId, redirectUri: REDIRECT, request, redeem });

  // A refresh that is refused throws its tokens away. It signs in anew, as the same client, and what another process
  // of it holds goes on.
  const spoilt = { refresh_token: `${first.refresh_token}x` };
  const { status } = await refusal(server.token_endpoint, refreshOf(spoilt, { client_id: clientId }));
  assert.equal(status, 400);
  const second = await login(person, { server, clientId, redirectUri: REDIRECT, request, redeem });
  const session = await Session.begin(door.endpoint, second.access_token, { headers: VERSION });
  await live(door, second, { server, caller: session, refresh: { client_id: clientId, ...redeem } });
  const other = await Session.begin(door.endpoint, first.access_token);
  await live(door, first, { server, caller: other, refresh: { client_id: clientId, ...redeem } });

  // With a secret that it was given; a wrong one uses nothing up (CC-60).
  const headers = basic.encoded('python-host', SECRET);
  const third = await login(person, {
    server, clientId: 'python-host', redirectUri: REDIRECT, request, redeem, headers,
  });
  const confused = basic.encoded('python-host', `${SECRET}x`);
  const wrong = await refusal(server.token_endpoint, refreshOf(third, { client_id: 'python-host' }), confused);
  assert.deepEqual([wrong.status, wrong.error], [401, 'invalid_client']);
  assert.match(wrong.response.headers.get('www-authenticate'), /^Basic /, 'CC-35');
  const confidential = await Session.begin(door.endpoint, third.access_token);
  await live(door, third, { server, caller: confidential, refresh: { client_id: 'python-host', ...redeem }, headers });
}
