// P-inspector: the MCP Inspector in a browser, connecting by itself: every request is subject to the browser's rules
// for pages of another origin (TP-22). Its command line is in tests/inspector.test.mjs.
import assert from 'node:assert/strict';
import { initialize } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { resetSteps } from '../lib/replay.mjs';
import { metadataOf, pkce } from '../lib/token.mjs';
import { USUAL, authorizeUrl, challengeOf, codeOf, form } from '../lib/wire.mjs';

export const name = 'P-inspector';
export const shows = 'CC-6 CC-16 CC-28 CC-30 CC-87';

const ORIGIN = 'http://localhost:6274';
const CALLBACK = `${ORIGIN}/oauth/callback`;
const VERSION = { 'mcp-protocol-version': '2025-11-25' };
// What every page may send and read without being allowed to (Fetch standard).
const SIMPLE_HEADERS = ['accept', 'accept-language', 'content-language', 'content-type'];
const SIMPLE_TYPES = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];
const READABLE = [
  'cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'last-modified', 'pragma',
];

const list = (text) => (text ?? '').split(',').map((one) => one.trim().toLowerCase()).filter(Boolean);

// A request as a page makes it: asks first where it has to, and reads only what it may.
async function fromPage(url, { method = 'GET', headers = {}, body } = {}) {
  const needed = Object.keys(headers).filter((header) =>
    !SIMPLE_HEADERS.includes(header) || (header === 'content-type' && !SIMPLE_TYPES.includes(headers[header])));
  if (needed.length || !['GET', 'HEAD', 'POST'].includes(method)) {
    const preflight = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': method,
        'access-control-request-headers': needed.join(','),
      },
    });
    assert.ok(preflight.ok, `preflight of ${url}: ${preflight.status}`);
    allowed(preflight, url);
    assert.ok(Number(preflight.headers.get('access-control-max-age')) > 0, 'cacheable');
    const methods = list(preflight.headers.get('access-control-allow-methods'));
    assert.ok(methods.includes(method.toLowerCase()), `${url}: ${method} is not among ${methods}`);
    const accepted = list(preflight.headers.get('access-control-allow-headers'));
    for (const header of needed) assert.ok(accepted.includes(header), `${url}: ${header} is not among ${accepted}`);
  }
  const response = await fetch(url, { method, redirect: 'manual', headers: { ...headers, origin: ORIGIN }, body });
  allowed(response, url);
  const exposed = list(response.headers.get('access-control-expose-headers'));
  const readable = [...response.headers].filter(([header]) => READABLE.includes(header) || exposed.includes(header));
  const text = await response.text();
  const { status, ok } = response;
  return { url, status, ok, headers: new Headers(readable), text, json: () => JSON.parse(text) };
}

function allowed(response, url) {
  assert.equal(response.headers.get('access-control-allow-origin'), '*', url);
  assert.equal(response.headers.get('access-control-allow-credentials'), null, url);
}

const JSON_BODY = { 'content-type': 'application/json' };
const FORM_BODY = { 'content-type': 'application/x-www-form-urlencoded' };

function send(endpoint, token, message, more) {
  const headers = { ...JSON_BODY, accept: 'application/json, text/event-stream', ...more };
  if (token) headers.authorization = `Bearer ${token}`;
  return fromPage(endpoint, { method: 'POST', headers, body: JSON.stringify(message) });
}

const sendForm = (endpoint, parameters) =>
  fromPage(endpoint, { method: 'POST', headers: FORM_BODY, body: String(form(parameters)) });
const sendJson = (endpoint, body) =>
  fromPage(endpoint, { method: 'POST', headers: JSON_BODY, body: JSON.stringify(body) });

