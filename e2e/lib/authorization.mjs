// Authorization requests made by hand, for tests that look at pages and answers instead of clients.
import { createHash } from 'node:crypto';

export const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
export const LOOPBACK = 'http://127.0.0.1:43117/callback';

export async function register(door, metadata = {}) {
  const response = await fetch(`${door.url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Hand-made client',
      redirect_uris: [LOOPBACK],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      ...metadata,
    }),
  });
  return response.json();
}

export function authorizeUrl(door, client, params = {}) {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: client.redirect_uris[0],
    state: 'state-of-the-client',
    scope: 'mcp offline_access',
    resource: door.endpoint,
    code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    code_challenge_method: 'S256',
  });
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined) query.delete(name);
    else query.set(name, value);
  }
  return `${door.url}/authorize?${query}`;
}

export async function redeem(door, client, callback) {
  const code = new URL(callback).searchParams.get('code');
  return fetch(`${door.url}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: client.client_id,
      redirect_uri: client.redirect_uris[0],
      code_verifier: VERIFIER,
      code,
    }),
  });
}
