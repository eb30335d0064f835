// P-codex-old: Codex with an old rmcp. Discovers as a client of 2024-11-05 and drops `iss`, so it must not be promised
// to it; has sent `resource` twice.
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { live, login, resetSteps } from '../lib/replay.mjs';
import { pkce } from '../lib/token.mjs';
import { USUAL, authorizeUrl, challengeOf, register, search } from '../lib/wire.mjs';

export const name = 'P-codex-old';
export const shows = 'CC-2 CC-27 CC-28 CC-41 CC-43 CC-67 CC-70 CC-79 CC-85 DEC-10 DEC-14';

const CLIENT = 'https://chatgpt.com/oauth/codex/client.json';
const OLD = { 'mcp-protocol-version': '2024-11-05' };

export async function run({ door }) {
  const person = new Person();
  const probe = await fetch(door.endpoint, { headers: OLD });
  assert.equal(probe.status, 401, 'CC-2');
  const challenge = challengeOf(probe);
  const { resource, authorization_servers: [issuer] } = await search([challenge.resource_metadata], OLD);
  const wellKnown = `${issuer}/.well-known/oauth-authorization-server`;
  const server = await search([wellKnown], OLD);
  assert.ok(!('authorization_response_iss_parameter_supported' in server), 'CC-79');

  // Everybody else is told, whatever version they name (CC-27); caches keep the two apart (CC-28).
  for (const headers of [{}, { 'mcp-protocol-version': '2025-06-18' }, { 'mcp-protocol-version': 'next' }]) {
    const response = await fetch(wellKnown, { headers });
    assert.match(response.headers.get('vary'), /MCP-Protocol-Version/i);
    assert.equal((await response.json()).authorization_response_iss_parameter_supported, true);
  }

  // `iss` comes all the same; the client leaves it out of what it looks at.
  const redirectUri = `http://127.0.0.1:${await freePort()}/callback`;
  const twice = [resource, resource];
  const scope = `${challenge.scope} offline_access`;
  const granted = await login(person, {
    server, clientId: CLIENT, redirectUri, request: { resource: twice, scope }, redeem: { resource: twice },
  });
  assert.equal(granted.expires_in, 12 * 3600, 'CC-85');

  // Two different ones are one too many (DEC-10). That is said to the client, from our issuer.
  const refused = new URL(await person.approve(authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: CLIENT, redirect_uri: redirectUri, state: 's', ...pkce().parameters,
    resource: [resource, `${issuer}/mcp/other`],
  }))).searchParams;
  assert.deepEqual([refused.get('error'), refused.get('iss'), refused.get('state')], ['invalid_target', issuer, 's']);

  // Newer builds have an id in the path; where they register, it is theirs.
  const newer = `http://127.0.0.1:${await freePort()}/callback/8f14e45f`;
  const client = await register(server.registration_endpoint, {
    client_name: 'Codex', redirect_uris: [newer], ...USUAL, token_endpoint_auth_method: 'none',
  });
  await login(person, { server, clientId: client.client_id, redirectUri: newer, request: { resource, scope } });

  const session = await Session.begin(door.endpoint, granted.access_token, { version: '2024-11-05' });
  await live(door, granted, { server, caller: session, refresh: { client_id: CLIENT, resource: twice, scope } });
}

export const alone = {
  'CC-55 the page says how to reset it': async ({ door }) => {
    const steps = await resetSteps(door, 'http://127.0.0.1:51712/callback', 'codex_cli_rs/0.144.0');
    assert.match(steps, /codex mcp logout/);
  },
};
