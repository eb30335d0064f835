//! What tests need and a new machine has not: Debian packages, npm packages, Python packages. Whatever is
//! installed is said; what cannot be is said too, with the command that would do it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};

use crate::command::{output, program, root, run};

/// Debian packages, each with a file that shows that it is there.
const DEBIAN: [(&str, &str); 12] = [
    ("chromium", "/usr/bin/chromium"),
    ("curl", "/usr/bin/curl"),
    ("dbus-bin", "/usr/bin/dbus-send"),
    ("dbus-daemon", "/usr/bin/dbus-daemon"),
    (
        "fonts-noto-cjk",
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    ),
    ("git", "/usr/lib/git-core/git-http-backend"),
    ("gnome-keyring", "/usr/bin/gnome-keyring-daemon"),
    ("ldap-utils", "/usr/bin/ldapmodify"),
    ("postgresql", "/usr/lib/postgresql"),
    ("python3-venv", "/usr/share/doc/python3-venv"),
    ("slapd", "/usr/sbin/slapd"),
    ("tmux", "/usr/bin/tmux"),
];

/// What `cargo xtask bench` needs beside.
const BENCHMARKS: [(&str, &str); 4] = [
    ("haproxy", "/usr/sbin/haproxy"),
    ("nginx-light", "/usr/sbin/nginx"),
    ("postgresql", "/usr/lib/postgresql"),
    ("wrk", "/usr/bin/wrk"),
];

/// What the API server of `cargo xtask real` keeps its things in.
const ETCD: [(&str, &str); 1] = [("etcd-server", "/usr/bin/etcd")];

/// What compiles and links for Windows.
const WINDOWS: [(&str, &str); 2] = [
    ("gcc-mingw-w64-x86-64", "/usr/bin/x86_64-w64-mingw32-gcc"),
    ("nasm", "/usr/bin/nasm"),
];

/// What runs it.
const WINE: [(&str, &str); 2] = [("wine", "/usr/bin/wine"), ("wine64", "/usr/lib/wine/wine64")];

/// The official Python SDK in both of its majors, each in an environment of its own.
const PYTHON: [&str; 2] = ["1", "2"];

/// A tool from the crates registry.
pub(crate) const DENY: (&str, &str) = ("cargo-deny", "0.20.2");

/// Installs what tests need of Debian's packages.
pub(crate) fn debian() -> anyhow::Result<()> {
    packages(&DEBIAN)
}

/// Installs what the benchmark needs of them.
pub(crate) fn benchmarks() -> anyhow::Result<()> {
    packages(&BENCHMARKS)
}

/// Installs what `cargo xtask real` needs of them beside.
pub(crate) fn etcd() -> anyhow::Result<()> {
    packages(&ETCD)
}

/// Installs what compiles for Windows.
pub(crate) fn windows() -> anyhow::Result<()> {
    packages(&WINDOWS)
}

/// Installs what runs that.
pub(crate) fn wine() -> anyhow::Result<()> {
    packages(&WINE)
}

fn packages(wanted: &[(&'static str, &str)]) -> anyhow::Result<()> {
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(_, file)| !Path::new(file).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        anstream::eprintln!("Debian packages: all there");
        return Ok(());
    }
    let list = missing.join(" ");
    anstream::eprintln!("Debian packages: installing {list}");
    let by_hand = format!("install them by hand: sudo apt-get install --no-install-recommends {list}");
    if !rustix::process::geteuid().is_root() {
        bail!("Debian packages are missing and only root may install them; {by_hand}");
    }
    let apt = || {
        let mut command = program("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null());
        command
    };
    run(apt().args(["update", "-q"])).with_context(|| by_hand.clone())?;
    run(apt()
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(missing))
    .context(by_hand)
}

/// Installs the pinned npm packages of e2e, among them a Node that is new enough for the conformance suite.
pub(crate) fn npm() -> anyhow::Result<()> {
    let e2e = root().join("e2e");
    let wanted = std::fs::read_to_string(e2e.join("package-lock.json"))?;
    let stamp = e2e.join("node_modules").join(".installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        anstream::println!("npm packages: all there");
        return Ok(());
    }
    anstream::println!("npm packages: installing what e2e/package-lock.json pins");
    run(program("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&e2e))
    .context("npm is needed; Debian's nodejs and npm will do, or any Node with npm")?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// Installs the pinned Python packages of e2e.
pub(crate) fn python() -> anyhow::Result<()> {
    for major in PYTHON {
        let requirements = root().join("e2e").join(format!("python-sdk-{major}.txt"));
        let wanted = std::fs::read_to_string(&requirements)?;
        let venv = root().join("e2e").join(".venv").join(major);
        let stamp = venv.join("installed");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            anstream::println!("Python packages of SDK {major}: all there");
            continue;
        }
        anstream::println!("Python packages of SDK {major}: installing what e2e/python-sdk-{major}.txt pins");
        run(program("/usr/bin/python3")
            .args(["-m", "venv", "--clear"])
            .arg(&venv))?;
        run(program(venv.join("bin/pip"))
            .args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "-r",
            ])
            .arg(&requirements))?;
        std::fs::write(stamp, wanted)?;
    }
    Ok(())
}

/// Installs a pinned tool from the crates registry into `.cache`, and gives its path.
pub(crate) fn cargo_tool((name, version): (&str, &str)) -> anyhow::Result<PathBuf> {
    let home = root().join(".cache").join(format!("{name}-{version}"));
    let path = home.join("bin").join(name);
    if !path.exists() {
        anstream::println!("{name} {version}: installing from the crates registry");
        run(crate::command::cargo()
            .args([
                "install",
                "--quiet",
                "--locked",
                "--no-track",
                "--version",
                version,
                "--root",
            ])
            .arg(&home)
            .arg(name))?;
    }
    output(program(&path).arg("--version"))?;
    Ok(path)
}

/// What makes a profile of counts, of the very LLVM that compiles.
pub(crate) fn profdata(host: &str) -> anyhow::Result<PathBuf> {
    let toolchain = output(program("rustc").args(["--print", "sysroot"]))?;
    let path = Path::new(toolchain.trim()).join(format!("lib/rustlib/{host}/bin/llvm-profdata"));
    if !path.exists() {
        anstream::eprintln!("llvm-tools: installing by rustup");
        run(program("rustup").args(["component", "add", "llvm-tools"])).context(
            "what counts are read with is missing; rustup component add llvm-tools would bring it",
        )?;
    }
    output(program(&path).arg("--version"))?;
    Ok(path)
}

/// The Node that npm brought.
pub(crate) fn node() -> PathBuf {
    root().join("e2e/node_modules/.bin/node")
}
