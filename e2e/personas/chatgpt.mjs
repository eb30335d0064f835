// P-chatgpt: takes the document of the root for its own, asks the MCP host for the server's metadata, sends
// `resource` as it found it, never asks for scopes when it registers. Its own document demands private_key_jwt; the
// vendor's key is not ours, so a client of the same shape is configured, whose key is (MA-165).
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { call } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { ended, live, login, refreshOf } from '../lib/replay.mjs';
import { pkce } from '../lib/token.mjs';
import {
  USUAL, authorizeUrl, claimsOf, codeOf, refusal, register, revoke, search, tokens,
} from '../lib/wire.mjs';

export const name = 'P-chatgpt';
export const shows = 'CC-6 CC-12 CC-20 CC-29 CC-40 CC-41 CC-42 CC-60 CC-69 DEC-6 DEC-11';

const HOST = 'https://chatgpt.com';
const REDIRECTS = [`${HOST}/connector/oauth/abc123`, `${HOST}/connector_platform_oauth_redirect`];
const HEADERS = { origin: HOST, 'user-agent': 'openai-mcp/1.0.0' };
const DOCUMENT = {
  client_id: 'https://chatgpt.example/oauth/abc123/client.json',
  client_name: 'ChatGPT',
  redirect_uris: REDIRECTS,
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'RS256',
  jwks_uri: 'https://chatgpt.example/oauth/jwks.json',
};
const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'key', alg: 'RS256' }] };

// What the door has to know beforehand.
export const knownClient = { name: 'ChatGPT with keys', publisher: 'OpenAI', documents: [DOCUMENT] };
export const files = { 'chatgpt-keys.json': JSON.stringify(keys) };
export const clients = `
  chatgpt-shaped:
    name: ChatGPT
    redirect_uris: ${JSON.stringify(REDIRECTS)}
    jwks_file: chatgpt-keys.json`;

async function assertionOf(clientId, { subject = clientId, audience }) {
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'RS256', kid: 'key' })
    .setIssuer(subject).setSubject(subject).setAudience(audience).setIssuedAt().setExpirationTime('5m')
    .sign(privateKey);
  const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  return { client_id: clientId, client_assertion_type: type, client_assertion: assertion };
}

async function discover(door) {
  const { resource } = await search([`${door.url}/.well-known/oauth-protected-resource`]);
  assert.equal(resource, door.url, 'CC-12');
  const server = await search([`${door.url}/.well-known/oauth-authorization-server/mcp/fixture`]);
  for (const path of ['openid-configuration', 'oauth-authorization-server']) {
    assert.deepEqual(await search([`${door.endpoint}/.well-known/${path}`]), server, 'CC-20');
  }
  assert.ok(server.token_endpoint_auth_methods_supported.includes('private_key_jwt'));
  assert.ok(server.token_endpoint_auth_signing_alg_values_supported.includes('RS256'));
  return { server, request: { resource, scope: server.scopes_supported.join(' ') } };
}

export async function run({ door }) {
  const person = new Person();
  const { server, request } = await discover(door);
  const caller = { call: (token) => call(door.endpoint, token, HEADERS) };

  // It registers, as a public client.
  const client = await register(server.registration_endpoint, {
    client_name: 'ChatGPT', redirect_uris: REDIRECTS, ...USUAL, token_endpoint_auth_method: 'none',
  });
  assert.equal(client.scope, server.scopes_supported.join(' '), 'CC-29: none asked for means the default');
  const clientId = client.client_id;
  const redeem = { resource: request.resource };
  const granted = await login(person, { server, clientId, redirectUri: REDIRECTS[0], request, redeem });
  await live(door, granted, { server, caller, refresh: { client_id: clientId, ...redeem } });

  for (const redirectUri of REDIRECTS) {
    const code = await codeFor(person, server, 'chatgpt-shaped', redirectUri, request);
    await withKey(door, server, code, caller);
  }

  // A metadata document that declares private_key_jwt always authenticates (DEC-6). Here it is one that the operator
  // has, because its host does not answer (CC-41). Its keys are there too, so for now nobody can be told apart, and
  // that is our fault and not the client's (CC-42).
  const code = await codeFor(person, server, DOCUMENT.client_id, REDIRECTS[0], request);
  assert.match(person.pages.at(-1), /OpenAI/);
  const without = await refusal(server.token_endpoint, { ...code, client_id: DOCUMENT.client_id });
  assert.deepEqual([without.status, without.error], [401, 'invalid_client']);
  const proof = await assertionOf(DOCUMENT.client_id, { audience: server.issuer });
  const later = await refusal(server.token_endpoint, { ...code, ...proof });
  assert.deepEqual([later.status, later.error], [503, 'temporarily_unavailable']);
  assert.ok(Number(later.response.headers.get('retry-after')) > 0);

  // A document that nobody has: only unverified, not unknown (CC-42). It does not matter whether the vendor's host
  // answers, because there is no such connector.
  const nobody = `${HOST}/no-such-connector.json`;
  const page = await person.request(authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: nobody, redirect_uri: REDIRECTS[0],
  }));
  assert.equal(page.status, 503);
  assert.ok(Number(page.headers.get('retry-after')) > 0);
  assert.match(page.headers.get('content-type'), /^text\/html/);
}

// From a client id to what the token endpoint wants besides its proof.
async function codeFor(person, server, clientId, redirectUri, request) {
  const { verifier, parameters } = pkce();
  const state = 'oauth_s_68b2';
  const callback = await person.approve(authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: clientId, redirect_uri: redirectUri, state, ...request, ...parameters,
  }));
  const code = codeOf(callback, { state, issuer: server.issuer });
  const { resource } = request;
  return { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier, resource };
}

// It authenticates by its key: with the issuer as the audience, exactly (DEC-6), and with each assertion once.
async function withKey(door, server, code, caller) {
  const proof = (claims) => assertionOf('chatgpt-shaped', { audience: server.issuer, ...claims });
  const refused = async (credentials) => {
    const { status, error } = await refusal(server.token_endpoint, { ...code, ...credentials });
    assert.deepEqual([status, error], [401, 'invalid_client']);
  };
  await refused({ client_id: 'chatgpt-shaped' });
  await refused(await proof({ audience: server.token_endpoint }));
  await refused(await proof({ audience: `${server.issuer}/` }));
  await refused(await proof({ subject: 'somebody' }));
  // None of that has used the code up (CC-60).
  const once = await proof();
  const granted = await tokens(server.token_endpoint, { ...code, ...once });
  assert.equal(claimsOf(granted.access_token).aud, door.endpoint, 'DEC-11: a token is for one server');
  await refused(once);
  await caller.call(granted.access_token);

  const refreshed = await tokens(server.token_endpoint, refreshOf(granted, await proof()));
  await door.restart();
  await caller.call(refreshed.access_token);
  await revoke(server.revocation_endpoint, { token: refreshed.refresh_token, ...(await proof()) });
  await ended(door, refreshed, { server, refresh: await proof() });
}
