// A desktop without a screen, for programs that open the browser themselves: what they would have opened is
// written down.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { until } from './until.mjs';

export class Desktop {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'vestibule-desktop-'));
    this.list = join(this.folder, 'opened');
    this.seen = 0;
    writeFileSync(this.list, '');
    const browser = join(this.folder, 'xdg-open');
    writeFileSync(browser, `#!/bin/sh\nprintf '%s\\n' "$1" >> '${this.list}'\n`);
    chmodSync(browser, 0o755);
    // Some look for xdg-open, some bring their own, which asks for BROWSER.
    this.env = { ...process.env, PATH: `${this.folder}${delimiter}${process.env.PATH}`, BROWSER: browser };
    for (const name of ['DISPLAY', 'WAYLAND_DISPLAY', 'XDG_CURRENT_DESKTOP']) delete this.env[name];
  }

  // Every address that was opened.
  get all() {
    return readFileSync(this.list, 'utf8').split('\n').slice(0, -1);
  }

  // The next one that was not asked for yet.
  async opened() {
    const next = await until('a browser is opened', () => this.all[this.seen]);
    this.seen += 1;
    return next;
  }

  close() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
