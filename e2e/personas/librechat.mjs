// P-librechat: a web application for many people. Registers with a secret, sends it as Basic, wants every scope, and
// has a colon in its state.
import assert from 'node:assert/strict';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, live, login } from '../lib/replay.mjs';
import { USUAL, basic, register } from '../lib/wire.mjs';

export const name = 'P-librechat';
export const shows = 'CC-29 CC-32 CC-34 CC-53 CC-59 CC-73';

const REDIRECT = 'https://chat.example.com/api/mcp/fixture/oauth/callback';
const BODY = { client_name: 'LibreChat MCP Client', redirect_uris: [REDIRECT], ...USUAL, logo_uri: '', tos_uri: null };

export async function run({ door }) {
  const { resource, server } = await discover(door.endpoint);
  const prefers = ['client_secret_basic', 'client_secret_post', 'none'];
  const method = prefers.find((one) => server.token_endpoint_auth_methods_supported.includes(one));
  const scope = server.scopes_supported.join(' ');
  const body = { ...BODY, token_endpoint_auth_method: method, scope };
  const client = await register(server.registration_endpoint, body);
  assert.equal(client.token_endpoint_auth_method, 'client_secret_basic');
  // Whoever has a secret is somebody of his own (CC-34).
  const other = await register(server.registration_endpoint, body);
  assert.notEqual(other.client_id, client.client_id);

  const person = new Person();
  const { client_id: clientId, client_secret: secret } = client;
  const headers = basic.encoded(clientId, secret);
  const request = { scope, resource };
  const how = { server, clientId, redirectUri: REDIRECT, state: '68b1f0:fixture', request };
  const granted = await login(person, { ...how, redeem: { resource }, headers });
  assert.equal(granted.scope, scope);
  const session = await Session.begin(door.endpoint, granted.access_token);
  await live(door, granted, { server, caller: session, refresh: { client_id: clientId }, headers });

  // The same secret in the body is as good (CC-59).
  const inBody = { client_id: clientId, client_secret: secret };
  const again = await login(person, { ...how, redeem: inBody });
  const another = await Session.begin(door.endpoint, again.access_token);
  await live(door, again, { server, caller: another, refresh: inBody });
}
