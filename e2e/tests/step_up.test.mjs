// Scopes per tool: the official SDKs call what their token lacks a scope for, and a person in a real browser allows it
// (CC-76, CC-77); a client that is known to step up is challenged and asks for more by itself (DEC-17, MA-30).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as v1 from '@modelcontextprotocol/sdk/client/index.js';
import * as v1http from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as v2 from '@modelcontextprotocol/client';
import { accessibility, context, launch, overflows, picture } from '../lib/browser.mjs';
import { Door, PASSWORD } from '../lib/door.mjs';
import { MemoryProvider } from '../lib/provider.mjs';
import { Person } from '../lib/person.mjs';

// `asks` says whether it opens a browser when it is challenged.
const SDKS = {
  'SDK 1': { Client: v1.Client, Transport: v1http.StreamableHTTPClientTransport, asks: false, code: (url) => url.searchParams.get('code') },
  'SDK 2': { Client: v2.Client, Transport: v2.StreamableHTTPClientTransport, asks: true, code: (url) => url.searchParams },
};

let door;
let browser;
before(async () => {
  door = await Door.open({
    servers: (upstream) => `  fixture:
    title: Gitea
    upstream: ${upstream}
    scopes:
      write: { title: Change issues and files }
      images: { title: See pictures }
    allow:
      - { groups: [developers], tools: [echo_headers] }
      - { groups: [developers], scope: write, tools: [test_simple_text] }
      - { groups: [developers], scope: images, tools: [test_image_content] }
    credential: { headers: { Authorization: "Bearer \${file:credential}" } }
`,
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await door.close();
});

async function look(page, name) {
  await picture(page, name);
  assert.deepEqual(await accessibility(page), [], name);
  assert.equal(await overflows(page), false, `${name} needs sideways scrolling`);
}

async function connect(sdk, provider) {
  const client = new sdk.Client({ name: 'e2e', version: '1' });
  const transport = new sdk.Transport(new URL(door.endpoint), { authProvider: provider });
  await client.connect(transport);
  return { client, transport };
}

// A client that Ana has signed in with.
async function signedIn(sdk, name) {
  const provider = new MemoryProvider({ client_name: name });
  const transport = new sdk.Transport(new URL(door.endpoint), { authProvider: provider });
  const client = new sdk.Client({ name: 'e2e', version: '1' });
  await assert.rejects(client.connect(transport));
  const callback = new URL(await new Person().approve(provider.opened.at(-1)));
  await transport.finishAuth(sdk.code(callback));
  await client.close();
  return provider;
}

const EYES = { 'SDK 1': {}, 'SDK 2': { phone: true, dark: true, language: 'zh-TW' } };

for (const [name, sdk] of Object.entries(SDKS)) {
  test(`${name}: a refused call names a page, and the same client may go on after it`, async () => {
    const provider = await signedIn(sdk, `Editor with ${name}`);
    const { client } = await connect(sdk, provider);
    const listed = async () => (await client.listTools()).tools.map((tool) => tool.name);
    assert.deepEqual(await listed(), ['echo_headers']);
    const refused = await client.callTool({ name: 'test_simple_text', arguments: {} });
    assert.equal(refused.isError, true);
    const [link] = refused.content[0].text.match(/http:\S+/);

    const person = await context(browser, EYES[name]);
    const page = await person.newPage();
    await page.goto(link);
    await page.fill('#username', 'ana');
    await page.fill('#password', PASSWORD);
    await page.click('main button');
    await page.waitForSelector('input[type=checkbox]');
    await look(page, `scopes-${name.replace(' ', '-')}`);
    assert.equal(await page.locator('input[type=checkbox]').count(), 2);
    assert.equal(await page.locator('input[type=checkbox]:checked').count(), 1, 'what was asked for is chosen');
    await page.click('main form button');
    await page.waitForSelector('[role=status]');
    await look(page, `scopes-allowed-${name.replace(' ', '-')}`);
    await page.goto(`${door.url}/apps`);
    await look(page, `scopes-apps-${name.replace(' ', '-')}`);
    await person.close();

    const token = provider.kept.access_token;
    const allowed = await client.callTool({ name: 'test_simple_text', arguments: {} });
    assert.ok(!allowed.isError, JSON.stringify(allowed));
    assert.equal(provider.kept.access_token, token, 'with the token that it had');
    assert.deepEqual((await listed()).sort(), ['echo_headers', 'test_simple_text']);
    await client.close();
  });

  test(`${name}: one that steps up is challenged, and never in circles`, async () => {
    const provider = await signedIn(sdk, 'Codex');
    const { client, transport } = await connect(sdk, provider);
    const opened = provider.opened.length;
    const call = () => client.callTool({ name: 'test_simple_text', arguments: {} });
    if (!sdk.asks) {
      // It refreshes instead, which gives no more: then it is told like all others.
      const answer = await call();
      assert.equal(provider.opened.length, opened);
      assert.equal(answer.isError, true);
      assert.match(answer.content[0].text, /\/apps\/scopes\?/);
      await client.close();
      return;
    }
    // It asks the person for what the challenge names.
    await assert.rejects(call());
    assert.equal(provider.opened.length, opened + 1);
    const url = new URL(provider.opened.at(-1));
    const scopes = url.searchParams.get('scope').split(' ');
    assert.ok(['mcp', 'fixture:write'].every((scope) => scopes.includes(scope)), url.href);
    await transport.finishAuth(sdk.code(new URL(await new Person().approve(url.href))));
    await client.close();
    const again = await connect(sdk, provider);
    const answer = await again.client.callTool({ name: 'test_simple_text', arguments: {} });
    assert.ok(!answer.isError, JSON.stringify(answer));
    await again.client.close();
  });
}
