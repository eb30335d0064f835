// A service that checks names and passwords, and an account linked to somebody there by its owner, in a real browser.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { accessibility, context, launch, overflows, picture } from '../lib/browser.mjs';
import { Door, PASSWORD } from '../lib/door.mjs';

const TOKEN = 'what the door shows the service';
const THERE = 'a password of the service';
const people = { dora: { subject: '4711', groups: ['dev'] }, emil: { subject: '4712', groups: [] } };

// As docs/sign-in.md has it.
const service = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const answer = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  if (request.headers.authorization !== `Bearer ${TOKEN}`) return answer(500, {});
  const { username, password } = JSON.parse(Buffer.concat(chunks));
  const person = people[username];
  if (!person) return answer(404, {});
  return password === THERE ? answer(200, { username, ...person }) : answer(401, {});
});

let door;
let browser;
before(async () => {
  await new Promise((resolve) => service.listen(0, '127.0.0.1', resolve));
  door = await Door.open({
    config: `
sign_in:
  directories:
    corp:
      kind: http
      name: Example Corp
      url: http://127.0.0.1:${service.address().port}/check
      token_file: service-token
      groups: { dev: developers }
`,
    files: { 'service-token': TOKEN },
  });
  browser = await launch();
});
after(async () => {
  await browser.close();
  await door.close();
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
});

async function look(page, name) {
  await picture(page, `directory-${name}`);
  assert.deepEqual(await accessibility(page), [], name);
  assert.equal(await overflows(page), false, `${name} needs sideways scrolling`);
}

async function signIn(page, username, password) {
  await page.goto(`${door.url}/sign-in`);
  await page.fill('#username', username);
  await page.fill('#password', password);
  await page.click('main form:last-of-type button');
}

const EYES = {
  light: {},
  'phone-dark-zh': { phone: true, dark: true, language: 'zh-TW' },
};

for (const [eyes, options] of Object.entries(EYES)) {
  test(`an account is linked with a name and a password there, and the link taken away (${eyes})`, async () => {
    const person = await context(browser, options);
    const page = await person.newPage();
    await signIn(page, 'eve', PASSWORD);
    await page.waitForURL(`${door.url}/`);
    await page.goto(`${door.url}/account`);
    await look(page, `${eyes}-account`);
    const link = async (password) => {
      await page.fill('#corp-password', password);
      await page.click('form[action="/account/company/corp/link"] button');
    };
    await page.click('summary >> nth=0');
    await look(page, `${eyes}-form`);
    await page.fill('#corp-username', 'dora');
    await link('not hers');
    // The form is open still, with the reason in it, and wants the password alone.
    await page.waitForSelector('form[action="/account/company/corp/link"] [role=alert]');
    assert.equal(await page.inputValue('#corp-username'), 'dora');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'corp-password');
    await look(page, `${eyes}-wrong`);
    await link(THERE);
    await page.waitForSelector('form[action="/account/company/corp/unlink"]');
    await look(page, `${eyes}-linked`);

    const there = await context(browser);
    const other = await there.newPage();
    await signIn(other, 'dora', THERE);
    await other.waitForURL(`${door.url}/`);
    await other.goto(`${door.url}/account`);
    assert.equal(await other.locator('dd', { hasText: /^eve$/ }).count(), 1);
    await there.close();

    await page.click('form[action="/account/company/corp/unlink"] button');
    await page.waitForSelector('form[action="/account/company/corp/link"]', { state: 'attached' });
    await person.close();
  });
}

test('who is known there and has no account here is told so', async () => {
  const person = await context(browser);
  const page = await person.newPage();
  await signIn(page, 'emil', THERE);
  await page.waitForSelector('text=company_refused');
  await look(page, 'refused');
  await person.close();
});
