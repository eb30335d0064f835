use super::*;
use keys::{Algorithm, SigningKey, jws};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

#[tokio::test]
async fn who_hangs_up_in_the_middle_keeps_nobody_from_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let client = Operators::new(&net::Egress::default()).unwrap();
    let source = Source::At(Url::parse(&url).unwrap());
    let set = KeySet::new(source, client, Duration::from_hours(1));
    let (key, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let text = jws::sign(&key, "at+jwt", &json!({ "sub": "u1" })).unwrap();
    let token = Compact::parse(&text).unwrap();

    let mut stream = tokio::select! {
        verdict = set.verify(&token, &["ES256"], NOW, NOW) => panic!("{verdict:?} without an answer"),
        accepted = listener.accept() => accepted.unwrap().0,
    };
    let answers = async {
        let mut head = [0; 4096];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        let body = json!({ "keys": [key.public_jwk()] }).to_string();
        let length = body.len();
        let text = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
    };
    let (verdict, ()) = tokio::join!(set.verify(&token, &["ES256"], NOW, NOW), answers);
    assert_eq!(verdict, Ok(()));
}
