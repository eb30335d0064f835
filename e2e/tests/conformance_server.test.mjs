// The official suite judges a server through the gateway, and directly (CF-7 to CF-15). Everything it finds
// good at the server itself must be as good behind the door, check by check.
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { difference, notGood, passed, readChecks } from '../lib/checks.mjs';
import { resultsFolder, start, versions } from '../lib/conformance.mjs';
import { Door, freePort, vestibule } from '../lib/door.mjs';
import { Program } from '../lib/process.mjs';
import { Shim } from '../lib/shim.mjs';
import { signIn } from '../lib/token.mjs';

// Each with the scenarios that it has and the checks that pass. The suite is pinned, so these are too: a run
// that tests less than it did must not be green.
const RUNS = {
  'requirements of 2025-11-25': {
    options: ['--requirements', '2025-11-25'],
    scenarios: 33,
    checks: 84,
    // Not scored, and required here all the same (CF-12).
    has: ['server-session-lifecycle', 'server-sse-polling', 'json-schema-2020-12'],
  },
  'requirements of 2026-07-28': {
    options: ['--requirements', '2026-07-28'],
    scenarios: 50,
    checks: 197,
    has: ['http-header-validation', 'http-custom-header-server-validation', 'json-schema-2020-12'],
    // The suite itself says that it cannot test this yet.
    skipped: ['tasks-status-notifications: tasks-status-notifications / TasksStatusNotificationsScenario: SKIPPED'],
  },
  'active suite': { options: ['--suite', 'active'], scenarios: 31, checks: 73 },
  'everything of 2025-06-18': {
    options: ['--suite', 'all', '--spec-version', '2025-06-18'],
    scenarios: 27,
    checks: 56,
  },
  'session lifecycle of 2025-03-26': {
    options: ['--scenario', 'server-session-lifecycle', '--spec-version', '2025-03-26'],
    scenarios: 1,
    checks: 3,
  },
};

let door;
let direct;
let shim;
before(async () => {
  const port = await freePort();
  // The suite's own Host and Origin reach the door, which knows itself by that name too (CF-9).
  const config = `public_names: ["http://127.0.0.1:${port}", "http://localhost:${port}"]`;
  door = await Door.open({ config, upstreamArgs: [] });
  // The token is for the door's own address and outlives the runs (CF-11).
  const { access_token: token, expires_in: seconds } = await signIn(door);
  assert.ok(seconds >= 600);
  shim = await Shim.open({ port, upstream: door.url, token });
  shim.endpoint = `http://127.0.0.1:${port}/mcp/fixture`;
  // The same program once more, with nothing in between and no credential to show.
  direct = new Program(join(dirname(vestibule), 'fixture'), []);
  [, direct.endpoint] = await direct.says(/^(http:\/\/\S+)$/m);
});
after(async () => {
  await shim?.close();
  await direct?.stop('SIGINT');
  await door?.close();
});

async function judge(endpoint, options, ...names) {
  const folder = resultsFolder('server', ...names);
  const suite = start('server', ['--url', endpoint, ...options], folder);
  const code = await suite.ended;
  return { code, output: suite.output, checks: readChecks(folder, 'server-') };
}

// CF-2.
test('the suite that is installed is the one that is pinned', async () => {
  const { pinned, installed } = await versions();
  assert.equal(installed, pinned);
});

for (const [name, { options, scenarios, checks, has = [], skipped = [] }] of Object.entries(RUNS)) {
  // Among the checks that must be good behind the door are those for TP-11, TP-18, TP-30, TP-35, TP-38, TP-40, TP-41,
  // TP-50, TP-52 to TP-58, TP-61, TP-63 to TP-67, TP-72, TP-74 to TP-76, TP-80, TP-82, TP-84, TP-100.
  test(`${name}: behind the door every check is what it is at the server itself`, async (t) => {
    const folder = name.replaceAll(' ', '-');
    // Two servers that know nothing of each other, so both are judged at once.
    const [at, behind] = await Promise.all([
      judge(direct.endpoint, options, folder, 'direct'),
      judge(shim.endpoint, options, folder, 'gateway'),
    ]);
    t.diagnostic(`direct ${at.checks.size} scenarios, ${passed(at.checks)} checks passed`);
    t.diagnostic(`gateway ${behind.checks.size} scenarios, ${passed(behind.checks)} checks passed`);

    assert.deepEqual(difference(at.checks, behind.checks), { onlyDirect: [], onlyThrough: [] });
    // The comparison alone would be content with a server that is bad in both.
    assert.deepEqual(notGood(behind.checks), skipped);
    assert.equal(behind.code, 0, behind.output);
    assert.equal(behind.checks.size, scenarios);
    assert.equal(passed(behind.checks), checks);
    for (const scenario of has) assert.ok(behind.checks.has(scenario), scenario);
  });
}

test('the suite was let in: no answer through the gateway asked for a sign-in', () => {
  assert.ok(shim.statuses.get(200) > 0);
  assert.equal(shim.statuses.get(401), undefined);
});
