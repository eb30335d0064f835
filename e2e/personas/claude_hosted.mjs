// P-claude-hosted: claude.ai from its servers. No User-Agent, `*/*`, HEAD first; registers on each connect; asks for
// every scope there is; goes to /authorize whatever the metadata says; does not refresh; never says goodbye.
import assert from 'node:assert/strict';
import http from 'node:http';
import { initialize } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { pkce } from '../lib/token.mjs';
import { USUAL, authorizeUrl, codeOf, form } from '../lib/wire.mjs';

export const name = 'P-claude-hosted';
export const shows =
  'CC-1 CC-7 CC-10 CC-17 CC-20 CC-23 CC-25 CC-34 CC-41 CC-49 CC-62 CC-69 CC-73 CC-84 CC-85 CC-90 CC-94 CC-95';

const CALLBACK = 'https://claude.ai/api/mcp/auth_callback';
const DOCUMENT = 'https://claude.ai/oauth/mcp-oauth-client-metadata';

// fetch cannot leave User-Agent out.
function bare(method, url, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers: { accept: '*/*', ...headers } }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part)).on('error', reject).on('end', () => {
        resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() });
      });
    });
    request.on('error', reject).end(body);
  });
}

async function json(status, ...request) {
  const response = await bare(...request);
  assert.equal(response.status, status, response.text);
  return JSON.parse(response.text);
}

const JSON_BODY = { 'content-type': 'application/json' };
const FORM_BODY = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', 'accept-encoding': 'identity' };

function post(door, message, headers) {
  return bare('POST', `${door.endpoint}/`, { headers: { ...JSON_BODY, ...headers }, body: JSON.stringify(message) });
}

// The documents, HEAD before GET, with and without a token. They are asked for on every connect.
async function discover(door, headers = {}) {
  for (const spelling of ['', '/', '//']) {
    assert.equal((await bare('HEAD', `${door.endpoint}${spelling}`)).status, 401, 'CC-1');
  }
  for (const path of ['/.well-known/oauth-protected-resource/mcp/fixture', '/.well-known/oauth-protected-resource']) {
    const head = await bare('HEAD', `${door.url}${path}`, { headers });
    assert.deepEqual([head.status, head.text], [200, '']);
    await json(200, 'GET', `${door.url}${path}`, { headers });
  }
  const servers = [];
  for (const path of ['oauth-authorization-server/mcp/fixture', 'oauth-authorization-server', 'openid-configuration']) {
    servers.push(await json(200, 'GET', `${door.url}/.well-known/${path}`, { headers }));
  }
  assert.deepEqual(servers[1], servers[0], 'CC-20');
  assert.deepEqual(servers[2], servers[0], 'CC-20');
  return servers[0];
}

async function connect(door, person, { clientId } = {}) {
  const server = await discover(door);
  const registration = () => json(201, 'POST', server.registration_endpoint, {
    headers: JSON_BODY,
    body: JSON.stringify({
      client_name: 'Claude', redirect_uris: [CALLBACK], ...USUAL, token_endpoint_auth_method: 'none',
      scope: server.scopes_supported.join(' '),
    }),
  });
  const id = clientId ?? (await registration()).client_id;
  const { verifier, parameters } = pkce();
  const scope = server.scopes_supported.join(' ');
  const resource = `${door.endpoint}/`;
  const state = 'C'.repeat(300);
  const callback = await person.approve(authorizeUrl(`${door.url}/authorize`, {
    response_type: 'code', client_id: id, redirect_uri: CALLBACK, state, scope, resource, ...parameters,
  }));
  assert.equal(person.last.status, 303, 'CC-49: the callback takes GET alone');
  assert.ok(callback.startsWith(CALLBACK));
  const granted = await json(200, 'POST', server.token_endpoint, {
    headers: FORM_BODY,
    body: String(form({
      grant_type: 'authorization_code', client_id: id, redirect_uri: CALLBACK, resource, code_verifier: verifier,
      code: codeOf(callback, { state, issuer: server.issuer }),
    })),
  });
  assert.equal(granted.expires_in, 12 * 3600, 'CC-85: it does not refresh');
  assert.equal(granted.scope, scope);
  return { server, id, granted };
}

async function call(door, token) {
  const authorization = `Bearer ${token}`;
  const begun = await post(door, initialize('2025-06-18'), { authorization });
  assert.equal(begun.status, 200, begun.text);
  const session = { authorization, 'mcp-session-id': begun.headers['mcp-session-id'] };
  await post(door, { jsonrpc: '2.0', method: 'notifications/initialized' }, session);
  const params = { name: 'echo_headers', arguments: {} };
  const again = () => post(door, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }, session);
  assert.match((await again()).text, /expected/);
  return again;
}

export async function run({ door }) {
  const person = new Person();
  const { server, id, granted } = await connect(door, person);
  const again = await call(door, granted.access_token);

  // With a valid token HEAD is never a refusal (CC-95), and documents are what they were (CC-17).
  const authorization = `Bearer ${granted.access_token}`;
  const head = await bare('HEAD', door.endpoint, { headers: { authorization } });
  assert.ok(![401, 403].includes(head.status) && head.text === '', `${head.status}`);
  await discover(door, { authorization });

  await door.restart();
  assert.match((await again()).text, /expected/, 'the session goes on');

  // The next connect registers once more, and is the same client (CC-34).
  const second = await connect(door, person);
  assert.equal(second.id, id);
  await call(door, second.granted.access_token);

  // It says that it can refresh, and when it does, it works.
  const refreshed = await json(200, 'POST', server.token_endpoint, {
    headers: FORM_BODY,
    body: String(form({ grant_type: 'refresh_token', client_id: id, refresh_token: second.granted.refresh_token })),
  });
  await call(door, refreshed.access_token);

  // Its document, which its own servers may refuse us (CC-41).
  const byDocument = await connect(door, person, { clientId: DOCUMENT });
  assert.match(person.pages.at(-1), /Anthropic/);
  await call(door, byDocument.granted.access_token);

  // It never revokes; the person does, on the page of apps, one grant after the other (CC-84).
  const rest = [granted, refreshed, byDocument.granted];
  for (const _ of rest) await person.endApp(door.url, 'Claude');
  for (const { access_token: token } of rest) {
    const refused = await post(door, initialize('2025-06-18'), { authorization: `Bearer ${token}` });
    assert.equal(refused.status, 401);
    assert.match(refused.headers['www-authenticate'], /error="invalid_token"/);
  }
}
