// Everybody's own account behind a server: the official SDKs call, the answer names a page, a person connects their
// account there in a real browser, and the same call of the same client works (CC-105, MA-61, MA-62).
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import * as v1 from '@modelcontextprotocol/sdk/client/index.js';
import * as v1http from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as v2 from '@modelcontextprotocol/client';
import { accessibility, context, launch, overflows, picture } from '../lib/browser.mjs';
import { waitForBrowsers } from '../lib/callbacks.mjs';
import { Door, PASSWORD, fixture } from '../lib/door.mjs';
import { Program } from '../lib/process.mjs';
import { MemoryProvider } from '../lib/provider.mjs';
import { Person } from '../lib/person.mjs';
import { until } from '../lib/until.mjs';

const SDKS = {
  'SDK 1': { Client: v1.Client, Transport: v1http.StreamableHTTPClientTransport, code: (url) => url.searchParams.get('code') },
  'SDK 2': { Client: v2.Client, Transport: v2.StreamableHTTPClientTransport, code: (url) => url.searchParams },
};
const EYES = { 'SDK 1': {}, 'SDK 2': { phone: true, dark: true, language: 'zh-TW' } };

const ANAS = 'the-token-of-ana-herself';

let provider;
let upstream;
let door;
let browser;
before(async () => {
  // Whose a token is.
  const people = {};
  provider = createServer((request, response) => {
    const who = people[request.headers.authorization];
    response.writeHead(who ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(who ?? {}));
  });
  await new Promise((resolve) => provider.listen(0, '127.0.0.1', resolve));
  // It has no credential of its own.
  upstream = new Program(fixture, ['--extra-tools']);
  const [, address] = await upstream.says(/^(http:\/\/\S+)$/m);
  door = await Door.open({
    config: `
connectors:
  forge:
    name: Forge
    personal_token: { hint: the right to read repositories, help_url: "https://forge.example/tokens" }
    who_am_i: { url: "http://127.0.0.1:${provider.address().port}/user", id: /id, name: /login }
    identity: { match: username }
`,
    servers: () => `  fixture:
    title: Forge server
    upstream: ${address}
    allow: [{ groups: [developers], tools: all }]
    credential: { connector: forge }
`,
  });
  people[`Bearer ${ANAS}`] = { id: 1, login: 'ana' };
  people['Bearer a-token-of-ben'] = { id: 2, login: 'ben' };
  browser = await launch();
});
after(async () => {
  await browser?.close();
  provider?.close();
  await door?.close();
  await upstream?.stop();
});

async function look(page, name) {
  await picture(page, `connections-${name}`);
  assert.deepEqual(await accessibility(page), [], name);
  assert.equal(await overflows(page), false, `${name} needs sideways scrolling`);
}

// A client that Ana has signed in with.
async function connected(sdk, name, capabilities = {}) {
  const auth = new MemoryProvider({ client_name: name });
  const transport = new sdk.Transport(new URL(door.endpoint), { authProvider: auth });
  await assert.rejects(new sdk.Client({ name: 'e2e', version: '1' }).connect(transport));
  const callback = new URL(await new Person().approve(auth.opened.at(-1)));
  await transport.finishAuth(sdk.code(callback));
  const client = new sdk.Client({ name: 'e2e', version: '1' }, { capabilities });
  await client.connect(new sdk.Transport(new URL(door.endpoint), { authProvider: auth }));
  return client;
}

// The next test begins without a connection, however the one before it ended.
async function disconnected() {
  if ((await door.json('connection', 'list')).length > 0) await door.cli('connection', 'remove', 'ana', 'forge');
}

const call = (client) => client.callTool({ name: 'test_simple_text', arguments: {} });

