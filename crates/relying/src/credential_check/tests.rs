use super::*;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const PASSWORD: &str = "Ana's own \"pass\\word\"";

/// A service that says what a test wrote, byte for byte, to one request after the other.
struct Service {
    url: String,
    says: Arc<Mutex<String>>,
    heard: Arc<Mutex<Vec<String>>>,
    _answering: JoinSet<()>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (says, heard) = (
            Arc::<Mutex<String>>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let (script, record) = (Arc::clone(&says), Arc::clone(&heard));
        let mut answering = JoinSet::new();
        answering.spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                record.lock().unwrap().push(request);
                let text = script.lock().unwrap().clone();
                let _ = stream.write_all(text.as_bytes()).await;
                // What says nothing, or not all of it, stays open.
                held.push(stream);
            }
        });
        Self {
            url,
            says,
            heard,
            _answering: answering,
        }
    }

    fn answers(&self, status: &str, body: &str) {
        self.headed(status, "", body);
    }

    fn headed(&self, status: &str, head: &str, body: &str) {
        let length = body.len();
        self.says(&format!(
            "HTTP/1.1 {status}\r\n{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ));
    }

    fn says(&self, text: &str) {
        text.clone_into(&mut self.says.lock().unwrap());
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    fn check(&self, groups: bool) -> CredentialCheck {
        let secret = Secret::Bearer("the door's own".to_owned().into());
        self.checked_with(secret, groups)
    }

    fn checked_with(&self, secret: Secret, groups: bool) -> CredentialCheck {
        let at = CheckedAt {
            url: format!("{}/check", self.url).parse().unwrap(),
            lookup_url: Some(format!("{}/lookup", self.url).parse().unwrap()),
            secret,
            groups,
        };
        let egress = Egress {
            connect_time: Duration::from_secs(3),
            ..Egress::default()
        };
        let client = Operators::new(&egress).unwrap();
        CredentialCheck::new(at, egress, client)
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).await.unwrap_or_default();
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.map_or(0, |length| length.parse().unwrap())
        });
        if count == 0 || whole {
            return text;
        }
    }
}

fn right() -> SecretString {
    PASSWORD.to_owned().into()
}

/// One question with both, in a body, to the address that the operator named; and what the answer says of whoever it is.
#[tokio::test]
async fn a_right_password_says_who_it_is() {
    let service = Service::start().await;
    let check = service.check(true);
    service.answers(
        "200 OK",
        r#"{"subject":"4711","username":" ana ","name":"Ana Alves","email":"ana@example.com","email_verified":true,"groups":["dev","ops"],"more":{"a":1}}"#,
    );
    let Checked::Right(person) = check.check("Ana\"+x", &right()).await.unwrap() else {
        panic!("the password is right")
    };
    let wanted = Profile {
        subject: "4711".to_owned(),
        username: Some("ana".to_owned()),
        name: Some("Ana Alves".to_owned()),
        email: Some("ana@example.com".to_owned()),
        email_verified: true,
        groups: vec!["dev".to_owned(), "ops".to_owned()],
        amr: Some("pwd".to_owned()),
        ..Profile::default()
    };
    assert_eq!(*person, wanted);
    let [request] = &service.heard()[..] else {
        panic!("one question")
    };
    let (head, content) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /check HTTP/1.1\r\n"), "{head}");
    for line in [
        "authorization: Bearer the door's own",
        "content-type: application/json",
        "user-agent: vestibule",
    ] {
        assert!(head.lines().any(|it| it == line), "{line}: {head}");
    }
    let content: Value = serde_json::from_str(content).unwrap();
    assert_eq!(
        content,
        json!({ "username": "Ana\"+x", "password": PASSWORD }),
        "and nothing more"
    );
    assert!(
        !format!("{check:?}").contains("the door's own"),
        "a secret does not print"
    );

    let basic = Secret::Basic("door".to_owned(), "it's own".to_owned().into());
    let check = service.checked_with(basic, false);
    service.answers(
        "200 OK",
        r#"{"subject":4711,"email":"not one","email_verified":true}"#,
    );
    let Checked::Right(person) = check.check("ana", &right()).await.unwrap() else {
        panic!("the password is right")
    };
    assert_eq!(
        (person.subject.as_str(), person.email, person.email_verified),
        ("4711", None, false)
    );
    // RFC 7617 section 2.
    let wanted = format!("authorization: Basic {}", BASE64.encode(b"door:it's own"));
    let heard = service.heard();
    assert!(heard[0].lines().any(|line| line == wanted), "{heard:?}");
}

