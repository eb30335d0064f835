// A terminal that a test sits at: tmux with a server of its own, and a shell in it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.mjs';

export class Terminal {
  constructor(env) {
    this.folder = mkdtempSync(join(tmpdir(), 'vestibule-terminal-'));
    this.env = { ...env, TERM: 'xterm-256color' };
    // Without what the shell of whoever runs this has of its own.
    this.tmux('-f', '/dev/null', 'new-session', '-d', '-x', '200', '-y', '50', '/bin/sh');
  }

  tmux(...words) {
    return execFileSync('/usr/bin/tmux', ['-S', join(this.folder, 'socket'), ...words], { env: this.env, encoding: 'utf8' });
  }

  // What is typed, letter by letter, and the key behind it.
  type(text, key = 'Enter') {
    if (text) this.tmux('send-keys', '-l', text);
    if (key) this.tmux('send-keys', key);
  }

  // What stands there; long lines are whole, and with `-e` colours are escapes.
  screen(...words) {
    return this.tmux('capture-pane', '-p', '-J', '-S', '-', ...words);
  }

  // Waits until something stands there behind what was seen before; gives the match.
  async shows(pattern) {
    return until(`the terminal shows ${pattern}`, () => this.screen().match(pattern)).catch((error) => {
      throw new Error(`${error.message}:\n${this.screen()}`);
    });
  }

  // Empties it.
  async clear() {
    this.type('clear');
    this.tmux('clear-history');
    await until('the terminal is empty', () => /^[#$]\s*$/.test(this.screen()));
    this.tmux('clear-history');
  }

  close() {
    this.tmux('kill-server');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
