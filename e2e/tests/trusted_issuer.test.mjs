// A server that takes the access tokens of an existing OpenID issuer: oidc-provider, with its discovery, its keys, and
// what becomes of them (MA-54, OS-121, OS-123).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import Provider from 'oidc-provider';
import { Door, freePort } from '../lib/door.mjs';
import { call, unauthorized } from '../lib/mcp.mjs';
import { link, unavailable } from '../lib/trusted.mjs';
import { until } from '../lib/until.mjs';

const SECRET = 'the-secret-of-the-agent-at-the-other-issuer';

async function newKey(kid) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
}

// The issuer, as its operator sets it up: one client, one resource with a scope.
class Issuer {
  constructor(port) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  // With these keys; the first signs.
  async start(keys, resource) {
    const provider = new Provider(this.url, {
      jwks: { keys },
      clients: [{
        client_id: 'agent', client_secret: SECRET, grant_types: ['client_credentials'], redirect_uris: [],
        response_types: [],
      }],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({
            scope: 'tools', accessTokenFormat: 'jwt', accessTokenTTL: 3600, jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
    });
    this.resource = resource;
    this.server = provider.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  async stop() {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  async token(resource = this.resource) {
    const response = await fetch(`${this.url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`agent:${SECRET}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope: 'tools' }),
    });
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body.access_token;
  }
}

let issuer;
let first;
let door;
before(async () => {
  issuer = new Issuer(await freePort());
  first = await newKey('first');
  door = await Door.open({
    config: `
trusted_issuers:
  corp:
    issuer: ${issuer.url}
    algorithms: [RS256]
    claims: { scopes: scope }
    mcp_scope: tools
`,
    servers: (upstream) => `
  fixture:
    upstream: ${upstream}
    auth: both
    issuer: corp
    allow: [{ groups: [developers], tools: all, clients: ["issuer:corp:agent"] }]
    credential: { headers: { Authorization: "Bearer \${file:credential}" } }
`,
  });
  await issuer.start([first], door.endpoint);
});
after(async () => {
  await issuer.stop();
  await door.close();
});

test('an agent with a token of the issuer acts as the account that it is linked to', async () => {
  const token = await issuer.token();
  await link(door, token, { issuer: 'corp', account: 'ana' });
  const seen = await call(door.endpoint, token);
  assert.deepEqual(seen['x-mcp-issuer'], [issuer.url]);
  assert.deepEqual(seen['x-mcp-client'], ['issuer:corp:agent']);
});

test('a token for another resource of the issuer is worth nothing', async () => {
  const response = await unauthorized(door.endpoint, await issuer.token('https://elsewhere.example/api'));
  assert.match(response.headers.get('www-authenticate'), /another server/);
});

test('keys rotate, and an outage of the issuer turns no good token away', async () => {
  const early = await issuer.token();
  const second = await newKey('second');
  await issuer.stop();
  await issuer.start([second, first], door.endpoint);
  // A connection that was kept ended with the issuer before.
  const late = await until('the issuer is back', () => issuer.token().catch(() => undefined));
  const unseen = await issuer.token();
  // The door asks at most once in ten seconds.
  const accepted = await until('the new key is known', () => call(door.endpoint, late).catch(() => undefined));
  assert.ok(accepted);
  await issuer.stop();
  await call(door.endpoint, unseen);
  await call(door.endpoint, early);
  const { privateKey } = await generateKeyPair('RS256');
  const unknown = await new SignJWT({ client_id: 'agent', scope: 'tools' })
    .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'third' })
    .setIssuer(issuer.url).setSubject('agent').setAudience(door.endpoint).setIssuedAt().setExpirationTime('1h')
    .sign(privateKey);
  await unavailable(door, unknown);
  await issuer.start([second], door.endpoint);
  await call(door.endpoint, late);
});
