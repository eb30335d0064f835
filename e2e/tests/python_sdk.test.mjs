// The official Python SDK, old and new, unmodified: from the URL alone to a tool call, refresh, restart of the
// door, revocation, new sign-in (client-compatibility section 8).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Door } from '../lib/door.mjs';
import { Person } from '../lib/person.mjs';
import { Program } from '../lib/process.mjs';

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

// Major 2 speaks 2026-07-28 unless it is told to begin a session.
const SDKS = {
  'SDK 1': { python: here('.venv/1/bin/python'), arguments: [], speaks: '2025-11-25' },
  'SDK 2': { python: here('.venv/2/bin/python'), arguments: [], speaks: '2026-07-28' },
  'SDK 2 with sessions': { python: here('.venv/2/bin/python'), arguments: ['legacy'], speaks: '2025-11-25' },
};

let door;
before(async () => {
  door = await Door.open();
});
after(() => door.close());

// The program of lib/python_sdk.py.
class Sdk extends Program {
  constructor(sdk) {
    super(sdk.python, [here('lib/python_sdk.py'), door.endpoint, ...sdk.arguments]);
  }

  // Gives it a line and waits for its answer, as [word, the rest].
  async ask(line) {
    this.output = '';
    this.child.stdin.write(`${line}\n`);
    const [, word, rest] = await this.says(/^(open|result|expired) (.*)\n/m, 20);
    return [word, rest];
  }

  // Asks for a tool call that must succeed without a browser.
  async call() {
    return this.result(await this.ask('call'));
  }

  result([word, text]) {
    assert.equal(word, 'result', text);
    const found = JSON.parse(text);
    const { isError, is_error: isErrorToo } = found.result;
    assert.ok(!isError && !isErrorToo, text);
    return { echoed: JSON.stringify(found.result.content), ...found };
  }
}

for (const [name, sdk] of Object.entries(SDKS)) {
  // TP-45: the version that it speaks arrives at the server.
  test(`${name}: from the URL alone to a tool call, and on`, async () => {
    const program = new Sdk(sdk);
    try {
      const person = new Person();
      const signIn = async ([word, url]) => {
        assert.equal(word, 'open', url);
        const callback = await person.approve(url);
        assert.equal(new URL(callback).searchParams.get('iss'), door.url);
        return program.result(await program.ask(callback));
      };

      const first = await signIn(await program.ask('call'));
      assert.match(first.echoed, /authorization[^\]]*expected/, 'the upstream got its own credential');
      assert.doesNotMatch(first.echoed, /unexpected/);
      assert.ok(!first.echoed.includes(first.tokens.access_token), 'and never the caller\'s token');
      assert.match(first.echoed, /x-mcp-subject/i);
      assert.match(first.echoed, new RegExp(`mcp-protocol-version[^\\]]*${sdk.speaks}`));

      // A token that has run out: the SDK refreshes by itself.
      await program.ask('expire');
      const second = await program.call();
      assert.notEqual(second.tokens.access_token, first.tokens.access_token);
      assert.notEqual(second.tokens.refresh_token, first.tokens.refresh_token, 'refreshed, and rotated');

      // The door restarts: sessions, tokens and keys are what they were.
      await door.restart();
      const third = await program.call();
      assert.deepEqual(third.tokens, second.tokens);

      // An operator takes the grant back: the next call asks for a new sign-in, and then succeeds.
      const [grant] = await door.json('grant', 'list', '--user', 'ana');
      await door.cli('grant', 'revoke', grant.id);
      const fourth = await signIn(await program.ask('call'));
      assert.notEqual(fourth.tokens.refresh_token, third.tokens.refresh_token);
      assert.equal(fourth.registrations, 1, 'one registration serves all of it');
    } finally {
      await program.stop();
    }
  });

  test(`${name}: a person who is not allowed gets no token`, async () => {
    const program = new Sdk(sdk);
    try {
      const [word, url] = await program.ask('call');
      assert.equal(word, 'open', url);
      await assert.rejects(new Person('eve').approve(url), /platform@example.com/);
    } finally {
      await program.stop();
    }
  });
}
