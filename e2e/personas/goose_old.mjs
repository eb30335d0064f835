// P-goose-old: Goose up to 1.45. Its document and nothing else, discovery as of 2024-11-05, drops `iss`, and waits for
// ever when an error comes back without being sent to its callback.
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { live, login } from '../lib/replay.mjs';
import { pkce } from '../lib/token.mjs';
import { authorizeUrl, challengeOf, search } from '../lib/wire.mjs';

export const name = 'P-goose-old';
export const shows = 'CC-41 CC-43 CC-49 CC-67 CC-79 DEC-8 DEC-14';

const CLIENT = 'https://goose-docs.ai/oauth/client-metadata.json';
const OLD = { 'mcp-protocol-version': '2024-11-05', 'user-agent': 'goose/1.45.0' };

export async function run({ door }) {
  const person = new Person();
  const challenge = challengeOf(await fetch(door.endpoint, { headers: OLD }));
  const { resource, authorization_servers: [issuer] } = await search([challenge.resource_metadata], OLD);
  const server = await search([`${issuer}/.well-known/oauth-authorization-server`], OLD);
  assert.ok(!('authorization_response_iss_parameter_supported' in server), 'CC-79');

  // It listens where its document says localhost, under any name of this machine (DEC-8).
  const port = await freePort();
  const request = { resource, scope: `${challenge.scope} offline_access` };
  for (const host of ['127.0.0.1', '[::1]']) {
    await login(person, { server, clientId: CLIENT, redirectUri: `http://${host}:${port}/oauth_callback`, request });
  }
  const redirectUri = `http://localhost:${port}/oauth_callback`;
  const granted = await login(person, { server, clientId: CLIENT, redirectUri, request, redeem: { resource } });

  // A person who says no is sent back like everybody (CC-49).
  const no = await person.approve(authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: CLIENT, redirect_uri: redirectUri, state: 's', ...request, ...pkce().parameters,
  }), { decision: 'deny' });
  assert.equal(person.last.status, 303);
  assert.ok(no.startsWith(`${redirectUri}?error=access_denied`), no);
  assert.equal(new URL(no).searchParams.get('iss'), issuer);

  const session = await Session.begin(door.endpoint, granted.access_token, { version: '2025-03-26' });
  await live(door, granted, { server, caller: session, refresh: { client_id: CLIENT, ...request }, headers: OLD });
}
