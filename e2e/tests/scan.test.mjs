// What `vestibule scan --sarif` prints, before the schema of the standard itself.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { vestibule } from '../lib/door.mjs';

let home;
before(() => {
  home = mkdtempSync(join(tmpdir(), 'vestibule-scan-'));
});
after(() => rmSync(home, { recursive: true, force: true }));

// Of OASIS, in the package that brings it. Its draft is older than what Ajv reads, and the same in all that it uses.
function schema() {
  const file = createRequire(import.meta.url).resolve('@microsoft/jest-sarif');
  const text = readFileSync(join(file, '../schemas/sarif-2.1.0-rtm.5.json'), 'utf8');
  const { $schema, id, ...rest } = JSON.parse(text);
  assert.match($schema, /draft-04/);
  assert.match(id, /sarif-2\.1\.0/);
  return rest;
}

function scan(words, more = {}) {
  const env = { HOME: home, PATH: process.env.PATH, ...more };
  const { stdout, status } = spawnSync(vestibule, ['scan', ...words, '--sarif'], { cwd: home, env, encoding: 'utf8' });
  return { log: JSON.parse(stdout), status };
}

test('SARIF is valid, whatever was found', () => {
  const ajv = addFormats(new Ajv({ strict: false, unicodeRegExp: false, allErrors: true }));
  const isValid = ajv.compile(schema());
  const check = ({ log }) => assert.ok(isValid(log), JSON.stringify(isValid.errors, null, 2));
  assert.ok(!isValid({ version: '2.1.0', runs: [{}] }), 'the judge is one');

  const nothing = scan([]);
  assert.equal(nothing.status, 0);
  check(nothing);

  // In parts, so that no scanner takes this file for what it tests.
  const password = ['Zu7qLw9k', 'Xr2'].join('!');
  mkdirSync(join(home, 'a b/ü'), { recursive: true });
  writeFileSync(join(home, 'a b/ü/.env'), `DB_PASSWORD=${password}\nURL=https://ana:${password}@git.example.com\n`);
  writeFileSync(join(home, 'a b/.env'), `${'x'.repeat(5 << 20)}\n`);
  const found = scan([]);
  assert.equal(found.status, 1);
  assert.equal(found.log.runs[0].results.length, 2);
  assert.equal(found.log.runs[0].invocations[0].toolExecutionNotifications.length, 1);
  check(found);
  check(scan([join(home, 'a b/ü/.env')]));
  check(scan(['--ci'], { DB_PASSWORD: password }));
  assert.ok(!JSON.stringify(found.log).includes(password));
});
