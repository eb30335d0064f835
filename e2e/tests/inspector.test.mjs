// The command line of the MCP Inspector, unmodified. It signs in by itself: it opens a browser and listens for the
// callback. Each command is a program of its own; what it keeps is in its home folder (client-compatibility
// section 8).
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { Desktop } from '../lib/desktop.mjs';
import { Door, freePort } from '../lib/door.mjs';
import { Person } from '../lib/person.mjs';
import { Program } from '../lib/process.mjs';
import { signIn } from '../lib/token.mjs';

const installed = createRequire(import.meta.url).resolve('@modelcontextprotocol/inspector/package.json');
const { bin } = JSON.parse(readFileSync(installed, 'utf8'));
const inspector = join(dirname(installed), bin['mcp-inspector']);

let door;
let desktop;
let home;
let callback;
before(async () => {
  door = await Door.open();
  desktop = new Desktop();
  home = mkdtempSync(join(tmpdir(), 'vestibule-inspector-'));
  // Its usual port may be taken on this machine.
  callback = `http://127.0.0.1:${await freePort()}/oauth/callback`;
});
after(async () => {
  rmSync(home, { recursive: true, force: true });
  desktop.close();
  await door.close();
});

function start(...args) {
  const env = {
    ...desktop.env,
    HOME: home,
    // There is no terminal, and no keychain.
    MCP_AUTO_OPEN_ENABLED: 'true',
    MCP_INSPECTOR_SECRET_STORE: 'file',
  };
  const options = ['--transport', 'http', '--callback-url', callback, '--format', 'json'];
  return new Program(process.execPath, [inspector, '--cli', door.endpoint, ...options, ...args], { env });
}

const CALL = ['--method', 'tools/call', '--tool-name', 'echo_headers'];

// Runs a command to its end, which must be good, and gives its result.
async function result(program) {
  assert.equal(await program.ended, 0, program.output);
  return JSON.parse(program.output.match(/^\{.*\}$/m)[0]).result;
}

const stored = () => readFileSync(join(home, '.mcp-inspector', 'secrets.json'), 'utf8');
const refreshToken = () => stored().match(/vst_rt_\w+/)[0];
const accessToken = () => stored().match(/access_token\\":\\"([^\\]+)/)[1];

async function approve(person) {
  const { status } = await person.approveAndReturn(await desktop.opened());
  assert.equal(status, 200);
}

test('from the URL alone to a tool call, and on', async () => {
  const person = new Person();
  const first = start(...CALL);
  await approve(person);
  const echoed = JSON.stringify(await result(first));
  assert.match(echoed, /authorization[^\]]*expected/, 'the upstream got its own credential');
  assert.ok(!echoed.includes(accessToken()), 'and never the caller\'s token');
  assert.match(echoed, /x-mcp-subject/i);

  // What is kept is enough, for both kinds of protocol.
  for (const era of ['legacy', 'modern']) {
    const { tools } = await result(start('--stored-auth-only', '--protocol-era', era, '--method', 'tools/list'));
    assert.ok(tools.some((tool) => tool.name === 'echo_headers'), era);
  }

  // A token that counts no longer: it refreshes by itself.
  const rotated = refreshToken();
  writeFileSync(join(home, '.mcp-inspector', 'secrets.json'), stored().replace(accessToken(), `${accessToken()}x`));
  await result(start('--stored-auth-only', ...CALL));
  assert.notEqual(refreshToken(), rotated, 'refreshed, and the refresh token was rotated');

  // The door restarts: tokens and keys are what they were.
  await door.restart();
  const kept = refreshToken();
  await result(start('--stored-auth-only', ...CALL));
  assert.equal(refreshToken(), kept);

  // An operator takes the grant back: it says that a sign-in is needed, and signs in when it may.
  const [grant] = await door.json('grant', 'list', '--user', 'ana');
  await door.cli('grant', 'revoke', grant.id);
  const refused = start('--stored-auth-only', ...CALL);
  assert.notEqual(await refused.ended, 0);
  assert.match(refused.output, /"code":"auth_required"/);
  const again = start(...CALL);
  await approve(person);
  await result(again);

  assert.equal((await door.json('client', 'list')).length, 1, 'one registration serves all of it');
});

test('a token that somebody else obtained is taken by header', async () => {
  const { access_token: token } = await signIn(door);
  await result(start('--header', `Authorization: Bearer ${token}`, ...CALL));
});
