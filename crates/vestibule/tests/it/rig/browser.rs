//! A person's browser: cookies, real forms, no scripts.

use std::collections::BTreeMap;

use super::{Ask, Door, PASSWORD, Reply};

/// A browser with its cookies.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    door: &'a Door,
    pub(crate) cookies: BTreeMap<String, String>,
    /// The last page.
    pub(crate) page: String,
}

/// A form as it stands in a page.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl<'a> Browser<'a> {
    pub(crate) fn new(door: &'a Door) -> Self {
        Self {
            door,
            cookies: BTreeMap::new(),
            page: String::new(),
        }
    }

    /// What the pages' forms say they come from.
    pub(crate) fn origin(&self) -> String {
        self.door.url.clone()
    }

    /// Sends a request with this browser's cookies and keeps those of the answer.
    pub(crate) async fn send(&mut self, ask: Ask) -> Reply {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let host = self.door.url.split("//").nth(1).unwrap_or_default();
        let mut ask = ask
            .with("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Test")
            .with("host", host);
        if !cookies.is_empty() {
            ask = ask.with("cookie", cookies.join("; "));
        }
        let reply = self.door.ask(ask).await;
        for value in reply.headers.get_all("set-cookie") {
            let (pair, attributes) = value.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        self.page.clone_from(&reply.body);
        reply
    }

    pub(crate) async fn get(&mut self, target: &str) -> Reply {
        self.send(Ask::get(target)).await
    }

    /// The form with this action in the last page.
    pub(crate) fn form(&self, action: &str) -> Form {
        let found = self.page.split("<form ").skip(1).find_map(|rest| {
            let form = rest.split("</form>").next()?;
            let target = attribute(form.split('>').next()?, "action")?;
            target.starts_with(action).then_some((target, form))
        });
        let (action, form) = found.unwrap_or_else(|| panic!("no form {action} in {}", self.page));
        let fields = form.split("<input ").skip(1).filter_map(|rest| {
            let tag = rest.split('>').next()?;
            Some((
                attribute(tag, "name")?,
                attribute(tag, "value").unwrap_or_default(),
            ))
        });
        Form {
            fields: fields.collect(),
            action,
        }
    }

    /// Sends a form as a page of the door's own would.
    pub(crate) async fn submit(&mut self, form: &Form) -> Reply {
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let ask = Ask::form(&form.action, &fields)
            .with("origin", self.door.url.clone())
            .with("sec-fetch-site", "same-origin");
        self.send(ask).await
    }

    /// Signs in at the form of the last page.
    pub(crate) async fn fill_in(&mut self, username: &str, password: &str) -> Reply {
        let mut form = self
            .form("/sign-in")
            .set("username", username)
            .set("password", password);
        // The buttons of providers stand above the form for passwords, and are forms to the same address.
        form.fields.retain(|(name, _)| name != "provider");
        self.submit(&form).await
    }

    /// Signs in at the front page.
    pub(crate) async fn sign_in(&mut self, username: &str) {
        self.get("/sign-in").await;
        let reply = self.fill_in(username, PASSWORD).await;
        assert_eq!((reply.status, reply.location()), (303, "/"), "{}", self.page);
    }

    /// Opens an authorization request and signs in if asked, up to what comes then: a consent page or a
    /// redirect.
    pub(crate) async fn authorize(&mut self, target: &str, username: &str) -> Reply {
        let reply = self.get(target).await;
        if reply.status != 200 || !self.page.contains("action=\"/sign-in") {
            return reply;
        }
        let reply = self.fill_in(username, PASSWORD).await;
        assert_eq!(reply.status, 303, "{}", self.page);
        let next = reply.location().to_owned();
        self.get(&next).await
    }

    /// Answers the consent page.
    pub(crate) async fn answer(&mut self, answer: &str) -> Reply {
        let form = self.form("/consent").set("answer", answer);
        self.submit(&form).await
    }

    /// Types the code of a device at the address that it showed, and answers; gives the question (RFC 8628).
    pub(crate) async fn answers_code(&mut self, address: &str, code: &str, answer: &str) -> String {
        let target = address.split_once("/device").unwrap().1;
        self.get(&format!("/device{target}")).await;
        let form = self.form("/device").set("user_code", code);
        let next = self.submit(&form).await.location().to_owned();
        self.get(&next).await;
        let question = self.page.clone();
        assert_eq!(self.answer(answer).await.status, 303, "{question}");
        question
    }

    /// The way back to the client after a no.
    pub(crate) async fn answer_no(&mut self, target: &str) -> String {
        self.get(target).await;
        self.answer("deny").await.location().to_owned()
    }

    /// From an authorization request to the way back to the client, with nothing connected on the way.
    pub(crate) async fn approve(&mut self, target: &str, username: &str) -> String {
        let mut reply = self.authorize(target, username).await;
        if reply.status == 200 {
            reply = self.answer("approve").await;
        }
        if reply.status == 200 && self.page.contains("action=\"/connect/later\"") {
            let form = self.form("/connect/later");
            reply = self.submit(&form).await;
        }
        assert_eq!(reply.status, 303, "{}", self.page);
        reply.location().to_owned()
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
    let text = value
        .replace("&#38;", "&")
        .replace("&amp;", "&")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'");
    Some(text)
}