for (const [name, sdk] of Object.entries(SDKS)) {
  test(`${name}: from a call to a page to the same call`, async (t) => {
    t.after(disconnected);
    const client = await connected(sdk, `Editor with ${name}`);
    const refused = await call(client);
    assert.equal(refused.isError, true);
    const [link] = refused.content[0].text.match(/http:\S+/);

    const person = await context(browser, EYES[name]);
    const page = await person.newPage();
    await page.goto(link);
    await page.waitForSelector('#username:focus');
    await page.keyboard.type('ana');
    await page.keyboard.press('Tab');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#credential');
    await look(page, `${name}-form`);
    await page.fill('#credential', 'a-token-of-ben');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]');
    await look(page, `${name}-somebody-else`);
    assert.equal(await page.inputValue('#credential'), '');
    await page.fill('#credential', ANAS);
    await page.keyboard.press('Enter');
    await page.waitForSelector('a[href="/connections"].button');
    await look(page, `${name}-done`);

    assert.ok(!(await call(client)).isError);
    await page.click('a[href="/connections"].button');
    await page.waitForSelector('button.danger');
    // What a connection was used for is written behind the call.
    await until('its last use is shown', async () => {
      await page.reload();
      return /ana[\s\S]*test_simple_text/.test(await page.innerText('main'));
    });
    assert.ok(!(await page.content()).includes(ANAS));
    await look(page, `${name}-mine`);
    await page.click('button.danger');
    await page.waitForSelector('[role=status]');
    await look(page, `${name}-disconnected`);
    assert.equal((await call(client)).isError, true);
    await client.close();
    await person.close();
  });
}

for (const [name, sdk] of Object.entries(SDKS)) {
  test(`${name}: one trip from the consent to the provider's account to the program (CC-106)`, async (t) => {
    t.after(disconnected);
    const listener = await waitForBrowsers();
    t.after(() => listener.close());
    const auth = new MemoryProvider({ client_name: `Trip with ${name}` });
    auth.redirectUrl = listener.url;
    const transport = new sdk.Transport(new URL(door.endpoint), { authProvider: auth });
    await assert.rejects(new sdk.Client({ name: 'e2e', version: '1' }).connect(transport));
    const person = await context(browser, EYES[name]);
    const page = await person.newPage();
    await page.goto(String(auth.opened.at(-1)));
    await page.fill('#username', 'ana');
    await page.fill('#password', PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForSelector('button[value=approve]');
    await look(page, `${name}-trip-consent`);
    await page.click('button[value=approve]');
    await page.waitForSelector('form[action="/connect/later"]');
    await look(page, `${name}-trip-form`);
    await page.fill('#credential', ANAS);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.href.startsWith(auth.redirectUrl));
    await transport.finishAuth(sdk.code(new URL(page.url())));
    const client = new sdk.Client({ name: 'e2e', version: '1' });
    await client.connect(new sdk.Transport(new URL(door.endpoint), { authProvider: auth }));
    assert.ok(!(await call(client)).isError);
    await client.close();
    await person.close();
  });
}

test('a client of the session era that opens addresses is asked to', async () => {
  const client = await connected(SDKS['SDK 1'], 'Opens addresses', { elicitation: { url: {} } });
  await assert.rejects(call(client), (error) => {
    assert.equal(error.code, -32042);
    const [asked] = error.data.elicitations;
    assert.equal(asked.mode, 'url');
    assert.ok(asked.url.startsWith(`${door.url}/connect?to=forge&for=`));
    return true;
  });
  await client.close();
});

test('a link is refused to everybody else', async () => {
  const client = await connected(SDKS['SDK 1'], 'Whose link');
  const [link] = (await call(client)).content[0].text.match(/http:\S+/);
  await client.close();
  await door.cliWith(PASSWORD, 'user', 'add', 'ben', '--group', 'developers', '--password-stdin');
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(link);
  await page.fill('#username', 'ben');
  await page.fill('#password', PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.pathname === '/connect');
  await page.waitForSelector('dl.facts');
  assert.match(await page.innerText('main'), /connect_link_foreign/);
  assert.equal(await page.locator('#credential').count(), 0);
  await look(page, 'foreign');
  await person.close();
});
