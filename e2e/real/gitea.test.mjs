// Gitea with its MCP server behind the door: two people, one endpoint, each with what is theirs at Gitea (CC-105, CC-107,
// CC-110, MA-58, MA-59, MA-61 to MA-63). The MCP server is a stand-in that says so (e2e/real/gitea-mcp); Gitea is Gitea.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { context, launch, picture } from '../lib/browser.mjs';
import { Door, PASSWORD, freePort } from '../lib/door.mjs';
import { Gitea, secret, signInThere, startMcp } from '../lib/gitea.mjs';
import { Person } from '../lib/person.mjs';
import { MemoryProvider } from '../lib/provider.mjs';
import { until } from '../lib/until.mjs';

const SCOPES = ['read:user', 'read:repository'];

let gitea;
let mcp;
let door;
let browser;
before(async () => {
  gitea = await Gitea.start({
    binary: process.env.VESTIBULE_REAL_GITEA, files: process.env.VESTIBULE_REAL_GITEA_FILES, people: ['ana', 'ben'], lives: 6,
  });
  mcp = await startMcp({ binary: process.env.VESTIBULE_REAL_GITEA_MCP, gitea });
  const port = await freePort();
  const registered = await gitea.ask('ana', 'POST', '/user/applications/oauth2', {
    name: 'The door',
    redirect_uris: [`http://127.0.0.1:${port}/connect/callback/gitea`],
    confidential_client: true,
  });
  door = await Door.open({
    port,
    files: { 'gitea-client': registered.client_secret },
    config: `
connectors:
  gitea:
    name: Gitea
    personal_token:
      hint: read:user and read:repository
      help_url: ${gitea.url}/user/settings/applications
    oauth:
      client_id: ${registered.client_id}
      client_secret_file: gitea-client
      scopes: [${SCOPES}]
      issuer: ${gitea.url}
    who_am_i: { url: "${gitea.url}/api/v1/user", id: /id, name: /login, email: /email }
    identity: { match: username }
`,
    servers: () => `  gitea:
    title: Gitea
    upstream: ${mcp.url}
    allow: [{ groups: [developers], tools: all }]
    credential: { connector: gitea }
`,
  });
  door.endpoint = `${door.url}/mcp/gitea`;
  await door.cliWith(PASSWORD, 'user', 'add', 'ben', '--group', 'developers', '--password-stdin');
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await door?.close();
  await mcp?.program.stop();
  await gitea?.close();
});

// An official client that somebody has signed in with.
async function signedIn(username) {
  const auth = new MemoryProvider({ client_name: `Editor of ${username}` });
  const open = () => new StreamableHTTPClientTransport(new URL(door.endpoint), { authProvider: auth });
  const transport = open();
  await assert.rejects(new Client({ name: 'e2e', version: '1' }).connect(transport));
  await transport.finishAuth(new URL(await new Person(username).approve(auth.opened.at(-1))).searchParams);
  const client = new Client({ name: 'e2e', version: '1' });
  await client.connect(open());
  return client;
}

// What a tool says, and whether it failed.
async function call(client, name, args = {}) {
  const { content: [{ text }], isError } = await client.callTool({ name, arguments: args });
  return { text, failed: Boolean(isError) };
}

const read = (client, owner) => call(client, 'get_file_contents', { owner, repo: 'diary', path: 'today.txt' });

// The address in an answer that asks somebody to connect.
async function asked(client, why) {
  const { text, failed } = await call(client, 'list_my_repos');
  assert.ok(failed && why.test(text), text);
  return text.match(/http:\S+/)[0];
}

// A browser at a link, signed in at the door.
async function opened(link, username) {
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(link);
  await page.fill('#username', username);
  await page.fill('#password', PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.pathname === new URL(link).pathname);
  return page;
}

async function type(page, token) {
  await page.fill('#credential', token);
  await page.keyboard.press('Enter');
}

const isDone = (page) => page.waitForSelector('a[href="/connections"].button');

const clients = {};

test('`check` finds Gitea and its MCP server', async () => {
  const said = await door.cli('check');
  for (const part of ['connectors.gitea', 'servers.gitea']) assert.ok(said.includes(`ok       ${part}: `), said);
});

test('before anybody has connected the tools are listed, and a call asks to connect', async () => {
  for (const name of ['ana', 'ben']) {
    clients[name] = await signedIn(name);
    const { tools } = await clients[name].listTools();
    assert.deepEqual(tools.map((tool) => tool.name).sort(), ['get_file_contents', 'get_me', 'list_my_repos', 'search_repos']);
    await asked(clients[name], /^Connect your Gitea account first/);
  }
});

