// What a person at a terminal sees, in tmux: the passphrase of the tokens, an address that is pasted, colours, and a key
// that ends it all.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { Door, vestibule } from '../lib/door.mjs';
import { Person } from '../lib/person.mjs';
import { Program, run } from '../lib/process.mjs';
import { Terminal } from '../lib/terminal.mjs';

const PASSPHRASE = 'a bench before the gate';

let door;
let home;
let env;
let terminal;
before(async () => {
  door = await Door.open();
});
after(() => door?.close());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'vestibule-home-'));
  // As on a desk, so that no code is shown; and no browser is opened.
  env = { PATH: `${dirname(vestibule)}:${process.env.PATH}`, HOME: home, VESTIBULE_HOME: home, DISPLAY: ':0' };
  terminal = new Terminal(env);
});
afterEach(() => {
  terminal.close();
  rmSync(home, { recursive: true, force: true });
});

async function approved() {
  const [address] = await terminal.shows(/^http:\S+\/authorize\?\S+$/m);
  return new Person().approve(new URL(address));
}

// DEC-23.
test('the passphrase of the tokens is asked for on the terminal, and nowhere else', async () => {
  terminal.type(`vestibule login ${door.endpoint} --no-browser --store passphrase`);
  await terminal.shows(/A new passphrase:\s*$/);
  terminal.type(PASSPHRASE);
  await terminal.shows(/Once more:\s*$/);
  terminal.type(PASSPHRASE);
  await fetch(await approved());
  await terminal.shows(/Signed in to \S+ as ana\. The tokens are in files under your passphrase/);
  assert.ok(!terminal.screen().includes(PASSPHRASE));

  await terminal.clear();
  terminal.type(`vestibule exec fixture -- sh -c 'echo token of \${#VESTIBULE_TOKEN}; kill -0 $$'`);
  await terminal.shows(/The passphrase of your tokens:\s*$/);
  terminal.type('a bench behind the gate');
  await terminal.shows(/That is not it\. The passphrase of your tokens:\s*$/);
  terminal.type(PASSPHRASE);
  const [, length] = await terminal.shows(/^token of (\d+)$/m);
  assert.ok(Number(length) > 100);

  for (const file of readdirSync(home, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const text = readFileSync(join(file.parentPath, file.name), 'utf8');
    assert.ok(!text.includes('vst_') && !text.includes('eyJ'), file.name);
  }
  const piped = new Program(vestibule, ['token', 'fixture'], { env });
  assert.equal(await piped.ended, 1);
  assert.match(piped.output, /its passphrase is asked for on a terminal alone/);

  // Without it one still sees that there is something, and can be rid of it.
  const [row] = JSON.parse(await run(vestibule, ['status', '--json'], { env }));
  assert.deepEqual([row.server, row.state, row.store], [door.endpoint, 'locked', 'passphrase']);
  await run(vestibule, ['logout', 'fixture'], { env });
  const left = readdirSync(home, { recursive: true }).filter((name) => name.includes('session-'));
  assert.deepEqual(left, []);
});

test('a key ends a question, and the terminal shows again what is typed', async () => {
  const asks = /A new passphrase:\s*$/;
  // On one processor there is one thread.
  for (const [how, store, question, key] of [
    ['', 'passphrase', asks, 'C-c'], ['taskset -c 0 ', 'passphrase', asks, 'C-c'], ['', 'passphrase', asks, 'C-\\'],
    ['', 'file', /paste here the address/, 'C-c'],
  ]) {
    terminal.type(`${how}vestibule login ${door.endpoint} --no-browser --store ${store}`);
    await terminal.shows(question);
    terminal.type('', key);
    await terminal.shows(/^[#$]\s*$/m);
    terminal.type('echo ended with $?');
    await terminal.shows(/^[#$] echo ended with \$\?\nended with [1-9]\d*$/m);
    await terminal.clear();
  }
});

test('an address that a browser elsewhere ended at is pasted', async () => {
  terminal.type(`vestibule login ${door.endpoint} --no-browser --store file`);
  const address = await approved();
  await terminal.shows(/paste here the address that it ends at/);
  terminal.type('https://www.example.com/');
  await terminal.shows(/not an address that the browser was sent to/);
  terminal.type(address);
  await terminal.shows(/Signed in to \S+ as ana\. The tokens are in plain files/);

  // A token is for a program, not for eyes.
  await terminal.clear();
  terminal.type('vestibule token fixture; echo ended with $?');
  await terminal.shows(/^ended with [1-9]\d*$/m);
  assert.ok(!terminal.screen().includes('eyJ'));
});

for (const [name, words, isColoured] of [['', '', true], [' unless NO_COLOR says otherwise', 'NO_COLOR=1 ', false]]) {
  test(`a warning has a colour on a terminal${name}`, async () => {
    terminal.type(`${words}vestibule login ${door.endpoint} --no-browser --store file`);
    await fetch(await approved());
    await terminal.shows(/^warning: the tokens lie in plain files/m);
    const line = terminal.screen('-e').split('\n').find((line) => line.includes('the tokens lie in plain files'));
    assert.equal(line.includes('\u001b['), isColoured, JSON.stringify(line));
  });
}
