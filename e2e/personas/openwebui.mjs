// P-openwebui: a web application whose redirect URI has a colon in its path. Registers as a public client, or is set
// up by the operator with a secret (MA-92: where the browser will be sent).
import assert from 'node:assert/strict';
import { Session } from '../lib/mcp.mjs';
import { Person } from '../lib/person.mjs';
import { discover, live, login } from '../lib/replay.mjs';
import { USUAL, register } from '../lib/wire.mjs';

export const name = 'P-openwebui';
export const shows = 'CC-44 CC-46 CC-58 CC-59 DEC-13';

const REDIRECT = 'https://webui.example.com/oauth/clients/mcp:fixture/callback';
const SECRET = 'open-webui-secret-0123456789-abcdefgh';

export const files = { 'webui-secret': SECRET };
export const clients = `
  open-webui:
    name: Open WebUI
    redirect_uris: ["${REDIRECT}"]
    secret_file: webui-secret`;

export async function run({ door }) {
  const { resource, server } = await discover(door.endpoint);
  const request = { resource, scope: server.scopes_supported.join(' ') };
  const person = new Person();
  const connect = async (credentials) => {
    const granted = await login(person, {
      server, clientId: credentials.client_id, redirectUri: REDIRECT, request, redeem: credentials,
    });
    const session = await Session.begin(door.endpoint, granted.access_token);
    await live(door, granted, { server, caller: session, refresh: credentials });
  };

  const client = await register(server.registration_endpoint, {
    client_name: 'Open WebUI', redirect_uris: [REDIRECT], ...USUAL, token_endpoint_auth_method: 'none',
  });
  assert.deepEqual(client.redirect_uris, [REDIRECT]);
  await connect({ client_id: client.client_id });
  assert.match(person.pages.at(-1), /webui\.example\.com/, 'CC-58: it says where the browser will be sent');

  // The operator vouches for this one, so the person is asked once and not again (DEC-13).
  const credentials = { client_id: 'open-webui', client_secret: SECRET };
  await connect(credentials);
  const pages = person.pages.length;
  await connect(credentials);
  assert.equal(person.pages.length, pages);
}
