// The official suite judges the command line as a client (CF-16 to CF-18): its servers and authorization servers on one
// side, on the other an official SDK that speaks through `vestibule bridge`, which finds, signs in and is let in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { notGood, passed, readChecks } from '../lib/checks.mjs';
import { resultsFolder, start } from '../lib/conformance.mjs';
import { vestibule } from '../lib/door.mjs';

// What the command line does not do yet: proofs of possession, and sign-ins that a company manages. The suite does not
// score them; they fail, and the day that one of them passes it is to be taken out here.
const NOT_YET = ['auth/dpop', 'auth/dpop-nonce', 'auth/enterprise-managed-authorization'];

// Each with the scenarios that it has, those of the extensions that the command line knows among them, and the checks that
// pass. The suite is pinned, so these are too.
const RUNS = {
  'requirements of 2025-11-25': { options: ['--requirements', '2025-11-25'], scenarios: 22, auth: 17, checks: 283 },
  'requirements of 2026-07-28': {
    options: ['--requirements', '2026-07-28'],
    scenarios: 36,
    auth: 28,
    checks: 470,
    // There are no such messages in that era.
    skipped: ['initialize', 'notifications_initialized'].map((method) =>
      `http-standard-headers: sep-2243-client-includes-standard-headers / ClientMcpMethodHeader_${method}: SKIPPED`),
  },
  'a server of 2025-03-26 that is its own authorization server': {
    options: ['--scenario', 'auth/2025-03-26-oauth-metadata-backcompat'], scenarios: 1, auth: 1, checks: 12,
  },
};

// Among the checks that must pass are those for MA-18, MA-19, MA-30, MA-66, MA-67, MA-73, MA-107, MA-119, MA-123, MA-125, TP-66 and
// TP-73.
for (const [name, { options, scenarios, auth, checks: wanted, skipped = [] }] of Object.entries(RUNS)) {
  test(`${name}: every scenario but those passes`, async (t) => {
    const folder = resultsFolder('client', name.replaceAll(' ', '-'));
    // The suite takes its command apart at spaces.
    const client = fileURLToPath(new URL('../lib/conformance_client.mjs', import.meta.url));
    const env = { ...process.env, VESTIBULE_PROGRAM: vestibule };
    // It starts all of them at once.
    const all = ['--command', `${process.execPath} ${client}`, '--timeout', '120000', ...options];
    const suite = start('client', all, folder, { env });
    await suite.ended;
    const checks = readChecks(folder, '');
    const scored = new Map([...checks].filter(([scenario]) => !NOT_YET.includes(scenario)));
    t.diagnostic(`${scored.size} scenarios, ${passed(scored)} checks passed`);
    assert.deepEqual(notGood(scored), skipped);
    assert.equal(scored.size, scenarios, [...scored.keys()].join(' '));
    assert.equal([...scored.keys()].filter((scenario) => scenario.startsWith('auth/')).length, auth);
    assert.equal(passed(scored), wanted);
    for (const scenario of NOT_YET.filter((scenario) => checks.has(scenario))) {
      assert.notDeepEqual(notGood(new Map([[scenario, checks.get(scenario)]])), [], `${scenario} passes by now`);
    }
  });
}
