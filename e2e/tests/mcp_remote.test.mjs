// mcp-remote, unmodified, as hosts run it that speak over pipes alone: from the URL alone to a tool call, refresh,
// restart of the door, revocation, new sign-in (client-compatibility section 8).
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { Desktop } from '../lib/desktop.mjs';
import { Door } from '../lib/door.mjs';
import { Person } from '../lib/person.mjs';
import { Program } from '../lib/process.mjs';

const installed = createRequire(import.meta.url).resolve('mcp-remote/package.json');
const { bin } = JSON.parse(readFileSync(installed, 'utf8'));
const mcpRemote = join(dirname(installed), bin['mcp-remote']);

let door;
let desktop;
let home;
before(async () => {
  door = await Door.open();
  desktop = new Desktop();
  home = mkdtempSync(join(tmpdir(), 'vestibule-mcp-remote-'));
});
after(async () => {
  rmSync(home, { recursive: true, force: true });
  desktop.close();
  await door.close();
});

// The program, with the host's side of its pipes.
class McpRemote extends Program {
  constructor() {
    const env = { ...desktop.env, MCP_REMOTE_CONFIG_DIR: home };
    super(process.execPath, [mcpRemote, door.endpoint], { env });
    this.id = 0;
  }

  tell(method, params) {
    this.child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', method, params })}\n`);
  }

  async ask(method, params = {}) {
    const id = (this.id += 1);
    this.child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    const [line] = await this.says(new RegExp(`^\\{.*"id":${id}[,}].*(?=\\n)`, 'm'), 30);
    const { error, result } = JSON.parse(line);
    assert.equal(error, undefined, line);
    return result;
  }

  async begin() {
    const clientInfo = { name: 'host', version: '1' };
    const result = await this.ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
    this.tell('notifications/initialized');
    return result;
  }

  async call() {
    const result = await this.ask('tools/call', { name: 'echo_headers', arguments: {} });
    assert.ok(!result.isError, JSON.stringify(result));
    return JSON.stringify(result);
  }
}

// What mcp-remote keeps.
function file(name) {
  const folder = join(home, 'mcp-remote-v1');
  return join(folder, readdirSync(folder).find((entry) => entry.endsWith(name)));
}
const kept = (name) => JSON.parse(readFileSync(file(name), 'utf8'));

async function approve(person) {
  const url = await desktop.opened();
  const { callback, status } = await person.approveAndReturn(url);
  assert.equal(status, 200);
  assert.equal(new URL(callback).pathname, '/oauth/callback');
  return new URL(url);
}

test('from the URL alone to a tool call, and on', async () => {
  const person = new Person();
  const program = new McpRemote();
  let another;
  try {
    // It probes, registers, opens the browser, and only then is there for its host.
    const initialized = program.begin();
    const url = await approve(person);
    assert.equal(url.searchParams.get('resource'), door.endpoint);
    assert.equal((await initialized).protocolVersion, '2025-11-25');
    const { tools } = await program.ask('tools/list');
    assert.ok(tools.some((tool) => tool.name === 'echo_headers'));

    const echoed = await program.call();
    const first = kept('_tokens.json');
    assert.match(echoed, /authorization[^\]]*expected/, 'the upstream got its own credential');
    assert.ok(!echoed.includes(first.access_token), 'and never the caller\'s token');
    assert.match(echoed, /x-mcp-subject/i);
    const { client_id: clientId } = kept('_client_info.json');

    // A token that counts no longer: it refreshes by itself.
    writeFileSync(file('_tokens.json'), JSON.stringify({ ...first, access_token: `${first.access_token}x` }));
    await program.call();
    const second = kept('_tokens.json');
    assert.notEqual(second.refresh_token, first.refresh_token, 'refreshed, and the refresh token was rotated');

    // The door restarts: sessions, tokens and keys are what they were.
    await door.restart();
    await program.call();
    assert.equal(kept('_tokens.json').refresh_token, second.refresh_token);

    // The same folder serves the next start of the program without a browser.
    another = new McpRemote();
    await another.begin();
    await another.call();
    // It would open a tab of its own, in vain, if it noticed what comes next.
    await another.stop();

    // An operator takes the grant back: the next call opens the browser again, and then succeeds.
    const [grant] = await door.json('grant', 'list', '--user', 'ana');
    await door.cli('grant', 'revoke', grant.id);
    const called = program.call();
    await approve(person);
    await called;
    assert.notEqual(kept('_tokens.json').refresh_token, second.refresh_token);
    assert.equal(kept('_client_info.json').client_id, clientId, 'one registration serves all of it');
    assert.equal(desktop.all.length, 2, 'and no tab was opened in vain');
  } finally {
    await program.stop();
    await another?.stop();
  }
});
