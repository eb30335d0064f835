// What all replayed clients do alike, given what each does in its own way.
import assert from 'node:assert/strict';
import { unauthorized } from './mcp.mjs';
import { pkce } from './token.mjs';
import { authorizeUrl, challengeOf, codeOf, refusal, revoke, search, tokens } from './wire.mjs';

// The way that most take from the URL: the challenge, the document that it names, the server's own document.
export async function discover(endpoint, headers) {
  const challenge = challengeOf(await unauthorized(endpoint, undefined, headers));
  const { authorization_servers: [issuer], ...document } = await search([challenge.resource_metadata], headers);
  const server = await search([`${issuer}/.well-known/oauth-authorization-server`], headers);
  return { challenge, document, issuer, server, scope: challenge.scope, resource: document.resource };
}

// From a client id to tokens. `request` goes to the authorization endpoint, `redeem` and `headers` to the token
// endpoint; what is undefined or null is left out.
export async function login(person, { server, clientId, redirectUri, state = 'state', request, redeem, headers }) {
  const { verifier, parameters } = pkce();
  const callback = await person.approve(authorizeUrl(server.authorization_endpoint, {
    response_type: 'code', client_id: clientId, redirect_uri: redirectUri, state, ...parameters, ...request,
  }));
  assert.equal(callback.split('?')[0], redirectUri);
  return tokens(server.token_endpoint, {
    grant_type: 'authorization_code', client_id: clientId, redirect_uri: redirectUri, code_verifier: verifier,
    code: codeOf(callback, { state, issuer: server.issuer }), ...redeem,
  }, headers);
}

// What follows: tool calls, a refresh, the restart of the door, logging out. `caller` is whatever calls the tool with
// a token; `refresh` and `headers` are what the client sends besides its refresh token.
export async function live(door, granted, { server, caller, refresh, headers }) {
  await caller.call(granted.access_token);
  const refreshed = await tokens(server.token_endpoint, refreshOf(granted, refresh), headers);
  assert.notEqual(refreshed.refresh_token, granted.refresh_token, 'rotated');
  assert.notEqual(refreshed.access_token, granted.access_token);
  await caller.call(refreshed.access_token);
  await door.restart();
  await caller.call(refreshed.access_token);
  const { client_id: clientId, client_secret: clientSecret } = refresh;
  const token = refreshed.refresh_token;
  await revoke(server.revocation_endpoint, { token, client_id: clientId, client_secret: clientSecret }, headers);
  await ended(door, refreshed, { server, refresh, headers });
}

// After logging out nothing counts any more, and the client is told so in the words that it acts on.
export async function ended(door, granted, { server, refresh, headers }) {
  assert.equal(challengeOf(await unauthorized(door.endpoint, granted.access_token)).error, 'invalid_token', 'CC-4');
  const { status, error } = await refusal(server.token_endpoint, refreshOf(granted, refresh), headers);
  assert.deepEqual([status, error], [400, 'invalid_grant']);
}

export function refreshOf({ refresh_token: token }, more) {
  return { grant_type: 'refresh_token', refresh_token: token, ...more };
}

// What a person is told to do whose client the door does not know (any more). It must help with that very client
// (CC-55).
export async function resetSteps(door, redirectUri, userAgent = 'Mozilla/5.0 (X11; Linux x86_64)') {
  const request = { response_type: 'code', client_id: 'pub-forgotten', redirect_uri: redirectUri };
  const url = authorizeUrl(`${door.url}/authorize`, request);
  const response = await fetch(url, { headers: { accept: 'text/html', 'user-agent': userAgent } });
  assert.equal(response.status, 400, 'CC-54');
  const [steps] = (await response.text()).match(/<ul class="steps">[^]*?<\/ul>/);
  return steps.replaceAll('&#34;', '"').replaceAll('&#39;', "'");
}
