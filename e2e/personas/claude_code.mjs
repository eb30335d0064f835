// P-claude-code: is known by its metadata document, listens on a random port of localhost, and runs in several
// processes that share one token file. All of its installations have one client id.
import assert from 'node:assert/strict';
import { freePort } from '../lib/door.mjs';
import { Session, unauthorized } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, ended, login, refreshOf, resetSteps } from '../lib/replay.mjs';
import { USUAL, refusal, register, revoke, tokens } from '../lib/wire.mjs';

export const name = 'P-claude-code';
export const shows = 'CC-21 CC-31 CC-41 CC-43 CC-64 CC-66 CC-68 CC-71 CC-80 CC-81 CC-83 CC-94 DEC-1 DEC-2 DEC-13';

const CLIENT = 'https://claude.ai/oauth/claude-code-client-metadata';
const HEADERS = { 'user-agent': 'claude-code/2.1.269 (cli)', 'mcp-protocol-version': '2025-11-25' };
const REFRESH = { client_id: CLIENT };

// From the URL to tokens, by its document unless another id is given. Some builds leave `resource` out.
async function connect(door, person, { resource = door.endpoint, clientId = CLIENT } = {}) {
  const { scope, server } = await discover(door.endpoint, HEADERS);
  assert.equal(server.client_id_metadata_document_supported, true);
  assert.equal(server.token_endpoint_auth_methods_supported[0], 'none', 'CC-21');
  const redirectUri = `http://localhost:${await freePort()}/callback`;
  const granted = await login(person, {
    server, redirectUri, clientId, headers: HEADERS,
    request: { scope: `${scope} offline_access`, resource }, redeem: { resource },
  });
  return { server, granted };
}

export async function run({ door, strict }) {
  const person = new Person();
  const { server, granted } = await connect(door, person);
  assert.match(person.pages.at(-1), /Anthropic/, 'the consent page says who publishes it');
  const session = await Session.begin(door.endpoint, granted.access_token, { headers: HEADERS });
  await session.call(granted.access_token);

  // Six processes find the token run out at the same moment. All get the same, and go on.
  const refresh = (from, at = server) => tokens(at.token_endpoint, refreshOf(from, REFRESH), HEADERS);
  const six = await Promise.all(Array.from({ length: 6 }, () => refresh(granted)));
  assert.equal(new Set(six.map((one) => `${one.refresh_token} ${one.access_token}`)).size, 1, 'CC-68');
  const [second] = six;
  assert.notEqual(second.refresh_token, granted.refresh_token);
  await session.call(second.access_token);
  // One of them slept and still has the first; it gets what the others have.
  assert.equal((await refresh(granted)).refresh_token, second.refresh_token, 'CC-64');

  // It revokes what it replaced. That ends nothing (CC-83), or of an access token just that one (CC-81).
  const logOut = ({ refresh_token: token }) =>
    revoke(server.revocation_endpoint, { token, token_type_hint: 'refresh_token', client_id: CLIENT }, HEADERS);
  await logOut(granted);
  await revoke(server.revocation_endpoint, { token: granted.access_token });
  await unauthorized(door.endpoint, granted.access_token);
  await session.call(second.access_token);

  await door.restart();
  await session.call(second.access_token);

  // Another login, of a build that names no resource. A click is needed, no password (DEC-13). Logging out of the
  // first does not touch it (CC-66).
  const pages = person.pages.length;
  const { granted: other } = await connect(door, person, { resource: null });
  assert.equal(person.pages.length, pages + 1);
  await logOut(second);
  await ended(door, second, { server, refresh: REFRESH });
  await (await Session.begin(door.endpoint, other.access_token, { headers: HEADERS })).call(other.access_token);

  // A process that slept for four days, which a door without overlap stands for: its replay ends its own grant
  // and no other of the same client and person.
  const { granted: slept, server: there } = await connect(strict, person);
  const { granted: awake } = await connect(strict, person);
  const head = await refresh(await refresh(slept, there), there);
  const replay = await refusal(there.token_endpoint, refreshOf(slept, REFRESH), HEADERS);
  assert.deepEqual([replay.status, replay.error], [400, 'invalid_grant']);
  await ended(strict, head, { server: there, refresh: REFRESH });
  await (await Session.begin(strict.endpoint, awake.access_token)).call(awake.access_token);
  await refresh(awake, there);

  // Where it may not be known by its document it registers, without ports, and listens at one all the same.
  const { client_id: clientId } = await register(server.registration_endpoint, {
    client_name: 'Claude Code', redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
    ...USUAL, token_endpoint_auth_method: 'none',
  }, HEADERS);
  await connect(door, person, { clientId });
}

export const alone = {
  'CC-55 the page says how to reset it': async ({ door }) => {
    const steps = await resetSteps(door, 'http://localhost:51712/callback', HEADERS['user-agent']);
    assert.match(steps, /\/mcp, .*Clear authentication/);
  },
};