export async function run({ door }) {
  const person = new Person();
  const refused = await send(door.endpoint, undefined, initialize('2025-11-25'));
  assert.equal(refused.status, 401);
  const challenge = challengeOf(refused);
  const document = await fromPage(challenge.resource_metadata, { headers: VERSION });
  assert.match(document.headers.get('cache-control'), /max-age=300/, 'CC-16');
  const { resource, authorization_servers: [issuer] } = document.json();
  const metadata = await fromPage(`${issuer}/.well-known/oauth-authorization-server`, { headers: VERSION });
  assert.match(metadata.headers.get('cache-control'), /max-age=300/, 'CC-28');
  const server = metadata.json();
  const nowhere = `${issuer}/.well-known/openid-configuration/nowhere`;
  assert.equal((await fromPage(nowhere, { headers: VERSION })).status, 404);
  assert.equal((await fromPage(server.jwks_uri)).status, 200);

  // Registers, with an empty scope; errors can be read too.
  const bad = await sendJson(server.registration_endpoint, { redirect_uris: [] });
  assert.equal(bad.status, 400);
  assert.match(bad.json().error, /^invalid_/);
  const get = await fetch(server.registration_endpoint);
  assert.equal(get.status, 405, 'CC-30');
  assert.equal(typeof (await get.json()).error, 'string');
  const registered = await sendJson(server.registration_endpoint, {
    client_name: 'MCP Inspector', redirect_uris: [CALLBACK], ...USUAL, token_endpoint_auth_method: 'none', scope: '',
    client_uri: 'https://github.com/modelcontextprotocol/inspector',
  });
  assert.equal(registered.status, 201);
  const { client_id: clientId } = registered.json();

  // Where people are, no page of another origin may read.
  const { verifier, parameters } = pkce();
  const url = authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: clientId, redirect_uri: CALLBACK, state: 's', scope: challenge.scope, resource,
    ...parameters,
  });
  const page = await fetch(url, { headers: { origin: ORIGIN } });
  assert.equal(page.headers.get('access-control-allow-origin'), null);
  const code = codeOf(await person.approve(url), { state: 's', issuer });
  const token = (parameters) => sendForm(server.token_endpoint, { client_id: clientId, ...parameters });
  const granted = (await token({
    grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier, resource,
  })).json();

  const begun = await send(door.endpoint, granted.access_token, initialize('2025-11-25'));
  const session = { ...VERSION, 'mcp-session-id': begun.headers.get('mcp-session-id') };
  assert.ok(session['mcp-session-id'], 'readable');
  await send(door.endpoint, granted.access_token, { jsonrpc: '2.0', method: 'notifications/initialized' }, session);
  const call = async (bearer) => {
    const params = { name: 'echo_headers', arguments: {} };
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params };
    assert.match((await send(door.endpoint, bearer, message, session)).text, /expected/);
  };
  await call(granted.access_token);

  const refresh = (from) => token({ grant_type: 'refresh_token', refresh_token: from, resource });
  const refreshed = (await refresh(granted.refresh_token)).json();
  await door.restart();
  await call(refreshed.access_token);
  const ended = await fromPage(door.endpoint, {
    method: 'DELETE', headers: { authorization: `Bearer ${refreshed.access_token}`, ...session },
  });
  assert.ok(ended.ok, `${ended.status}`);

  const goodbye = { token: refreshed.refresh_token, client_id: clientId };
  assert.equal((await sendForm(server.revocation_endpoint, goodbye)).status, 200);
  const gone = await refresh(refreshed.refresh_token);
  assert.deepEqual([gone.status, gone.json().error], [400, 'invalid_grant']);
  assert.equal((await send(door.endpoint, refreshed.access_token, initialize('2025-11-25'))).status, 401);
}

export const alone = {
  'CC-55 the page says how to reset it': async ({ door }) => {
    assert.match(await resetSteps(door, CALLBACK), /Clear OAuth State/);
  },
  'CC-87 every header of the rule may be sent everywhere': async ({ door }) => {
    const { issuer, ...server } = await metadataOf(door);
    const names = ['authorization', 'accept', 'mcp-protocol-version', 'mcp-session-id', 'mcp-method', 'mcp-name',
      'last-event-id', 'mcp-param-region'];
    const headers = { ...JSON_BODY, ...Object.fromEntries(names.map((header) => [header, 'x'])) };
    for (const address of ['/.well-known/oauth-protected-resource', '/.well-known/oauth-authorization-server']) {
      await fromPage(`${issuer}${address}`, { headers });
    }
    await fromPage(server.jwks_uri, { headers });
    const { registration_endpoint: register, token_endpoint: token, revocation_endpoint: revoke } = server;
    for (const address of [door.endpoint, register, token, revoke]) {
      await fromPage(address, { method: 'POST', headers, body: '{}' });
    }
  },
};
