// An MCP server with an authorization server of its own: one real door before another. People of the first connect their
// accounts at the second, which the first has found by asking the server, and call on as themselves (RFC 9728, MA-20, MA-39).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { accessibility, context, launch, picture } from '../lib/browser.mjs';
import { Door, PASSWORD } from '../lib/door.mjs';
import { signIn as signedIn } from '../lib/token.mjs';

let there;
let here;
let browser;

before(async () => {
  // What it is for is `localhost`, so that the two have cookies of their own in one browser.
  there = await Door.open({ host: 'localhost' });
  await there.cliWith(PASSWORD, 'user', 'add', 'ben', '--name', 'Ben', '--group', 'developers', '--password-stdin');
  here = await Door.open({
    config: 'connectors:\n  hosted: { name: Hosted, oauth: { discover: true } }\n',
    servers: () => `  fixture:
    title: Hosted tools
    upstream: ${there.endpoint}
    allow: [{ groups: [developers], tools: all }]
    credential: { connector: hosted }
`,
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await here?.close();
  await there?.close();
});

async function signIn(page, username) {
  await page.fill('#username', username);
  await page.fill('#password', PASSWORD);
  await page.keyboard.press('Enter');
}

test('a server that guards itself is connected from its address alone', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(`${here.url}/connect?to=hosted`);
  await signIn(page, 'ana');
  await picture(page, 'discovering-ask');
  await page.click('form[action="/connect/leave"] button');
  await page.waitForURL((url) => url.href.startsWith(there.url));
  // Somebody else there than here.
  await signIn(page, 'ben');
  await page.waitForSelector('button[value="approve"]');
  assert.match(await page.innerText('main'), /Example Corp MCP/);
  await picture(page, 'discovering-consent');
  await page.click('button[value="approve"]');
  await page.waitForURL((url) => url.href.startsWith(here.url));
  assert.match(await page.innerText('main'), /connected/i);
  assert.deepEqual(await accessibility(page), []);
  await picture(page, 'discovering-connected');
  await person.close();

  const client = new Client({ name: 'test', version: '1' });
  const { access_token: token } = await signedIn(here);
  const headers = { Authorization: `Bearer ${token}` };
  const transport = new StreamableHTTPClientTransport(new URL(here.endpoint), { requestInit: { headers } });
  await client.connect(transport);
  const { tools } = await client.listTools();
  assert.ok(tools.some(({ name }) => name === 'echo_headers'));
  const result = await client.callTool({ name: 'echo_headers', arguments: {} });
  assert.ok(!result.isError, JSON.stringify(result));
  await client.close();
  const calls = await there.json('audit', 'search', '--event', 'call');
  assert.ok(calls.some(({ username }) => username === 'ben'), JSON.stringify(calls));
});
