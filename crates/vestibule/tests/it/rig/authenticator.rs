//! What a person has beside their password: an app that shows codes, and a device with a passkey.
//!
//! The device is as little of an authenticator as Web Authentication Level 3 section 6 lets it be: one P-256 key, no
//! attestation, its owner verified or not as a test says.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::{Ask, Browser, Door, Reply};

/// The code that an app shows.
pub(crate) fn code(secret: &str, door: &Door) -> String {
    let secret = BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).unwrap();
    let totp = Builder::new()
        .with_secret(Secret::new_stack(secret.try_into().unwrap()))
        .build()
        .unwrap();
    let seconds = u64::try_from(door.world.now().as_seconds()).unwrap();
    totp.generate(seconds).to_string()
}

/// A device.
pub(crate) struct Device {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    handle: Vec<u8>,
    counter: u32,
    /// Whether it verifies its owner.
    pub(crate) verifies: bool,
    /// The origin that the browser says it is at.
    pub(crate) origin: String,
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

fn text(bytes: &[u8]) -> Value {
    BASE64URL_NOPAD.encode(bytes).into()
}

impl Device {
    pub(crate) fn new(door: &Door) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self {
            id: sha256(key.public_key().as_ref()),
            key,
            handle: Vec::new(),
            counter: 0,
            verifies: true,
            origin: door.url.clone(),
        }
    }

    /// Authenticator data (section 6.1): RP id hash, flags (present, verified, with a key), counter.
    fn data(&mut self, rp: &str, with_key: bool) -> Vec<u8> {
        self.counter += 1;
        let mut data = sha256(rp.as_bytes());
        data.push(0x01 | if self.verifies { 0x04 } else { 0 } | if with_key { 0x40 } else { 0 });
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }

    /// `navigator.credentials.create`.
    pub(crate) fn create(&mut self, options: &Value) -> String {
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        self.handle = BASE64URL_NOPAD
            .decode(options["user"]["id"].as_str().unwrap().as_bytes())
            .unwrap();
        let client = self.client_data("webauthn.create", options);
        let mut data = self.data(options["rp"]["id"].as_str().unwrap(), true);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        // COSE (RFC 9053 section 7.1.1): kty EC2, alg ES256, crv P-256, x, y.
        let point = self.key.public_key().as_ref().to_vec();
        data.extend([0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..]);
        let mut object = vec![0xA3];
        object.extend(b"\x63fmt\x64none\x67attStmt\xA0\x68authData\x58");
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(&data);
        let answer = json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key",
            "response": { "clientDataJSON": text(&client), "attestationObject": text(&object) },
        });
        answer.to_string()
    }

    /// `navigator.credentials.get`.
    pub(crate) fn get(&mut self, options: &Value) -> String {
        assert_eq!(options["userVerification"], "required");
        let client = self.client_data("webauthn.get", options);
        let data = self.data(options["rpId"].as_str().unwrap(), false);
        let signed = [data.clone(), sha256(&client)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let answer = json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key",
            "response": {
                "clientDataJSON": text(&client), "authenticatorData": text(&data),
                "signature": text(signature.as_ref()), "userHandle": text(&self.handle),
            },
        });
        answer.to_string()
    }

    /// Is as a copy of it would be that was used less.
    pub(crate) fn goes_back(&mut self) {
        self.counter = 0;
    }
}

impl Browser<'_> {
    /// What the page's script fetches for a form.
    pub(crate) async fn begun(&mut self, action: &str) -> Value {
        let form = self.form(action);
        let page = self.page.clone();
        let path = form.action.split('?').next().unwrap().to_owned();
        let ask = Ask::form(
            &format!("{path}/begin"),
            &[("token", form.field("token").unwrap())],
        )
        .with("origin", self.origin())
        .with("sec-fetch-site", "same-origin");
        let reply = self.send(ask).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        self.page = page;
        reply.json()
    }

    /// Adds a passkey on the account page.
    pub(crate) async fn add_passkey(&mut self, device: &mut Device, name: &str) -> Reply {
        self.get("/account").await;
        let begun = self.begun("/account/passkeys").await;
        let form = self
            .form("/account/passkeys")
            .set("ceremony", begun["ceremony"].as_str().unwrap())
            .set("credential", &device.create(&begun["options"]))
            .set("name", name);
        self.submit(&form).await
    }

    /// Signs in with a passkey at the form of the last page.
    pub(crate) async fn use_passkey(&mut self, device: &mut Device) -> Reply {
        let begun = self.begun("/sign-in/passkey").await;
        let form = self
            .form("/sign-in/passkey")
            .set("ceremony", begun["ceremony"].as_str().unwrap())
            .set("credential", &device.get(&begun["options"]));
        self.submit(&form).await
    }

    /// Sets up an app on the account page; gives its secret.
    pub(crate) async fn add_totp(&mut self, door: &Door) -> String {
        self.get("/account").await;
        let form = self.form("/account/totp/begin");
        self.submit(&form).await;
        let secret = self
            .page
            .split("<code>")
            .nth(1)
            .and_then(|rest| rest.split("</code>").next())
            .unwrap_or_else(|| panic!("no secret in {}", self.page))
            .to_owned();
        let form = self.form("/account/totp").set("code", &code(&secret, door));
        let reply = self.submit(&form).await;
        assert_eq!(
            (reply.status, reply.location()),
            (303, "/account#security"),
            "{}",
            self.page
        );
        secret
    }

    /// Types a code on the page for the second factor.
    pub(crate) async fn second(&mut self, field: &str, code: &str) -> Reply {
        let mut form = self.form("/sign-in/second");
        form.fields.retain(|(name, _)| name != "code");
        self.submit(&form.set(field, code)).await
    }
}
