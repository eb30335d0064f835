// P-headless: a client on a machine without a browser. The person signs in elsewhere and carries the address of the
// callback over by hand.
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, live } from '../lib/replay.mjs';
import { pkce } from '../lib/token.mjs';
import { authorizeUrl, codeOf, register, tokens } from '../lib/wire.mjs';

export const name = 'P-headless';
export const shows = 'CC-47 CC-57';

export async function run({ door }) {
  const { scope, resource, server } = await discover(door.endpoint);
  const redirectUri = `http://localhost:${await freePort()}/callback`;
  const body = { client_name: 'Headless', redirect_uris: [redirectUri] };
  const { client_id: clientId } = await register(server.registration_endpoint, body);

  // Nobody listens where the browser is; the page shows the address instead of going there.
  const { verifier, parameters } = pkce();
  const person = new Person();
  const pasted = await person.approve(authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: clientId, redirect_uri: redirectUri, state: 's', scope, resource, ...parameters,
  }), { decision: 'elsewhere' });
  assert.equal(person.last.status, 200);
  assert.ok(pasted.startsWith(`${redirectUri}?`), pasted);
  assert.match(person.pages.at(-1), /curl -sS /, 'and a line for a terminal');

  const granted = await tokens(server.token_endpoint, {
    grant_type: 'authorization_code', client_id: clientId, code: codeOf(pasted, { state: 's', issuer: server.issuer }),
    redirect_uri: redirectUri, code_verifier: verifier, resource,
  });
  const session = await Session.begin(door.endpoint, granted.access_token);
  await live(door, granted, { server, caller: session, refresh: { client_id: clientId, resource } });

  // A client that is not on this machine's loopback needs none of it, and is not offered it.
  const elsewhere = { client_name: 'Web', redirect_uris: ['https://web.example.com/cb'] };
  const web = await register(server.registration_endpoint, elsewhere);
  await person.approve(authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: web.client_id, resource, ...parameters,
  }));
  assert.doesNotMatch(person.pages.at(-1), /value="elsewhere"/);
}
