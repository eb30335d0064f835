// P-csharp: the C# SDK. Splits the challenge at commas, takes the first way of authentication that is listed, asks for
// a secret when it registers, and sends an empty one if it has none.
import assert from 'node:assert/strict';
import { Session, unauthorized } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { live, login } from '../lib/replay.mjs';
import { USUAL, register, search } from '../lib/wire.mjs';

export const name = 'P-csharp';
export const shows = 'CC-3 CC-14 CC-21 CC-32 CC-40 CC-59';

const REDIRECT = 'http://localhost:1179/callback';
const DOCUMENT = {
  client_id: 'https://csharp.example/client.json',
  client_name: 'A host in C#',
  redirect_uris: [REDIRECT],
};
export const knownClient = { name: 'A host in C#', publisher: 'Sharps', documents: [DOCUMENT] };

// Its parser: whatever stands between commas.
function parse(header) {
  assert.ok(header.startsWith('Bearer '));
  return Object.fromEntries(header.slice('Bearer '.length).split(',').map((part) => {
    const at = part.indexOf('=');
    return [part.slice(0, at).trim(), part.slice(at + 1).trim().replace(/^"|"$/g, '')];
  }));
}

export async function run({ door }) {
  const person = new Person();
  // A comma in the URL must not get into the challenge (CC-3).
  for (const endpoint of [`${door.endpoint}?tags=a,b`, door.endpoint]) {
    const response = await unauthorized(endpoint);
    const { resource_metadata: address } = parse(response.headers.get('www-authenticate'));
    // With a challenge it tries nothing else.
    const { resource } = await search([address]);
    assert.equal(decodeURIComponent(resource), endpoint);
  }
  const challenge = parse((await unauthorized(door.endpoint)).headers.get('www-authenticate'));
  const { resource, authorization_servers: [issuer] } = await search([challenge.resource_metadata]);
  const server = await search([`${issuer}/.well-known/oauth-authorization-server`]);
  const [first] = server.token_endpoint_auth_methods_supported;
  assert.equal(first, 'none', 'CC-21');

  const request = { resource, scope: `${challenge.scope} offline_access` };
  const connect = async (clientId, secret) => {
    const credentials = { client_id: clientId, client_secret: secret };
    const granted = await login(person, {
      server, clientId, redirectUri: REDIRECT, request, redeem: { resource, ...credentials },
    });
    const session = await Session.begin(door.endpoint, granted.access_token);
    await live(door, granted, { server, caller: session, refresh: { resource, ...credentials } });
  };

  const client = await register(server.registration_endpoint, {
    client_name: 'A host in C#', redirect_uris: [REDIRECT], ...USUAL, token_endpoint_auth_method: 'client_secret_post',
    application_type: 'native', scope: challenge.scope,
  });
  assert.match(client.client_secret, /./, 'CC-32');
  await connect(client.client_id, client.client_secret);

  // By a document that does not say how it authenticates.
  await connect(DOCUMENT.client_id, '');
  await connect(DOCUMENT.client_id, undefined);
}
