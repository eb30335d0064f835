// From nothing to tokens: a client, a person who approves, the token endpoint. For tests in which the sign-in
// is not what is tested.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Person } from './person.mjs';

const CALLBACK = 'http://127.0.0.1:33418/callback';

// What the door says of itself.
export async function metadataOf(door) {
  const response = await fetch(`${door.url}/.well-known/oauth-authorization-server`);
  assert.equal(response.status, 200);
  return response.json();
}

// A verifier and what is sent of it (RFC 7636).
export function pkce() {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  return { verifier, parameters: { code_challenge: challenge, code_challenge_method: 'S256' } };
}

async function register(metadata, redirectUri) {
  const response = await fetch(metadata.registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'e2e sign-in',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none',
    }),
  });
  assert.equal(response.status, 201);
  return (await response.json()).client_id;
}

// Signs `username` in at a public client, which registers itself if none is given, for the fixture's
// endpoint. `client` is an id, or { id, redirectUri } if it has another callback.
export async function signIn(door, { username = 'ana', client, resource = door.endpoint, scope = 'mcp' } = {}) {
  const metadata = await metadataOf(door);
  const known = typeof client === 'string' ? { id: client } : client;
  const redirectUri = known?.redirectUri ?? CALLBACK;
  const clientId = known?.id ?? (await register(metadata, redirectUri));
  const { verifier, parameters } = pkce();
  const state = randomBytes(16).toString('base64url');
  const request = {
    response_type: 'code', client_id: clientId, redirect_uri: redirectUri, resource, scope, state, ...parameters,
  };
  const url = `${metadata.authorization_endpoint}?${new URLSearchParams(request)}`;
  const callback = new URL(await new Person(username).approve(url)).searchParams;
  assert.equal(callback.get('state'), state);
  assert.equal(callback.get('iss'), metadata.issuer);
  const response = await fetch(metadata.token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      code: callback.get('code'),
      redirect_uri: redirectUri,
      code_verifier: verifier,
      resource,
    }),
  });
  const tokens = await response.json();
  assert.equal(response.status, 200, JSON.stringify(tokens));
  return { ...tokens, client_id: clientId };
}
