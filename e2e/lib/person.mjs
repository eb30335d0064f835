// A person without a browser: follows redirects, keeps cookies, fills in the real forms. For tests in
// which the browser is not what is tested.
import assert from 'node:assert/strict';
import { PASSWORD } from './door.mjs';

const decode = (text) =>
  text.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/&#x([0-9a-f]+);/gi, (_, code) => String.fromCodePoint(parseInt(code, 16)))
    .replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');

const attribute = (tag, name) => {
  const match = tag.match(new RegExp(`\\s${name}="([^"]*)"`));
  return match && decode(match[1]);
};

// What a page shows at which the walk ends: a link to a program's own scheme, or an address to be copied (CC-50,
// CC-57).
const shownAddress = (page) => {
  const link = page.match(/<a class="button" href="([^"]+)" rel="noreferrer">/);
  const shown = link ?? page.match(/<pre[^>]*><code>([^<]+)</);
  return shown && decode(shown[1]);
};

export class Person {
  constructor(username = 'ana', password = PASSWORD) {
    Object.assign(this, { username, password, cookies: new Map(), pages: [] });
  }

  async request(url, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { accept: 'text/html', 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Person', ...options.headers };
    if (cookie) headers.cookie = cookie;
    const response = await fetch(url, { redirect: 'manual', ...options, headers });
    this.last = response;
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      if (/max-age=0/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }

  // Walks from an authorization URL to the redirect to the client, and gives its address unopened; of a program without a
  // browser, from the address with its code to the page that says that it is done.
  async approve(url, { decision = 'approve' } = {}) {
    const door = new URL(url).origin;
    let response = await this.request(url);
    for (let step = 0; step < 12; step += 1) {
      if (new URL(response.url).pathname === '/device/done') return response.url;
      if (response.status >= 300 && response.status < 400) {
        const next = new URL(response.headers.get('location'), door);
        if (next.origin !== door) return next.href;
        response = await this.request(next);
        continue;
      }
      const page = await response.text();
      this.pages.push(page);
      assert.equal(response.status, 200, page);
      const address = shownAddress(page);
      if (address) return address;
      response = await this.submit(door, page, decision);
    }
    throw new Error('walked in circles');
  }

  async submit(door, page, decision) {
    const form = page.match(/<form[^>]*action="\/(?:sign-in|consent|device|logout|connect\/later)[\s\S]*?<\/form>/)?.[0];
    assert.ok(form, page);
    const action = new URL(attribute(form.match(/<form[^>]*>/)[0], 'action'), door);
    const body = new URLSearchParams();
    for (const [tag] of form.matchAll(/<input[^>]*>/g)) {
      const [name, type] = [attribute(tag, 'name'), attribute(tag, 'type')];
      if (name === 'username') body.set(name, this.username);
      else if (name === 'password') body.set(name, this.password);
      else if (type === 'radio') body.set(name, this.server ?? attribute(tag, 'value'));
      else if (name) body.set(name, attribute(tag, 'value') ?? '');
    }
    const buttons = [...form.matchAll(/<button[^>]*>/g)].map(([tag]) => tag);
    const button = buttons.find((tag) => attribute(tag, 'value') === decision);
    if (button) body.set(attribute(button, 'name'), decision);
    return this.request(action, {
      method: 'POST',
      body,
      headers: { origin: door, 'sec-fetch-site': 'same-origin' },
    });
  }

  // The same, and opens the client's own callback.
  async approveAndReturn(url) {
    const callback = await this.approve(url);
    const response = await fetch(callback);
    return { callback, status: response.status };
  }

  // Ends what a client may do, on the person's own page.
  async endApp(door, client) {
    const page = await (await this.request(`${door}/apps`)).text();
    const row = page.split('<li class="card row">').find((part) => part.includes(`<h2>${client} `));
    assert.ok(row, page);
    const fields = [...row.matchAll(/<input[^>]*>/g)].map(([tag]) => [attribute(tag, 'name'), attribute(tag, 'value')]);
    const headers = { origin: door, 'sec-fetch-site': 'same-origin' };
    const body = new URLSearchParams(fields);
    const response = await this.request(`${door}/apps/revoke`, { method: 'POST', body, headers });
    assert.equal(response.status, 303);
  }
}
