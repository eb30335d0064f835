// The official suite judges the authorization server (CF-3 to CF-6): metadata and the authorization code grant,
// with a person who fills in the real pages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { notGood, passed, readChecks } from '../lib/checks.mjs';
import { resultsFolder, start, versions } from '../lib/conformance.mjs';
import { Door, freePort } from '../lib/door.mjs';
import { Person } from '../lib/person.mjs';

let door;
let port;
before(async () => {
  port = await freePort();
  // A public client: the door offers `none`, and then the suite sends no secret (CF-3).
  const config = `
clients:
  conformance:
    name: Official conformance suite
    redirect_uris: ["http://127.0.0.1:${port}/callback"]
`;
  door = await Door.open({ config });
});
after(() => door.close());

async function judge(name, options) {
  const folder = resultsFolder('authorization', name);
  const suite = start(
    'authorization',
    ['--url', door.url, '--client-id', 'conformance', '-p', String(port), ...options],
    folder,
  );
  try {
    const [url] = await suite.says(new RegExp(`^${door.url}/authorize\\?\\S+$`, 'm'));
    await new Person().approveAndReturn(url);
    const code = await suite.ended;
    return { url: new URL(url), code, output: suite.output, checks: readChecks(folder, 'authorization-server-') };
  } finally {
    // It would wait five minutes for a person who failed.
    await suite.stop();
  }
}

// The exit code alone proves little: what is skipped counts as no failure (CF-6).
function assertAllPassed({ code, output, checks }) {
  assert.match(output, /^Total: 3 passed, 0 failed$/m, output);
  assert.doesNotMatch(output, /warning|skipped/i);
  assert.equal(code, 0);
  assert.deepEqual([...checks.keys()], ['authorization-code-grant', 'authorization-server-metadata-endpoint']);
  assert.deepEqual(notGood(checks), []);
  assert.equal(passed(checks), 3);
}

// CF-2.
test('the suite that is installed is the one that is pinned', async () => {
  const { pinned, installed } = await versions();
  assert.match(pinned, /^\d+\.\d+\.\d+/, 'an exact version, no range');
  assert.equal(installed, pinned);
});

test('the official suite passes the authorization server, for a token for one server', async () => {
  const judged = await judge('resource', ['--resource', door.endpoint]);
  assert.equal(judged.url.searchParams.get('resource'), door.endpoint);
  assertAllPassed(judged);
});

// MA-46.
test('the official suite passes the authorization server when it names no server', async () => {
  const judged = await judge('no-resource', []);
  assert.equal(judged.url.searchParams.get('resource'), null);
  assertAllPassed(judged);
});
