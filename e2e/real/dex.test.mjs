// A server that takes tokens of Dex, as docs/tokens.md says to set it up (MA-54, OS-121, OS-123). Dex has no access
// tokens for others, so its ID tokens are taken on purpose.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { Dex } from '../lib/dex.mjs';
import { Door } from '../lib/door.mjs';
import { call, unauthorized } from '../lib/mcp.mjs';
import { link, unavailable } from '../lib/trusted.mjs';
import { until } from '../lib/until.mjs';

const FOR_US = 'audience:server:client_id:mcp-fixture';
const kid = (token) => decodeProtectedHeader(token).kid;

let dex;
let door;
before(async () => {
  dex = await Dex.at({ binary: process.env.VESTIBULE_REAL_DEX });
  door = await Door.open({
    config: `
trusted_issuers:
  dex:
    issuer: ${dex.url}
    algorithms: [RS256]
    typ: [none]
    id_tokens: true
    claims: { groups: groups }
`,
    servers: (upstream) => `
  fixture:
    upstream: ${upstream}
    auth: both
    issuer: dex
    audiences: [mcp-fixture]
    allow: [{ groups: [authors], tools: all, clients: ["issuer:dex:agent"] }]
    credential: { headers: { Authorization: "Bearer \${file:credential}" } }
`,
  });
  await dex.start();
});
after(async () => {
  await dex.close();
  await door?.close();
});

test('somebody with a token of Dex acts as the account that they are linked to, in their groups there', async () => {
  const token = await dex.token(`${FOR_US} groups`);
  assert.deepEqual(decodeJwt(token).groups, ['authors']);
  await link(door, token, { issuer: 'dex', account: 'ana' });
  const seen = await call(door.endpoint, token);
  assert.deepEqual(seen['x-mcp-issuer'], [dex.url]);
  assert.deepEqual(seen['x-mcp-client'], ['issuer:dex:agent']);
  assert.deepEqual(seen['x-mcp-subject'], [(await door.json('user', 'show', 'ana')).id]);
});

test('a token that is for the program alone, and not for the server, is worth nothing', async () => {
  const token = await dex.token('groups');
  assert.equal(decodeJwt(token).aud, 'agent');
  const response = await unauthorized(door.endpoint, token);
  assert.match(response.headers.get('www-authenticate'), /another server/);
});

test('Dex rotates its keys: tokens of the old one and of the new one count', async () => {
  const [seen, unseen] = [await dex.token(`${FOR_US} groups`), await dex.token(`${FOR_US} groups`)];
  await call(door.endpoint, seen);
  await dex.stop();
  await dex.start();
  const late = await dex.token(`${FOR_US} groups`);
  assert.notEqual(kid(late), kid(seen));
  const shown = await dex.keys();
  assert.ok(shown.includes(kid(late)) && shown.includes(kid(seen)));
  // The door asks at most once in ten seconds.
  await until('the new key is known', () => call(door.endpoint, late).catch(() => undefined));
  await call(door.endpoint, unseen);
});

test('an outage of Dex turns no good token away', async () => {
  const [seen, unseen] = [await dex.token(`${FOR_US} groups`), await dex.token(`${FOR_US} groups`)];
  await until('its key is known', () => call(door.endpoint, seen).catch(() => undefined));
  await dex.stop();
  await dex.start();
  const unknown = await dex.token(`${FOR_US} groups`);
  assert.notEqual(kid(unknown), kid(unseen));
  await dex.stop();
  await call(door.endpoint, seen);
  await call(door.endpoint, unseen);
  await unavailable(door, unknown);
  await call(door.endpoint, unseen);
  await dex.start();
  await until('Dex is asked again', () => call(door.endpoint, unknown).catch(() => undefined));
  await call(door.endpoint, seen);
});