test('ana connects at Gitea, after what she typed of ben was refused', async () => {
  const page = await opened(await asked(clients.ana, /Connect your Gitea/), 'ana');
  await type(page, await gitea.token('ben', 'for-ana', SCOPES));
  await page.waitForSelector('[role=alert]');
  assert.match(await page.innerText('[role=alert]'), /ben/);
  assert.equal((await door.json('audit', 'list', '--event', 'connection_refused')).length, 1);
  await page.click('form[action="/connect/leave"] button');
  await signInThere(page, gitea, 'ana');
  await page.waitForSelector('#authorize-app');
  await picture(page, 'gitea-allow');
  await page.click('#authorize-app');
  await isDone(page);
  assert.match(await page.innerText('main'), /ana/);
  await page.context().close();
});

test('ben types a token of his own', async () => {
  const page = await opened(await asked(clients.ben, /Connect your Gitea/), 'ben');
  await type(page, await gitea.token('ben', 'door', SCOPES));
  await isDone(page);
  assert.match(await page.innerText('main'), /ben/);
  await page.context().close();
});

test('through one endpoint each sees only what is theirs', async () => {
  for (const [me, other] of [['ana', 'ben'], ['ben', 'ana']]) {
    const client = clients[me];
    assert.equal(JSON.parse((await call(client, 'get_me')).text).login, me);
    for (const tool of ['list_my_repos', 'search_repos']) {
      const { text } = await call(client, tool, tool === 'search_repos' ? { query: 'diary' } : {});
      assert.deepEqual(JSON.parse(text), [`${me}/diary`], tool);
    }
    assert.deepEqual(await read(client, me), { text: JSON.stringify(secret(me)), failed: false });
    const theirs = await read(client, other);
    assert.ok(theirs.failed && !theirs.text.includes(secret(other)), theirs.text);
  }
});

test('what ana got at Gitea runs out and is renewed, again and again', async () => {
  const before = gitea.exchanges();
  await until('it was renewed twice', async () => {
    const { text, failed } = await read(clients.ana, 'ana');
    assert.ok(!failed, text);
    return gitea.exchanges() >= before + 2;
  }, 60);
});

test('what ben revokes at Gitea is seen, and he is asked to connect again', async () => {
  await gitea.revoke('ben', 'door');
  // gitea-mcp never answers 401: that the token is worth nothing, the door has to find out.
  const failed = await read(clients.ben, 'ben');
  assert.ok(failed.failed && !failed.text.includes(secret('ben')), failed.text);
  const link = await until('the door has asked Gitea', async () => {
    const { text } = await read(clients.ben, 'ben');
    return /not connected any more/.test(text) && text.match(/http:\S+/)[0];
  });
  const [ended] = await door.json('audit', 'list', '--event', 'connection_ended');
  assert.equal(ended.reason, 'refused');
  const page = await opened(link, 'ben');
  await type(page, await gitea.token('ben', 'door-again', SCOPES));
  await isDone(page);
  await page.context().close();
  assert.ok(!(await read(clients.ben, 'ben')).failed);
});

test('what does not exist at Gitea ends nobody’s connection', async () => {
  const missing = await call(clients.ben, 'get_file_contents', { owner: 'ben', repo: 'diary', path: 'tomorrow.txt' });
  assert.ok(missing.failed, missing.text);
  assert.ok(!(await read(clients.ben, 'ben')).failed);
});

test('what ana takes back at Gitea ends her connection', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  await page.goto(`${gitea.url}/user/login`);
  await signInThere(page, gitea, 'ana');
  await page.waitForURL((url) => !url.pathname.startsWith('/user/login'));
  await page.goto(`${gitea.url}/user/settings/applications`);
  // The button needs a script of Gitea's that is not built here; what it sends is sent by hand.
  const revoke = await page.getAttribute('[data-modal-id=revoke-gitea-oauth2-grant]', 'data-url');
  const revoked = await person.request.post(`${gitea.url}${revoke}`, { headers: { origin: gitea.url } });
  assert.equal(revoked.status(), 200);
  await person.close();
  await until('the door has noticed', async () => /not connected any more/.test((await read(clients.ana, 'ana')).text));
  assert.equal((await door.json('audit', 'list', '--event', 'connection_ended')).length, 2);
});

test('disconnecting ends it for the next call', async () => {
  assert.ok(!(await read(clients.ben, 'ben')).failed);
  const page = await opened(`${door.url}/`, 'ben');
  await page.goto(`${door.url}/connections`);
  await page.click('button.danger');
  await page.waitForSelector('[role=status]');
  await page.context().close();
  await asked(clients.ben, /^Connect your Gitea account first/);
  for (const client of Object.values(clients)) await client.close();
});
