// A server begins to demand a second factor while programs of the official SDKs are signed in: their next call leads them back
// to the browser, where the person is led through what is missing, and goes on (RFC 9470).
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import * as v1 from '@modelcontextprotocol/sdk/client/index.js';
import * as v1http from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as v1auth from '@modelcontextprotocol/sdk/client/auth.js';
import * as v2 from '@modelcontextprotocol/client';
import { accessibility, context, launch, overflows, picture } from '../lib/browser.mjs';
import { waitForBrowsers } from '../lib/callbacks.mjs';
import { Door, PASSWORD } from '../lib/door.mjs';
import { Person } from '../lib/person.mjs';
import { MemoryProvider } from '../lib/provider.mjs';
import { codeOf } from '../lib/totp.mjs';

const SDKS = {
  'SDK 1': {
    Client: v1.Client, Transport: v1http.StreamableHTTPClientTransport, Unauthorized: v1auth.UnauthorizedError,
    code: (url) => url.searchParams.get('code'),
  },
  'SDK 2': {
    Client: v2.Client, Transport: v2.StreamableHTTPClientTransport, Unauthorized: v2.UnauthorizedError,
    code: (url) => url.searchParams,
  },
};
const EYES = { 'SDK 1': {}, 'SDK 2': { phone: true, dark: true, language: 'zh-TW' } };

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function look(page, name) {
  await picture(page, `assurance-${name}`);
  assert.deepEqual(await accessibility(page), [], name);
  assert.equal(await overflows(page), false, `${name} needs sideways scrolling`);
}

for (const [name, sdk] of Object.entries(SDKS)) {
  test(`${name}: a token that is too weak leads back to the browser, and on`, async (t) => {
    const door = await Door.open();
    const listener = await waitForBrowsers();
    const person = await context(browser, EYES[name]);
    t.after(async () => {
      await person.close();
      listener.close();
      await door.close();
    });
    const auth = new MemoryProvider({ client_name: `Editor with ${name}` });
    auth.redirectUrl = listener.url;
    const transport = () => new sdk.Transport(new URL(door.endpoint), { authProvider: auth });
    const program = () => new sdk.Client({ name: 'e2e', version: '1' });
    const first = transport();
    await assert.rejects(program().connect(first), sdk.Unauthorized);
    await first.finishAuth(sdk.code(new URL(await new Person().approve(auth.opened.at(-1)))));
    const client = program();
    await client.connect(transport());
    const call = (of) => of.callTool({ name: 'test_simple_text', arguments: {} });
    assert.ok(!(await call(client)).isError);

    const demanding = door.configuration.replace('    allow:', '    require: { assurance: two_factors }\n    allow:');
    assert.notEqual(demanding, door.configuration);
    writeFileSync(door.configFile, demanding);
    await door.restart();
    const weak = auth.kept.access_token;
    const headers = { authorization: `Bearer ${weak}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} });
    const challenge = await fetch(door.endpoint, { method: 'POST', headers, body });
    assert.equal(challenge.status, 401);
    assert.match(challenge.headers.get('www-authenticate'), /error="insufficient_user_authentication"/);
    assert.match(challenge.headers.get('www-authenticate'), /acr_values="/);
    const opened = auth.opened.length;
    await assert.rejects(call(client), sdk.Unauthorized);
    assert.equal(auth.opened.length, opened + 1, 'one tab and no loop');
    await client.close().catch(() => {});

    const page = await person.newPage();
    await page.goto(String(auth.opened.at(-1)));
    await page.fill('#username', 'ana');
    await page.fill('#password', PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForSelector('form[action^="/enrol/totp"]');
    await look(page, `${name}-demand`);
    await page.click('form[action^="/enrol/totp"] button');
    await page.waitForSelector('#code');
    await look(page, `${name}-app`);
    await page.fill('#code', codeOf(await page.textContent('pre code')));
    await page.keyboard.press('Enter');
    await page.waitForSelector('button[value=approve]');
    await page.click('button[value=approve]');
    await page.waitForURL((url) => url.href.startsWith(auth.redirectUrl));
    const again = transport();
    await again.finishAuth(sdk.code(new URL(page.url())));
    const strong = program();
    await strong.connect(transport());
    assert.ok(!(await call(strong)).isError);
    await strong.close();
  });
}