#[tokio::test]
async fn wrong_is_what_the_service_says_is_wrong() {
    let service = Service::start().await;
    let check = service.check(true);
    for status in ["401 Unauthorized", "403 Forbidden"] {
        service.answers(status, "<html>no</html>");
        let checked = check.check("ana", &right()).await.unwrap();
        assert_eq!(checked, Checked::Wrong(status.to_owned()));
    }
    service.headed("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "");
    let Checked::Wrong(why) = check.check("ana", &right()).await.unwrap() else {
        panic!("refused")
    };
    assert!(why.contains("the door's own secret"), "{why}");
    service.answers("404 Not Found", "");
    assert_eq!(check.check("ana", &right()).await.unwrap(), Checked::Nobody);
}

/// Everything else says nothing of anybody: it is no wrong password, and least of all a right one.
#[tokio::test]
async fn an_answer_that_is_none_says_nothing_of_a_password() {
    let service = Service::start().await;
    let check = service.check(true);
    let many = json!({ "subject": "1", "groups": vec!["g"; 1001] }).to_string();
    let long = json!({ "subject": "1", "groups": [], "name": "n".repeat(LARGEST) }).to_string();
    for (status, body, why) in [
        ("200 OK", "", "no JSON object"),
        ("200 OK", "<html>Welcome</html>", "no JSON object"),
        ("200 OK", "true", "no JSON object"),
        ("200 OK", r#"["subject"]"#, "no JSON object"),
        ("200 OK", r#"{"groups":[]}"#, "no `subject`"),
        ("200 OK", r#"{"subject":"","groups":[]}"#, "no `subject`"),
        ("200 OK", r#"{"subject":" ","groups":[]}"#, "no `subject`"),
        ("200 OK", r#"{"subject":null,"groups":[]}"#, "no `subject`"),
        ("200 OK", r#"{"subject":true,"groups":[]}"#, "no `subject`"),
        ("200 OK", r#"{"subject":1.5,"groups":[]}"#, "no `subject`"),
        ("200 OK", r#"{"subject":"a\u0000b","groups":[]}"#, "no `subject`"),
        ("200 OK", r#"{"subject":"1"}"#, "no `groups`"),
        ("200 OK", r#"{"subject":"1","groups":"dev"}"#, "no list"),
        (
            "200 OK",
            r#"{"subject":"1","groups":["dev",1]}"#,
            "no list of texts",
        ),
        (
            "200 OK",
            r#"{"subject":"1","groups":[],"username":{"a":1}}"#,
            "`username` is no text",
        ),
        ("200 OK", &many, "more than 1000 groups"),
        ("200 OK", &long, "larger than"),
        ("201 Created", r#"{"subject":"1","groups":[]}"#, "201"),
        ("204 No Content", "", "204"),
        ("302 Found", "", "nobody is sent there"),
        ("307 Temporary Redirect", "", "nobody is sent there"),
        ("400 Bad Request", "", "400"),
    ] {
        service.headed(status, "Location: /elsewhere\r\n", body);
        let error = check.check("ana", &right()).await.unwrap_err();
        assert!(
            matches!(error, CheckError::Answer(_)) && error.to_string().contains(why),
            "{status} {why}: {error}"
        );
        assert_eq!(service.heard().len(), 1, "{status}: nobody goes elsewhere");
    }
    for status in [
        "429 Too Many Requests",
        "500 Oops",
        "502 Bad Gateway",
        "503 Service Unavailable",
    ] {
        service.answers(status, r#"{"subject":"1","groups":[]}"#);
        let error = check.check("ana", &right()).await.unwrap_err();
        assert!(matches!(error, CheckError::Unreachable(_)), "{status}: {error}");
    }
    service.says("SSH-2.0-OpenSSH\r\n\r\n");
    let error = check.check("ana", &right()).await.unwrap_err();
    assert!(matches!(error, CheckError::Unreachable(_)), "{error}");
}

/// A service that takes its time, before its answer or within it.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_slow_is_given_up() {
    for said in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"subject\":\"1\"",
    ] {
        let service = Service::start().await;
        service.says(said);
        let error = service.check(false).check("ana", &right()).await.unwrap_err();
        assert!(matches!(error, CheckError::Unreachable(_)), "{said}: {error}");
    }
}

/// Nobody is gone because an address is wrong: that takes an answer that names whom it is about.
#[tokio::test]
async fn who_is_gone_is_said_of_somebody() {
    let service = Service::start().await;
    let check = service.check(true);
    service.answers("200 OK", r#"{"subject":"4711","groups":["dev"]}"#);
    let person = check.look_again("4711").await.unwrap().unwrap();
    assert_eq!(person.groups, ["dev"]);
    let heard = service.heard();
    assert!(heard[0].starts_with("POST /lookup "), "{heard:?}");
    assert!(heard[0].ends_with("\r\n\r\n{\"subject\":\"4711\"}"), "{heard:?}");
    service.answers("404 Not Found", r#"{"subject":"4711"}"#);
    assert_eq!(check.look_again("4711").await, Ok(None));
    service.answers("404 Not Found", r#"{"subject":4711}"#);
    assert_eq!(check.look_again("4711").await, Ok(None));
    for (status, body, why) in [
        (
            "200 OK",
            r#"{"subject":"4712","groups":["dev"]}"#,
            "another `subject`",
        ),
        ("404 Not Found", r#"{"subject":"4712"}"#, "another `subject`"),
        (
            "404 Not Found",
            "<html>nothing here</html>",
            "is `lookup_url` right?",
        ),
        ("404 Not Found", "{}", "is `lookup_url` right?"),
        ("401 Unauthorized", r#"{"subject":"4711"}"#, "401"),
        ("403 Forbidden", r#"{"subject":"4711"}"#, "403"),
        ("410 Gone", r#"{"subject":"4711"}"#, "410"),
    ] {
        service.answers(status, body);
        let error = check.look_again("4711").await.unwrap_err();
        assert!(
            matches!(error, CheckError::Answer(_)) && error.to_string().contains(why),
            "{status} {body}: {error}"
        );
    }
}

#[tokio::test]
async fn looking_at_it_finds_what_is_wrong() {
    let service = Service::start().await;
    let check = service.check(true);
    let seen = async || {
        let seen = check.examine("nobody-1").await;
        seen.into_iter()
            .map(|(_, found)| found.err().map(|error| error.to_string()))
            .collect::<Vec<_>>()
    };
    service.answers("404 Not Found", r#"{"subject":"nobody-1"}"#);
    assert_eq!(seen().await, [None, None]);
    service.answers("200 OK", r#"{"subject":"nobody-1","groups":[]}"#);
    let found = seen().await;
    assert!(found[0].as_ref().unwrap().contains("any password"), "{found:?}");
    assert!(found[1].as_ref().unwrap().contains("knows somebody"), "{found:?}");
    service.answers("401 Unauthorized", "");
    let found = seen().await;
    assert!(
        found[0].is_none() && found[1].as_ref().unwrap().contains("401"),
        "{found:?}"
    );
}
