// P-n8n: registers one redirect URI, and its cloud sends another to the authorization endpoint, which must end at a
// page and not at either of them. Sends its secret as Basic or in the body, whatever it registered for.
import assert from 'node:assert/strict';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, live, login } from '../lib/replay.mjs';
import { pkce } from '../lib/token.mjs';
import { USUAL, authorizeUrl, basic, register } from '../lib/wire.mjs';

export const name = 'P-n8n';
export const shows = 'CC-32 CC-46 CC-54 CC-59';

const REDIRECT = 'https://n8n.example.com/rest/oauth2-credential/callback';
const CLOUD = 'https://oauth.n8n.cloud/oauth2/callback';

export async function run({ door }) {
  const { scope, resource, server } = await discover(door.endpoint);
  const request = { resource, scope };
  const person = new Person();
  for (const method of ['client_secret_basic', 'client_secret_post']) {
    const client = await register(server.registration_endpoint, {
      client_name: 'n8n', redirect_uris: [REDIRECT], ...USUAL, token_endpoint_auth_method: method,
      client_uri: 'https://n8n.io/',
    });
    const { client_id: clientId, client_secret: secret } = client;

    const page = await person.request(authorizeUrl(server.authorization_endpoint, {
      response_type: 'code', client_id: clientId, redirect_uri: CLOUD, state: 's', ...request, ...pkce().parameters,
    }));
    assert.equal(page.status, 400, 'CC-54');
    assert.equal(page.headers.get('location'), null);
    const text = await page.text();
    for (const uri of [CLOUD, REDIRECT]) assert.ok(text.includes(uri), `the page names ${uri}`);

    // The other way than the one that it registered for (CC-59).
    const inBody = { client_id: clientId, client_secret: secret };
    const inHeader = basic.raw(clientId, secret);
    const [redeem, headers] = method === 'client_secret_basic' ? [inBody, {}] : [{ client_id: clientId }, inHeader];
    const granted = await login(person, { server, clientId, redirectUri: REDIRECT, request, redeem, headers });
    const session = await Session.begin(door.endpoint, granted.access_token);
    await live(door, granted, { server, caller: session, refresh: redeem, headers });
  }
}
