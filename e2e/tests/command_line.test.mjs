// The command line of people with a real browser: signing in from a URL, the page that the browser ends at, and a program
// that calls a server with the token it is given.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { accessibility, context, launch, overflows, picture } from '../lib/browser.mjs';
import { Door, PASSWORD, vestibule } from '../lib/door.mjs';
import { Keyring } from '../lib/keyring.mjs';
import { Person } from '../lib/person.mjs';
import { Program, run } from '../lib/process.mjs';

let door;
let browser;
let home;
let env;
before(async () => {
  door = await Door.open();
  browser = await launch();
  home = mkdtempSync(join(tmpdir(), 'vestibule-home-'));
  // As on a desk, so that no code is shown; a browser is opened on a terminal alone.
  env = { ...process.env, VESTIBULE_HOME: home, VESTIBULE_STORE: 'file', DISPLAY: ':0' };
});
after(async () => {
  await browser?.close();
  await door?.close();
  if (home) rmSync(home, { recursive: true, force: true });
});

for (const [name, eyes] of Object.entries({ light: {}, 'phone-dark-zh': { phone: true, dark: true, language: 'zh-TW' } })) {
  test(`from a URL to a sign-in in the browser (${name})`, async (t) => {
    const login = new Program(vestibule, ['login', door.endpoint, '--json'], { env });
    t.after(() => login.stop());
    const [address] = await login.says(/^http:\S+$/m);
    const person = await context(browser, eyes);
    const page = await person.newPage();
    await page.goto(address);
    await page.fill('#username', 'ana');
    await page.fill('#password', PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForSelector('button[value=approve]');
    assert.match(await page.innerText('main'), /Vestibule command line/);
    await page.click('button[value=approve]');
    await page.waitForURL((url) => url.pathname === '/callback');
    assert.match(await page.innerText('main'), /Go back to the terminal[\s\S]*請回到終端機/);
    await picture(page, `command-line-${name}`);
    assert.deepEqual(await accessibility(page), []);
    assert.equal(await overflows(page), false);
    assert.equal(await login.ended, 0);
    await person.close();
  });
}

test('a program calls the server with the token that it is given', async () => {
  const call = `
    const body = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {},
      clientInfo: { name: 'script', version: '1' } } };
    const headers = { authorization: 'Bearer ' + process.env.VESTIBULE_TOKEN, 'content-type': 'application/json',
      accept: 'application/json, text/event-stream' };
    fetch(process.argv[1], { method: 'POST', headers, body: JSON.stringify(body) })
      .then((answer) => { console.log(answer.status); });
  `;
  const said = await run(vestibule, ['exec', 'fixture', '--', process.execPath, '-e', call, door.endpoint], { env });
  assert.equal(said.trim(), '200');
  const header = ['exec', 'fixture', '--header', '--', 'curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', '@{}',
    `${door.url}/mcp/fixture`];
  assert.notEqual((await run(vestibule, header, { env })).trim(), '401');
  assert.match(await run(vestibule, ['logout', '--all'], { env }), /taken back/);
});

test('tokens lie in the keyring of the desktop, and nobody waits for one that hangs (CC-103)', async (t) => {
  const keyring = await Keyring.open();
  t.after(() => keyring.close());
  const login = async (...words) => {
    const program = new Program(vestibule, ['login', door.endpoint, '--json', '--no-browser', ...words], { env: keyring.env });
    const [address] = await program.says(/^http:\S+$/m);
    await fetch(await new Person().approve(new URL(address)));
    assert.equal(await program.ended, 0, program.output);
    return program.output;
  };
  assert.match(await login(), /"store": "keyring"/);
  const token = (await run(vestibule, ['token', 'fixture'], { env: keyring.env })).trim();
  assert.match(token, /^eyJ/);
  const folder = join(keyring.folder, 'config', 'vestibule');
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const text = readFileSync(join(file.parentPath, file.name), 'utf8');
    assert.ok(!text.includes('vst_') && !text.includes(token), file.name);
  }

  keyring.hang();
  const began = Date.now();
  const words = ['login', door.endpoint, '--store', 'keyring'];
  await assert.rejects(run(vestibule, words, { env: keyring.env }), /the keyring does not work: no answer within 2 s/);
  assert.ok(Date.now() - began < 20_000);
});
