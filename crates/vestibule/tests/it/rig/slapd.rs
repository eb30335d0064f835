//! A real directory: Debian's slapd, on ports and data of a test, with TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::{Plan, eventually};

const SLAPD: &str = "/usr/sbin/slapd";
/// The password of whoever searches.
pub(crate) const SEARCHER: &str = "the searcher's own";
/// The password of everybody in it.
pub(crate) const THERE: &str = "a password of the directory";
const ADMIN: &str = "cn=admin,dc=example,dc=com";

/// Who is in it: Dora in `dev`, which is in `engineering`, which is in `everybody`, which is in `engineering`; Ana, who has a
/// namesake here; two twins; Lock, who is locked out; and a part of the tree that is elsewhere.
const TREE: &str = "
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example

dn: cn=vestibule,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: {SEARCHER}

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit

dn: ou=others,ou=people,dc=example,dc=com
objectClass: organizationalUnit

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit

dn: ou=elsewhere,ou=people,dc=example,dc=com
objectClass: referral
objectClass: extensibleObject
ref: {ELSEWHERE}

dn: cn=policy,dc=example,dc=com
objectClass: device
objectClass: pwdPolicy
pwdAttribute: userPassword
pwdLockout: TRUE

{PEOPLE}
dn: cn=dev,ou=groups,dc=example,dc=com
objectClass: groupOfNames
member: uid=dora,ou=people,dc=example,dc=com
member: uid=ana,ou=people,dc=example,dc=com
member: uid=lock,ou=people,dc=example,dc=com

dn: cn=engineering,ou=groups,dc=example,dc=com
objectClass: groupOfNames
member: cn=dev,ou=groups,dc=example,dc=com
member: cn=everybody,ou=groups,dc=example,dc=com

dn: cn=everybody,ou=groups,dc=example,dc=com
objectClass: groupOfNames
member: cn=engineering,ou=groups,dc=example,dc=com
";

/// A running slapd.
pub(crate) struct Slapd {
    child: Option<Child>,
    folder: TempDir,
    plain: SocketAddr,
    tls: SocketAddr,
    /// Where it refers to for a part of the tree.
    elsewhere: TcpListener,
}

