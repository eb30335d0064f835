// P-no-prm: a client of 2025-03-26, before there was metadata of the resource. The origin is the authorization
// server, its endpoints have the usual names, and there is no `resource` at all (MA-46, MA-158, MA-161).
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { Session, unauthorized } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { live, login, refreshOf } from '../lib/replay.mjs';
import { claimsOf, register } from '../lib/wire.mjs';

export const name = 'P-no-prm';
export const shows = 'CC-24 CC-25 CC-53 CC-62 CC-69 CC-71 DEC-11';

export async function run({ door, several }) {
  const guess = ({ url }) => ({
    issuer: url, authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token`,
    registration_endpoint: `${url}/register`, revocation_endpoint: `${url}/revoke`,
  });
  const redirectUri = `http://127.0.0.1:${await freePort()}/callback`;
  const connect = async (at, person, endpoint) => {
    await unauthorized(endpoint);
    const server = guess(at);
    const body = { client_name: 'Of old', redirect_uris: [redirectUri] };
    const { client_id: clientId } = await register(server.registration_endpoint, body);
    const granted = await login(person, { server, clientId, redirectUri, state: null });
    assert.equal(claimsOf(granted.access_token).aud, endpoint, 'a token is for one server');
    assert.equal(granted.scope, 'mcp');
    return { server, granted, refresh: { client_id: clientId } };
  };

  // The only server that the person may use.
  const { server, granted, refresh } = await connect(door, new Person(), door.endpoint);
  const session = await Session.begin(door.endpoint, granted.access_token, { version: '2025-03-26' });
  await session.call(granted.access_token);
  // Some send JSON where a form belongs (CC-62).
  const response = await fetch(server.token_endpoint, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(refreshOf(granted, refresh)),
  });
  assert.equal(response.status, 200);
  await live(door, await response.json(), { server, caller: session, refresh });

  // With several, the person chooses.
  const person = new Person();
  person.server = 'second';
  const other = await connect(several, person, `${several.url}/mcp/second`);
  assert.match(person.pages.at(-1), /type="radio" name="server" value="fixture"/);
  const token = other.granted.access_token;
  await (await Session.begin(`${several.url}/mcp/second`, token)).call(token);
  // And it is good for nothing else (CC-69).
  await unauthorized(several.endpoint, token);
}
