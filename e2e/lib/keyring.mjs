// A real Secret Service on a bus of its own: GNOME Keyring from Debian, unlocked as at a sign-in to the desktop.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program, run } from './process.mjs';
import { until } from './until.mjs';

export class Keyring {
  static async open() {
    const keyring = new Keyring();
    keyring.folder = mkdtempSync(join(tmpdir(), 'vestibule-keyring-'));
    keyring.bus = new Program('/usr/bin/dbus-daemon', ['--session', '--nofork', '--print-address=1']);
    const [address] = await keyring.bus.says(/^unix:\S+$/m);
    keyring.env = {
      ...process.env, DBUS_SESSION_BUS_ADDRESS: address, HOME: keyring.folder, XDG_RUNTIME_DIR: keyring.folder,
      XDG_DATA_HOME: join(keyring.folder, 'data'), XDG_CONFIG_HOME: join(keyring.folder, 'config'),
    };
    const words = ['--foreground', '--unlock', '--components=secrets'];
    keyring.daemon = new Program('/usr/bin/gnome-keyring-daemon', words, { env: keyring.env });
    keyring.daemon.child.stdin.end('a password of the desktop');
    await until('the keyring is on the bus', () => keyring.owns('org.freedesktop.secrets'));
    return keyring;
  }

  async owns(name) {
    const words = ['--session', '--print-reply', '--dest=org.freedesktop.DBus', '/', 'org.freedesktop.DBus.NameHasOwner'];
    const said = await run('/usr/bin/dbus-send', [...words, `string:${name}`], { env: this.env });
    return said.includes('boolean true');
  }

  // As one that waits for somebody who is not there.
  hang() {
    this.daemon.child.kill('SIGSTOP');
  }

  async close() {
    this.daemon.child.kill('SIGCONT');
    await this.daemon.stop();
    await this.bus.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
