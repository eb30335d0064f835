// A program without a browser and a person with a real one: the command line shows a code, the person types it, sees who asks,
// and answers. Every page is photographed and checked for accessibility.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { accessibility, context, launch, overflows, picture } from '../lib/browser.mjs';
import { Door, PASSWORD, vestibule } from '../lib/door.mjs';
import { Program } from '../lib/process.mjs';

let door;
let browser;
before(async () => {
  door = await Door.open();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await door?.close();
});

async function look(page, name) {
  await picture(page, `device-${name}`);
  assert.deepEqual(await accessibility(page), [], name);
  assert.equal(await overflows(page), false, `${name} needs sideways scrolling`);
}

// Somewhere without a browser.
async function login(t, ...words) {
  const home = mkdtempSync(join(tmpdir(), 'vestibule-home-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const env = { ...process.env, VESTIBULE_HOME: home, VESTIBULE_STORE: 'file', SSH_CONNECTION: '10.0.0.9 1 10.0.0.1 22' };
  const program = new Program(vestibule, ['login', door.endpoint, '--json', ...words], { env });
  t.after(() => program.stop());
  const [, code] = await program.says(/this code: (\S+)/);
  return { program, code };
}

async function signIn(page) {
  await page.fill('#username', 'ana');
  await page.fill('#password', PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#user_code');
}

const EYES = {
  light: {},
  dark: { dark: true },
  phone: { phone: true },
  'phone-dark-zh': { phone: true, dark: true, language: 'zh-TW' },
};

for (const [eyes, options] of Object.entries(EYES)) {
  // CC-99, OS-93, OS-96, OS-98.
  test(`a code is typed and allowed (${eyes})`, async (t) => {
    const { program, code } = await login(t);
    const person = await context(browser, options);
    const page = await person.newPage();
    await page.goto(`${door.url}/device`);
    await signIn(page);
    await look(page, `${eyes}-form`);
    // With the keyboard alone: the field has the focus.
    await page.keyboard.type('bbbb bbbb');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]');
    await look(page, `${eyes}-wrong`);
    await page.fill('#user_code', code.toLowerCase().replace('-', ''));
    await page.keyboard.press('Enter');
    await page.waitForSelector('button[value=approve]');
    await page.reload();
    await look(page, `${eyes}-consent`);
    const text = await page.innerText('main');
    for (const shown of [code, '127.0.0.1', 'Vestibule command line', 'Test fixture', 'ana']) {
      assert.ok(text.includes(shown), `${shown} in ${text}`);
    }
    assert.match(text, options.language ? /未經驗證的程式/ : /Unverified program/);
    await page.click('button[value=approve]');
    await page.waitForURL((url) => url.pathname === '/device/done');
    await look(page, `${eyes}-done`);
    assert.equal(await program.ended, 0, program.output);
    assert.equal(JSON.parse(program.output.slice(program.output.indexOf('{'))).username, 'ana');
    await page.goto(`${door.url}/apps`);
    await look(page, `${eyes}-apps`);
    await person.close();
  });
}

test('a code that the link carries is shown before anything happens, and no is no', async (t) => {
  const { program, code } = await login(t, '--device');
  const person = await context(browser, { phone: true });
  const page = await person.newPage();
  await page.goto(`${door.url}/device?user_code=${code}`);
  await signIn(page);
  assert.equal(await page.inputValue('#user_code'), code);
  await look(page, 'carried');
  // The button has the focus: whoever has compared goes on with one key.
  await page.keyboard.press('Enter');
  await page.waitForSelector('button[value=deny]');
  assert.ok((await page.innerText('main')).includes(code));
  await page.click('button[value=deny]');
  await page.waitForURL((url) => url.pathname === '/device/done');
  await look(page, 'denied');
  assert.equal(await program.ended, 1, program.output);
  assert.match(program.output, /declined/);
  await page.goto(`${door.url}/device/done?outcome=<script>`);
  await look(page, 'nothing');
  await person.close();
});

// A program that asks once and comes back when it is told to.
async function ask() {
  const json = { 'content-type': 'application/json' };
  const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
  const metadata = JSON.stringify({ client_name: 'Backup job', grant_types: [DEVICE_CODE] });
  const registered = await fetch(`${door.url}/register`, { method: 'POST', headers: json, body: metadata });
  const { client_id } = await registered.json();
  const asking = new URLSearchParams({ client_id, resource: door.endpoint });
  const headers = { 'user-agent': 'backup/1.0 (build-7)' };
  const asked = await fetch(`${door.url}/device_authorization`, { method: 'POST', headers, body: asking });
  const { user_code, device_code } = await asked.json();
  const fetching = new URLSearchParams({ grant_type: DEVICE_CODE, client_id, device_code });
  const answer = async () => (await fetch(`${door.url}/token`, { method: 'POST', body: fetching })).json();
  return { user_code, answer };
}

for (const [eyes, options] of Object.entries(EYES)) {
  test(`what is allowed and not fetched yet is among the apps, and is taken back (${eyes})`, async () => {
    const { user_code, answer } = await ask();
    const person = await context(browser, options);
    const page = await person.newPage();
    await page.goto(`${door.url}/device`);
    await signIn(page);
    await page.fill('#user_code', user_code);
    await page.keyboard.press('Enter');
    await page.click('button[value=approve]');
    await page.waitForURL((url) => url.pathname === '/device/done');
    await page.goto(`${door.url}/apps`);
    await look(page, `${eyes}-not-fetched`);
    const name = options.language ? '收回 Backup job 對 Test fixture 的存取權' : 'Take back what Backup job was allowed on Test fixture';
    const row = page.locator('li.row', { hasText: 'Backup job' });
    assert.match(await row.innerText(), /127\.0\.0\.1[^]*backup\/1\.0 \(build-7\)/);
    await row.getByRole('button', { name }).click();
    await page.waitForURL((url) => url.pathname === '/apps');
    await row.waitFor({ state: 'detached' });
    assert.equal((await answer()).error, 'access_denied');
    await person.close();
  });
}