/// Connections that came to an address of their own.
pub(crate) struct Counted {
    count: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

impl Counted {
    pub(crate) fn so_far(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

fn person(dn: &str, uid: &str, more: &str) -> String {
    format!(
        "dn: {dn},ou=people,dc=example,dc=com
objectClass: inetOrgPerson
objectClass: withGuid
uid: {uid}
cn: {uid} of the directory
sn: Directory
mail: {uid}@example.com
userPassword: {THERE}
{more}
"
    )
}

/// An address at which nobody listens.
async fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

impl Slapd {
    /// One with the people above.
    pub(crate) async fn start() -> Self {
        assert!(
            Path::new(SLAPD).exists(),
            "{SLAPD} is missing: `apt-get install --no-install-recommends slapd ldap-utils`, or `cargo xtask test`"
        );
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let referred = format!(
            "ldap://{}/ou=people,dc=example,dc=com",
            elsewhere.local_addr().unwrap()
        );
        let mut slapd = Self {
            child: None,
            plain: free().await,
            tls: free().await,
            folder,
            elsewhere,
        };
        let people = [
            person("uid=dora", "dora", "objectGUID:: AAECAwQFBgcICQoLDA0ODw==\n"),
            person("uid=emil", "emil", ""),
            person("uid=ana", "ana", ""),
            person("uid=twin", "twin", ""),
            person("uid=twin,ou=others", "twin", ""),
            person("uid=lock", "lock", "pwdAccountLockedTime: 000001010000Z\n"),
        ];
        let tree = TREE
            .replace("{SEARCHER}", SEARCHER)
            .replace("{ELSEWHERE}", &referred)
            .replace("{PEOPLE}", &people.concat());
        slapd.write("tree.ldif", &tree);
        slapd.write("server.pem", &made.cert.pem());
        slapd.write("server.key", &made.signing_key.serialize_pem());
        slapd.write("slapd.conf", &slapd.configuration());
        std::fs::create_dir(slapd.folder.path().join("data")).unwrap();
        let filled = Command::new(SLAPD)
            .args(["-T", "add", "-f"])
            .arg(slapd.folder.path().join("slapd.conf"))
            .arg("-l")
            .arg(slapd.folder.path().join("tree.ldif"))
            .output()
            .await
            .unwrap();
        assert!(
            filled.status.success(),
            "{}",
            String::from_utf8_lossy(&filled.stderr)
        );
        slapd.again().await;
        slapd
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn configuration(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
attributetype ( 1.3.6.1.4.1.4203.666.1.1 NAME 'objectGUID' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.4203.666.1.2 NAME 'withGuid' SUP top AUXILIARY MAY objectGUID )
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
# No password in the clear.
security simple_bind=128
# An empty password is nobody's bind, as RFC 4513 has it: the door must not take it for a right one.
allow bind_anon_cred bind_anon_dn
database mdb
suffix \"dc=example,dc=com\"
rootdn \"{ADMIN}\"
rootpw admin
directory {folder}/data
maxsize 16777216
overlay ppolicy
ppolicy_default \"cn=policy,dc=example,dc=com\"
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=\"cn=vestibule,dc=example,dc=com\" read by * none
"
        )
    }

    /// Starts it, for the first time or again.
    pub(crate) async fn again(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(SLAPD)
            .args(["-d", "0", "-f"])
            .arg(self.folder.path().join("slapd.conf"))
            .arg("-h")
            .arg(format!("ldap://{} ldaps://{}", self.plain, self.tls))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let child = self.child.insert(child);
        let log = self.folder.path().join("log");
        eventually(async || {
            if let Some(status) = child.try_wait().unwrap() {
                let log = std::fs::read_to_string(&log).unwrap();
                panic!("slapd ended with {status}: {log}");
            }
            let connected = TcpStream::connect(self.tls).await;
            connected.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// As if its machine went.
    pub(crate) async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
        }
    }

    /// Changes something in it, in the words of LDIF.
    pub(crate) async fn change(&self, ldif: &str) {
        let mut child = Command::new("/usr/bin/ldapmodify")
            .env("LDAPTLS_CACERT", self.folder.path().join("server.pem"))
            .args(["-D", ADMIN, "-w", "admin", "-H"])
            .arg(format!("ldaps://{}", self.tls))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(ldif.as_bytes()).await.unwrap();
        drop(input);
        let output = child.wait_with_output().await.unwrap();
        assert!(
            output.status.success(),
            "{ldif}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Takes somebody out of `dev`, or puts them in.
    pub(crate) async fn member(&self, change: &str, uid: &str) {
        self.member_of("dev", change, uid).await;
    }

    /// Makes a person's entry, which is another one than any before.
    pub(crate) async fn add(&self, uid: &str) {
        let entry = person(&format!("uid={uid}"), uid, "");
        self.change(&entry.replacen('\n', "\nchangetype: add\n", 1)).await;
    }

    /// Takes a person's entry away.
    pub(crate) async fn remove(&self, uid: &str) {
        let entry = format!("dn: uid={uid},ou=people,dc=example,dc=com\nchangetype: delete\n");
        self.change(&entry).await;
    }

    /// A URL that leads to its own for TLS, and the count of connections that came that way.
    pub(crate) async fn counted(&self) -> (String, Counted) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, there) = (listener.local_addr().unwrap(), self.tls);
        let count = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&count);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut all = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                counting.fetch_add(1, Ordering::SeqCst);
                all.spawn(async move {
                    let mut to = TcpStream::connect(there).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                });
            }
        });
        let counted = Counted {
            count,
            _accepting: accepting,
        };
        (format!("ldaps://{address}"), counted)
    }

    /// The same for a group.
    pub(crate) async fn member_of(&self, group: &str, change: &str, uid: &str) {
        self.change(&format!(
            "dn: cn={group},ou=groups,dc=example,dc=com
changetype: modify
{change}: member
member: uid={uid},ou=people,dc=example,dc=com
"
        ))
        .await;
    }

    /// Whether somebody went where it refers to.
    pub(crate) async fn was_followed(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(50), self.elsewhere.accept())
            .await
            .is_ok()
    }

    /// Its URL for TLS from the beginning.
    pub(crate) fn ldaps(&self) -> String {
        format!("ldaps://{}", self.tls)
    }

    /// Its URL for a connection that begins without.
    pub(crate) fn ldap(&self) -> String {
        format!("ldap://{}", self.plain)
    }

    /// Its section of the configuration with these lines more, which say how it is reached too.
    pub(crate) fn section(name: &str, more: &str) -> String {
        format!(
            "
    {name}:
      name: Example {name}
      ca_file: server.pem
      bind_dn: cn=vestibule,dc=example,dc=com
      bind_password_file: searcher
      group_base: ou=groups,dc=example,dc=com
      {}",
            more.replace('\n', "\n      ")
        )
    }

    /// A door at which people sign in with the directory `corp`, by `StartTLS`; with these lines more.
    pub(crate) fn plan(&self, more: &str) -> Plan {
        let section = Self::section("corp", &format!("{}\n{more}", self.reached()));
        self.planned(&section)
    }

    /// How it is reached, and where people are.
    pub(crate) fn reached(&self) -> String {
        format!(
            "urls: [\"{}\"]\nstart_tls: true\nuser_base: ou=people,dc=example,dc=com",
            self.ldap()
        )
    }

    /// A door with these directories.
    pub(crate) fn planned(&self, sections: &str) -> Plan {
        let certificate = std::fs::read_to_string(self.folder.path().join("server.pem")).unwrap();
        Plan {
            config: format!("sign_in:\n  directories:{sections}"),
            files: vec![("server.pem", certificate), ("searcher", format!("{SEARCHER}\n"))],
            ..Plan::default()
        }
    }
}
