// OAuth over the wire, one function per request, for clients that are replayed. Each demands of the answer what
// every client may expect; what one client alone is particular about, its persona demands.
import assert from 'node:assert/strict';

// Reads a JSON answer. Nothing in it is null or empty: some clients refuse the whole of it then (CC-22, CC-31, CC-61).
async function json(response, status) {
  const text = await response.text();
  assert.equal(response.status, status, `${response.url}: ${text}`);
  assert.match(response.headers.get('content-type'), /^application\/json\b/, response.url);
  const body = JSON.parse(text);
  for (const [name, value] of Object.entries(body)) {
    assert.ok(value !== null && value !== '', `${response.url}: ${name} is ${JSON.stringify(value)}`);
  }
  return body;
}

// Looks for a document at several addresses, in the client's order. What is not there is 404 in JSON, and nothing
// else than that lets a client go on looking (CC-10, CC-20).
export async function search(addresses, headers = {}) {
  for (const address of addresses) {
    const response = await fetch(address, { headers, redirect: 'manual' });
    if (response.status === 200) return json(response, 200);
    await json(response, 404);
  }
  throw new Error(`not at any of ${addresses.join(' ')}`);
}

// The challenge of a 401 (or 403), as members. Its grammar is the one that every known parser can read (CC-3).
export function challengeOf(response) {
  const header = response.headers.get('www-authenticate');
  assert.match(header, /^Bearer [a-z_]+="[^",\\]*"(, [a-z_]+="[^",\\]*")*$/);
  const members = [...header.matchAll(/([a-z_]+)="([^"]*)"/g)];
  const challenge = Object.fromEntries(members.map(([, name, value]) => [name, value]));
  const order = ['resource_metadata', 'scope', 'error', 'error_description'];
  assert.deepEqual(Object.keys(challenge), order.filter((name) => name in challenge));
  assert.equal(new URL(challenge.resource_metadata).origin, new URL(response.url).origin, 'CC-14');
  return challenge;
}

// What nearly every registration says.
export const USUAL = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };

// Registers (RFC 7591), and gives what was answered.
export async function register(endpoint, body, headers = {}) {
  const response = await fetch(endpoint, {
    method: 'POST',
    redirect: 'error',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const client = await json(response, 201);
  assert.match(client.client_id, /^[A-Za-z0-9_-]+$/, 'CC-31');
  assert.equal(typeof client.client_id_issued_at, 'number');
  for (const name of ['redirect_uris', 'grant_types', 'response_types', 'token_endpoint_auth_method', 'scope']) {
    assert.ok(name in client, `CC-31: ${name}`);
  }
  const shared = client.token_endpoint_auth_method.startsWith('client_secret_');
  assert.equal('client_secret' in client, shared, 'CC-32');
  assert.equal(client.client_secret_expires_at, shared ? 0 : undefined, 'CC-31');
  return client;
}

// An authorization request; a list is sent as several parameters, undefined and null not at all.
export function authorizeUrl(endpoint, parameters) {
  const url = new URL(endpoint);
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) if (one != null) url.searchParams.append(name, one);
  }
  return url.href;
}

// What came back to the client: state untouched, from our issuer, and a code (CC-53, CC-79).
export function codeOf(callback, { state, issuer }) {
  const answer = new URL(callback).searchParams;
  assert.equal(answer.get('error'), null, callback);
  assert.equal(answer.get('state'), state ?? null);
  assert.equal(answer.get('iss'), issuer);
  return answer.get('code');
}

export function form(parameters) {
  return new URLSearchParams(
    Object.entries(parameters).flatMap(([name, value]) =>
      [value].flat().filter((one) => one != null).map((one) => [name, one])),
  );
}

function post(endpoint, parameters, headers) {
  return fetch(endpoint, { method: 'POST', redirect: 'error', headers, body: form(parameters) });
}

// Tokens, with everything that CC-61 promises.
export async function tokens(endpoint, parameters, headers = {}) {
  const response = await post(endpoint, parameters, headers);
  const answer = await json(response, 200);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  assert.equal(answer.token_type, 'Bearer');
  assert.ok(Number.isInteger(answer.expires_in));
  assert.equal(typeof answer.scope, 'string');
  return answer;
}

// A refusal: its status and its words.
export async function refusal(endpoint, parameters, headers = {}) {
  const response = await post(endpoint, parameters, headers);
  const { error, error_description: description } = await json(response, response.status);
  return { status: response.status, error, description, response };
}

// RFC 7009: 200 without a word, whatever the token was (CC-80).
export async function revoke(endpoint, parameters, headers = {}) {
  const response = await post(endpoint, parameters, headers);
  assert.equal(response.status, 200);
  assert.equal(await response.text(), '');
}

// Credentials as RFC 6749 wants them, and as some send them.
export const basic = {
  encoded: (id, secret) => basic.raw(encodeURIComponent(id), encodeURIComponent(secret)),
  raw: (id, secret) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }),
};

// What an access token says (RFC 9068). A client must not read it; a test may.
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
