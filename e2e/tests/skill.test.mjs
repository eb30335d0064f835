// The skill for agents: its head is one, what it names exists, and its scripts do what it says.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { Door, vestibule } from '../lib/door.mjs';
import { root } from '../lib/docs.mjs';
import { run } from '../lib/process.mjs';

const folder = join(root, 'skills/vestibule');
const text = readFileSync(join(folder, 'SKILL.md'), 'utf8');

let door;
before(async () => {
  door = await Door.open();
});
after(() => door?.close());

const script = (name, ...words) => run(join(folder, 'scripts', name), words, {
  env: {
    ...process.env, PATH: `${dirname(vestibule)}:${process.env.PATH}`, VESTIBULE_CONFIG: door.configFile,
    VESTIBULE_HOME: join(door.folder, 'home'),
  },
});

test('its head says what it is for', () => {
  const [, head] = text.match(/^---\n([\s\S]*?)\n---\n/);
  const fields = Object.fromEntries(head.split('\n').map((line) => line.match(/^(\w+): (.+)$/).slice(1)));
  assert.equal(fields.name, 'vestibule');
  assert.ok(fields.description.length > 100 && fields.description.length <= 1024, `${fields.description.length}`);
});

test('every script is named, is there and can be run', () => {
  const named = [...text.matchAll(/`scripts\/([\w.-]+)/g)].map(([, name]) => name).sort();
  assert.deepEqual(named, readdirSync(join(folder, 'scripts')).sort());
  for (const name of named) assert.ok(statSync(join(folder, 'scripts', name)).mode & 0o100, name);
});

test('the scripts say what is so', async () => {
  const found = await script('diagnose.sh', door.endpoint);
  assert.match(found, /HTTP\/1.1 401[\s\S]*www-authenticate: Bearer/i);
  assert.match(found, /"authorization_servers"[\s\S]*"token_endpoint"/);
  assert.match(found, /no: vestibule login http/);

  assert.match(await script('who-may.sh', 'fixture'), /^ana\tallowed\tfixture\.allow\[0\]$/m);
  const tool = await script('who-may.sh', 'fixture', 'echo_headers');
  assert.match(tool, /^ana\tallowed\tfixture\.allow\[0\]$/m);
  assert.match(tool, /^eve\thidden\t/m);

  await script('last-calls.sh', 'ana');
  await assert.rejects(script('last-calls.sh'), /usage/);
});
