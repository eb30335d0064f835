// A company's OpenID provider: oidc-provider, with a form that believes every name, and a page to agree on.
import { once } from 'node:events';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';
import { freePort } from './door.mjs';

export const SECRET = 'the-secret-of-the-door-at-the-provider';

// People there, by what they type. The groups are changed by tests.
export const people = {
  ana: { name: 'Ana Lee', email: 'ana@example.com', email_verified: true, preferred_username: 'ana', groups: ['dev'] },
};

const account = (id) => {
  const name = id.split('@')[0];
  return people[name] && { accountId: name, claims: () => ({ sub: name, ...people[name] }) };
};

export class OpenIdProvider {
  static async at(port) {
    const provider = new OpenIdProvider();
    provider.port = port ?? await freePort();
    provider.url = `http://127.0.0.1:${provider.port}`;
    return provider;
  }

  // For these doors.
  async start(doors) {
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    const key = { ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' };
    const provider = new Provider(this.url, {
      jwks: { keys: [key] },
      clients: [{
        client_id: 'door', client_secret: SECRET, redirect_uris: doors.map((door) => `${door.url}/sign-in/callback/corp`),
        backchannel_logout_uri: `${doors[0].url}/backchannel-logout/corp`, backchannel_logout_session_required: true,
      }],
      claims: {
        openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'], groups: ['groups'],
      },
      scopes: ['openid', 'profile', 'email', 'groups'],
      findAccount: (_, id) => account(id),
      // Its own refuses the addresses of a test.
      fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
      features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
    });
    this.server = provider.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  async stop() {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

// Signs in on its pages and agrees, as far as it asks.
export async function signInThere(page, provider, name) {
  await page.waitForSelector('input[name=login]');
  await page.fill('input[name=login]', name);
  await page.fill('input[name=password]', 'whatever it is');
  await page.click('button[type=submit]');
  await page.waitForURL((url) => !url.href.startsWith(provider.url) || url.pathname.startsWith('/interaction/'));
  if (page.url().startsWith(provider.url)) await page.click('button[type=submit]');
}
