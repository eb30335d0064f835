// P-mcp-remote: probes with GET, registers with its software's name, asks for `openid email profile` when it found no
// scopes, and gives a person thirty seconds. The program itself is in tests/mcp_remote.test.mjs.
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { live, login, resetSteps } from '../lib/replay.mjs';
import { USUAL, challengeOf, register, search } from '../lib/wire.mjs';

export const name = 'P-mcp-remote';
export const shows = 'CC-1 CC-2 CC-29 CC-34 CC-43 CC-67 CC-71 CC-72';

export async function run({ door }) {
  const person = new Person();
  // 200 would mean that no sign-in is needed.
  const accept = 'application/json, text/event-stream';
  const probe = await fetch(door.endpoint, { headers: { accept }, redirect: 'manual' });
  assert.equal(probe.status, 401);
  const { resource, authorization_servers: [issuer] } = await search([challengeOf(probe).resource_metadata]);
  const server = await search([`${issuer}/.well-known/oauth-authorization-server`]);
  const registered = async () => {
    const redirectUri = `http://localhost:${await freePort()}/oauth/callback`;
    const client = await register(server.registration_endpoint, {
      client_name: 'MCP CLI Proxy', redirect_uris: [redirectUri], ...USUAL, token_endpoint_auth_method: 'none',
      client_uri: 'https://github.com/punkpeye/mcp-remote',
      software_id: '2e6dc280-f3c3-4e01-99a7-8181dbd1d23d', software_version: '0.15.1', scope: 'openid email profile',
    });
    return { redirectUri, clientId: client.client_id };
  };
  const { clientId, redirectUri } = await registered();
  // Its usual port was busy: another one, the same client.
  assert.equal((await registered()).clientId, clientId, 'CC-34');

  // Whoever names a server wants to use it, whatever scopes it thought of (CC-72).
  const started = performance.now();
  const request = { resource, scope: 'openid email profile' };
  const granted = await login(person, { server, clientId, redirectUri, request, redeem: { resource } });
  assert.ok(granted.scope.split(' ').includes('mcp'), granted.scope);
  assert.ok(performance.now() - started < 30_000);
  // `--skip-resource`: no resource at all (CC-71).
  await login(person, { server, clientId, redirectUri, request: { scope: 'mcp' } });

  const session = await Session.begin(door.endpoint, granted.access_token);
  await live(door, granted, { server, caller: session, refresh: { client_id: clientId, resource } });
}

export const alone = {
  'CC-55 the page says how to reset it': async ({ door }) => {
    // Its port comes from the server's URL.
    for (const port of [3335, 24_096]) {
      assert.match(await resetSteps(door, `http://localhost:${port}/oauth/callback`), /~\/\.mcp-auth/, `${port}`);
    }
  },
};
