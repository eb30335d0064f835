// `vestibule bridge` as official clients start it: from the URL alone to a tool call, an expired token, a restart of the
// door, twenty at once; the TypeScript and the Python SDK, unmodified, in both eras.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as v1 from '@modelcontextprotocol/sdk/client/index.js';
import * as v1stdio from '@modelcontextprotocol/sdk/client/stdio.js';
import * as v2 from '@modelcontextprotocol/client';
import * as v2stdio from '@modelcontextprotocol/client/stdio';
import { Desktop } from '../lib/desktop.mjs';
import { Door, vestibule } from '../lib/door.mjs';
import { Person } from '../lib/person.mjs';
import { Program } from '../lib/process.mjs';

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const SDKS = {
  'SDK 1': { ...v1, ...v1stdio, options: {}, speaks: '2025-11-25' },
  'SDK 2': { ...v2, ...v2stdio, options: { versionNegotiation: { mode: 'auto' } }, speaks: '2026-07-28' },
  'SDK 2 with sessions': { ...v2, ...v2stdio, options: {}, speaks: '2025-11-25' },
};

let door;
let desktop;
let home;
let env;
before(async () => {
  door = await Door.open();
  desktop = new Desktop();
});
after(async () => {
  desktop?.close();
  await door?.close();
  if (home) rmSync(home, { recursive: true, force: true });
});

// Nobody is signed in.
function anew() {
  if (home) rmSync(home, { recursive: true, force: true });
  home = mkdtempSync(join(tmpdir(), 'vestibule-home-'));
  env = { ...desktop.env, VESTIBULE_HOME: home, VESTIBULE_STORE: 'file' };
}

async function approve() {
  const { status } = await new Person().approveAndReturn(await desktop.opened());
  assert.equal(status, 200);
}

// As if the access token had ended.
function expire() {
  const folder = join(home, 'profiles', 'default');
  for (const name of readdirSync(folder).filter((name) => name.startsWith('session-') && name.endsWith('.file'))) {
    const kept = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    writeFileSync(join(folder, name), JSON.stringify({ ...kept, expires_at: 0 }));
  }
}

const renewals = async () => {
  const rows = await door.json('audit', 'list', '--event', 'tokens_issued', '--limit', '500');
  return rows.filter((row) => row.by === 'refresh_token').length;
};

async function connect(sdk) {
  const client = new sdk.Client({ name: 'e2e', version: '1' }, sdk.options);
  const transport = new sdk.StdioClientTransport({
    command: vestibule, args: ['bridge', door.endpoint], env, stderr: 'ignore',
  });
  await client.connect(transport);
  return client;
}

async function call(client, sdk) {
  const result = await client.callTool({ name: 'echo_headers', arguments: {} });
  const text = JSON.stringify(result.content);
  assert.ok(!result.isError, text);
  assert.match(text, /authorization[^\]]*expected/, 'the upstream got its own credential');
  assert.match(text, new RegExp(`mcp-protocol-version[^\\]]*${sdk.speaks}`));
}

for (const [name, sdk] of Object.entries(SDKS)) {
  test(`TypeScript ${name}: from the URL alone to a tool call, and on`, async (t) => {
    anew();
    const connecting = connect(sdk);
    await approve();
    const client = await connecting;
    t.after(() => client.close());
    const { tools } = await client.listTools();
    assert.ok(tools.some((tool) => tool.name === 'echo_headers'));
    await call(client, sdk);
    const progress = [];
    await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, ...(name === 'SDK 1' ? [undefined] : []),
      { onprogress: (step) => progress.push(step) });
    assert.ok(progress.length > 0);

    await door.restart();
    await call(client, sdk);

    const [grant] = await door.json('grant', 'list', '--user', 'ana');
    await door.cli('grant', 'revoke', grant.id);
    const called = call(client, sdk);
    await approve();
    await called;
    assert.equal(desktop.all.length, desktop.seen, 'and no tab was opened in vain');
  });

  test(`TypeScript ${name}: twenty at once with an expired token renew it once`, async () => {
    const before = await renewals();
    expire();
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(sdk)));
    await Promise.all(clients.map((client) => call(client, sdk)));
    await Promise.all(clients.map((client) => client.close()));
    assert.equal(await renewals(), before + 1);
  });
}

for (const [name, python, mode] of [
  ['SDK 1', here('.venv/1/bin/python'), []],
  ['SDK 2', here('.venv/2/bin/python'), ['auto']],
]) {
  test(`Python ${name}: a tool call through the bridge`, async () => {
    const program = new Program(python, [here('lib/python_stdio.py'), vestibule, 'bridge', door.endpoint, ...mode], { env });
    assert.equal(await program.ended, 0, program.output);
    assert.match(program.output, /authorization[^\]]*expected/);
  });
}
