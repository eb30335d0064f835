// P-go: the Go SDK. `resource` must be the request's URL exactly; tries Basic with an empty secret first; names no
// resource when it refreshes; objects to an `iss` that was not promised.
import assert from 'node:assert/strict';
import { Session, unauthorized } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, live, login } from '../lib/replay.mjs';
import { basic, challengeOf, register, search } from '../lib/wire.mjs';

export const name = 'P-go';
export const shows = 'CC-11 CC-12 CC-18 CC-21 CC-31 CC-37 CC-59 CC-67 CC-79';

const REDIRECT = 'http://localhost:8085/callback';
const HEADERS = { 'user-agent': 'Go-http-client/1.1' };
const DOCUMENT = {
  client_id: 'https://go.example/client.json',
  client_name: 'A host in Go',
  redirect_uris: ['http://localhost/callback'],
  token_endpoint_auth_method: 'none',
};
export const knownClient = { name: 'A host in Go', publisher: 'Gophers', documents: [DOCUMENT] };

export async function run({ door }) {
  const person = new Person();
  // As it was typed, with a slash or a query or none.
  for (const endpoint of [`${door.endpoint}/`, `${door.endpoint}?a=b`, door.endpoint]) {
    const challenge = challengeOf(await unauthorized(endpoint, undefined, HEADERS));
    assert.equal((await search([challenge.resource_metadata], HEADERS)).resource, endpoint, 'CC-11');
  }
  const root = await search([`${door.url}/.well-known/oauth-protected-resource`], HEADERS);
  assert.equal(root.resource, door.url, 'CC-12');
  const { scope, resource, issuer, server } = await discover(door.endpoint, HEADERS);
  assert.equal(server.issuer, issuer);
  assert.equal(server.authorization_response_iss_parameter_supported, true, 'CC-79: it sends no version');
  assert.deepEqual(server.code_challenge_methods_supported, ['S256']);

  const request = { resource, scope };
  const connect = async (clientId, credentials, headers) => {
    const granted = await login(person, {
      server, clientId, redirectUri: REDIRECT, request, redeem: { resource, ...credentials }, headers,
    });
    const session = await Session.begin(door.endpoint, granted.access_token, { headers: HEADERS });
    await live(door, granted, { server, caller: session, refresh: credentials, headers });
  };

  // The first try of its library: the client in the header, with nothing for a secret, and nothing in the body. The
  // second: the client in the body.
  await connect(DOCUMENT.client_id, { client_id: undefined }, { ...HEADERS, ...basic.encoded(DOCUMENT.client_id, '') });
  await connect(DOCUMENT.client_id, { client_id: DOCUMENT.client_id }, HEADERS);

  // Without a method in the answer it would take Basic, so there is one (CC-31).
  const body = { client_name: 'A host in Go', redirect_uris: [REDIRECT] };
  const client = await register(server.registration_endpoint, body, HEADERS);
  assert.equal(client.token_endpoint_auth_method, 'none');
  await connect(client.client_id, { client_id: client.client_id }, HEADERS);
}
