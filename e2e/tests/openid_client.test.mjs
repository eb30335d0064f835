// A confidential web application built on openid-client 6 signs people in here (oauth-server sections 3, 5.1,
// 5.2, 9 to 11).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { Door, PASSWORD } from '../lib/door.mjs';
import { Person } from '../lib/person.mjs';
import { RelyingParty } from '../lib/relying_party.mjs';

const CALLBACK = 'https://portal.example.com/callback';

let door;
let portal;
before(async () => {
  door = await Door.open({
    servers: (upstream) => `
  fixture:
    upstream: ${upstream}
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: "Bearer \${file:credential}" } }
    introspection_clients: [portal]
`,
  });
  await door.cliWith(
    PASSWORD, 'user', 'add', 'zoe', '--name', 'Zoe Ng', '--email', 'zoe@example.com', '--group', 'developers',
    '--password-stdin',
  );
  portal = await webApplication('portal');
});
after(() => door.close());

async function webApplication(id, authentication = oidc.ClientSecretBasic) {
  const added = await door.json(
    'client', 'add', '--name', `The ${id}`, '--confidential', '--id', id, '--redirect-uri', CALLBACK,
  );
  assert.equal(added.client_id, id);
  const given = { id, redirectUri: CALLBACK, authentication: authentication(added.client_secret) };
  return RelyingParty.discover(door, given);
}

const refused = (error, status) => (thrown) => {
  assert.equal(thrown.error, error, thrown.stack);
  if (status) assert.equal(thrown.status, status);
  return true;
};

test('the provider that is discovered says what this application needs', () => {
  const server = portal.config.serverMetadata();
  assert.equal(server.issuer, door.url);
  assert.ok(server.supportsPKCE('S256'));
  assert.equal(server.authorization_response_iss_parameter_supported, true);
  for (const [name, value] of Object.entries(server)) {
    if (/_endpoint$|^jwks_uri$/.test(name)) assert.equal(new URL(value).origin, door.url, name);
  }
});

// DEC-4, OS-119, OS-120.
test('an ID token and userinfo say who signed in, with the claims of every scope', async () => {
  const tokens = await portal.signIn(new Person('zoe'));
  const claims = tokens.claims();
  assert.equal(claims.iss, door.url);
  assert.equal(claims.aud, 'portal');
  assert.ok(claims.exp > claims.iat && claims.auth_time <= claims.iat);
  const person = {
    name: 'Zoe Ng', preferred_username: 'zoe', email: 'zoe@example.com', email_verified: false, groups: ['developers'],
  };
  for (const [name, value] of Object.entries(person)) assert.deepEqual(claims[name], value, name);
  assert.deepEqual(await portal.userInfo(tokens), { sub: claims.sub, ...person });
  assert.equal(tokens.scope, 'openid profile email groups');

  // What openid-client does not look at: the kind of token, and that both tokens belong together.
  const keys = createRemoteJWKSet(new URL(portal.config.serverMetadata().jwks_uri));
  const rules = { issuer: door.url, audience: 'portal', typ: 'JWT', algorithms: ['RS256'] };
  await jwtVerify(tokens.id_token, keys, rules);
  const half = createHash('sha256').update(tokens.access_token).digest().subarray(0, 16);
  assert.equal(claims.at_hash, half.toString('base64url'));
  const access = { issuer: door.url, typ: 'at+jwt', algorithms: ['ES256'] };
  const { payload } = await jwtVerify(tokens.access_token, keys, access);
  assert.equal(payload.sub, claims.sub);
});

// OS-117.
test('without further scopes nothing is told but who it is', async () => {
  const tokens = await portal.signIn(new Person('zoe'), { scope: 'openid' });
  const { sub, sid, ...claims } = tokens.claims();
  assert.match(sid, /./);
  assert.deepEqual(
    Object.keys(claims).sort(),
    ['amr', 'at_hash', 'aud', 'auth_time', 'exp', 'iat', 'iss', 'nonce'],
  );
  assert.deepEqual(await portal.userInfo(tokens), { sub });
});

test('a refresh brings new tokens for the same person and the same sign-in', async () => {
  const first = await portal.signIn(new Person());
  const second = await portal.refresh(first);
  assert.notEqual(second.access_token, first.access_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  for (const claim of ['iss', 'sub', 'aud', 'auth_time', 'sid', 'acr', 'amr']) {
    assert.deepEqual(second.claims()[claim], first.claims()[claim], claim);
  }
  assert.equal((await portal.userInfo(second)).preferred_username, 'ana');
  const narrower = await portal.refresh(second, { scope: 'openid groups' });
  assert.equal(narrower.scope, 'openid groups');
  assert.deepEqual(await portal.userInfo(narrower), { sub: first.claims().sub, groups: ['developers'] });
});

// OS-113 to OS-115.
test('the server that a token is for may introspect it, and it learns nothing else', async () => {
  const forServer = { scope: 'openid mcp', resource: door.endpoint };
  const tokens = await portal.signIn(new Person(), forServer);
  const { sub } = tokens.claims();
  const { exp, iat, jti, auth_time: at, ...told } = await oidc.tokenIntrospection(portal.config, tokens.access_token);
  assert.ok(exp > iat && jti && at <= iat);
  assert.deepEqual(told, {
    active: true, amr: ['pwd'], aud: door.endpoint, client_id: 'portal', iss: door.url, scope: 'openid mcp', sub,
    token_type: 'Bearer', username: 'ana',
  });
  await assert.rejects(portal.userInfo(tokens), { status: 401 }, 'OS-118: a token for a server is for that server');

  const other = await portal.signIn(new Person());
  for (const token of [other.access_token, tokens.refresh_token, 'no token at all']) {
    assert.deepEqual(await oidc.tokenIntrospection(portal.config, token), { active: false });
  }
  await oidc.tokenRevocation(portal.config, tokens.access_token);
  assert.deepEqual(await oidc.tokenIntrospection(portal.config, tokens.access_token), { active: false });

  const wiki = await webApplication('wiki', oidc.ClientSecretPost);
  await assert.rejects(
    oidc.tokenIntrospection(wiki.config, tokens.access_token),
    refused('unauthorized_client', 403),
  );
});

test('a revoked access token ends alone, a revoked refresh token ends everything', async () => {
  const first = await portal.signIn(new Person());
  await oidc.tokenRevocation(portal.config, first.access_token, { token_type_hint: 'access_token' });
  await assert.rejects(portal.userInfo(first), { status: 401 });
  const second = await portal.refresh(first);
  await portal.userInfo(second);
  await oidc.tokenRevocation(portal.config, second.refresh_token);
  await assert.rejects(portal.userInfo(second), { status: 401 });
  await assert.rejects(portal.refresh(second), refused('invalid_grant', 400));
  await oidc.tokenRevocation(portal.config, second.refresh_token);
});

test('a wrong secret is refused, and a person who declines is not signed in', async () => {
  const stranger = await RelyingParty.discover(door, {
    id: 'portal', redirectUri: CALLBACK, authentication: oidc.ClientSecretBasic('not-the-secret-of-the-portal'),
  });
  // openid-client stops at the challenge; what the body says is read here.
  const thrown = await stranger.signIn(new Person()).then(() => assert.fail('let in'), (error) => error);
  assert.equal(thrown.status, 401, thrown.stack);
  assert.match(thrown.response.headers.get('www-authenticate'), /^Basic/);
  assert.equal((await thrown.response.json()).error, 'invalid_client');
  const declined = portal.signIn(new Person(), { prompt: 'consent' }, { decision: 'deny' });
  await assert.rejects(declined, refused('access_denied'));
});
