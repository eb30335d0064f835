//! Programs without a browser (RFC 8628), from the first request to a call: OS-73 to OS-75, OS-92 to OS-98, CC-99.

use std::time::Duration;

use protocol::metadata::grants::DEVICE_CODE;
use serde_json::{Value, json};

use crate::rig::accounts::Accounts;
use crate::rig::app::claims;
use crate::rig::{App, Ask, Browser, Door, PASSWORD, Plan, Reply, Tokens};

mod attacks;
mod waiting;

/// A registered program without a browser.
#[derive(Clone)]
struct Tool {
    id: String,
    resource: String,
    host: String,
}

/// What it shows and what it keeps.
#[derive(Clone)]
struct Codes {
    device: String,
    user: String,
    complete: String,
}

impl Tool {
    async fn register(door: &Door) -> Self {
        let metadata = json!({ "client_name": "Tool", "grant_types": [DEVICE_CODE, "refresh_token"] });
        let reply = door
            .ask(Ask::json("/register", &metadata).with("host", door.host()))
            .await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let registered = reply.json();
        assert_eq!(registered["grant_types"], json!(["refresh_token", DEVICE_CODE]));
        for absent in ["redirect_uris", "response_types"] {
            assert!(registered.get(absent).is_none(), "CC-31: {registered}");
        }
        Self {
            id: registered["client_id"].as_str().unwrap().to_owned(),
            resource: door.endpoint(),
            host: door.host().to_owned(),
        }
    }

    fn asking(&self, more: &[(&str, &str)]) -> Ask {
        let mut fields = vec![
            ("client_id", self.id.as_str()),
            ("scope", "mcp offline_access"),
            ("resource", self.resource.as_str()),
        ];
        fields.retain(|(name, _)| !more.iter().any(|(known, _)| known == name));
        fields.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        Ask::form("/device_authorization", &fields)
            .with("host", self.host.as_str())
            .with("user-agent", "tool/1.0 (build-7)")
    }

    async fn ask(&self, door: &Door) -> Codes {
        Codes::of(&door.ask(self.asking(&[])).await)
    }

    fn polling(&self, codes: &Codes) -> Ask {
        let fields = [
            ("grant_type", DEVICE_CODE),
            ("device_code", codes.device.as_str()),
            ("client_id", self.id.as_str()),
        ];
        Ask::form("/token", &fields).with("host", self.host.as_str())
    }

    async fn poll(&self, door: &Door, codes: &Codes) -> Reply {
        door.ask(self.polling(codes)).await
    }
}

impl Codes {
    fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let body = reply.json();
        let text = |member: &str| body[member].as_str().unwrap().to_owned();
        assert_eq!((&body["interval"], &body["expires_in"]), (&json!(5), &json!(900)));
        Self {
            device: text("device_code"),
            user: text("user_code"),
            complete: text("verification_uri_complete"),
        }
    }
}

/// Types a code; gives what comes then, up to the question.
async fn type_in(browser: &mut Browser<'_>, code: &str) -> Reply {
    let form = browser.form("/device").set("user_code", code);
    let reply = browser.submit(&form).await;
    if reply.status != 303 {
        return reply;
    }
    let next = reply.location().to_owned();
    assert!(next.starts_with("/authorize?device="), "{next}");
    browser.get(&next).await
}

/// Where the browser ends after the answer.
async fn answered(browser: &mut Browser<'_>, answer: &str) -> String {
    let reply = browser.answer(answer).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    let end = reply.location().to_owned();
    let path = end.split("/device/").nth(1).unwrap().to_owned();
    assert_eq!(browser.get(&format!("/device/{path}")).await.status, 200);
    path
}

/// OS-36, OS-92, OS-96, OS-98.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cc_99_a_person_types_the_code_and_the_program_gets_its_tokens() {
    for door in Door::each(Plan::default()).await {
        let engine = door.engine();
        let metadata = door.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(
            metadata["device_authorization_endpoint"],
            format!("{}/device_authorization", door.url)
        );
        assert_eq!(metadata["grant_types_supported"][2], DEVICE_CODE);

        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        assert_eq!(
            codes.complete,
            format!("{}/device?user_code={}", door.url, codes.user)
        );
        let pending = tool.poll(&door, &codes).await;
        assert_eq!(
            (pending.status, pending.error().as_str()),
            (400, "authorization_pending"),
            "{engine}"
        );
        assert!(
            pending.header("preference-applied").is_none(),
            "nobody asked for it"
        );
        door.advance(Duration::from_secs(1));
        assert_eq!(tool.poll(&door, &codes).await.error(), "slow_down", "{engine}");

        // The address is typed off a screen, by somebody who is not signed in here.
        let mut browser = door.browser();
        let reply = browser.get("/device").await;
        assert_eq!(reply.status, 200);
        assert!(
            !browser.page.contains("user_code"),
            "OS-94: who guesses is signed in"
        );
        let reply = browser.fill_in("ana", PASSWORD).await;
        assert_eq!(reply.location(), "/device");
        let page = browser.get("/device").await;
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert!(
            page.header("content-security-policy")
                .unwrap()
                .contains("frame-ancestors 'none'")
        );

        let wrong = type_in(&mut browser, "BBBB-BBBB").await;
        assert_eq!(wrong.status, 400, "{engine}");
        assert!(
            browser.page.contains("No program shows this code"),
            "{}",
            browser.page
        );
        let typed = codes.user.to_lowercase().replace('-', "");
        assert_eq!(
            type_in(&mut browser, &typed).await.status,
            200,
            "{}",
            browser.page
        );
        for shown in [
            "Tool wants access",
            "Unverified program",
            codes.user.as_str(),
            "Whoever sent you this code",
            "127.0.0.1",
            "tool/1.0 (build-7)",
            "2026-11-20 12:00 UTC",
            "Test fixture",
            "use this server as you",
            "stay connected while you are away",
        ] {
            assert!(
                browser.page.contains(shown),
                "{engine}: no {shown} in {}",
                browser.page
            );
        }
        assert!(!browser.page.contains("/device/done") && !browser.page.contains("value=\"elsewhere\""));
        assert!(!browser.page.contains(&codes.device), "OS-95");
        assert_eq!(answered(&mut browser, "approve").await, "done?outcome=allowed");
        assert!(
            browser.page.contains("Your program goes on by itself"),
            "{}",
            browser.page
        );

        let tokens = Tokens::of(&tool.poll(&door, &codes).await);
        assert_eq!(tokens.all["scope"], "mcp offline_access", "{engine}");
        assert_eq!(claims(&tokens.access)["client_id"], tool.id);
        let called = door.call(&tokens.access, "echo_headers", json!({})).await;
        assert_eq!(called.status, 200, "{engine}: {called:?}");
        assert_eq!(
            tool.poll(&door, &codes).await.error(),
            "invalid_grant",
            "{engine}: OS-75"
        );

        let given = door.audit("consent_given").await;
        assert_eq!(
            (&given[0]["client"], &given[0]["server"]),
            (&json!(tool.id), &json!("fixture"))
        );
        let issued = door.audit("tokens_issued").await;
        assert_eq!(issued[0]["by"], "device_code", "{engine}");
        let typed = door.audit("user_code_refused").await;
        assert_eq!(typed[0]["reason"], "no program shows it", "{engine}");
        browser.get("/apps").await;
        assert!(
            browser.page.contains("a program without a browser"),
            "{}",
            browser.page
        );
        let form = browser.form("/apps/revoke");
        browser.submit(&form).await;
        assert_eq!(
            door.call(&tokens.access, "echo_headers", json!({})).await.status,
            401,
            "{engine}"
        );
    }
}

/// OS-96: a code that comes with the address is shown, and nothing happens before the person says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_96_a_carried_code_is_shown_and_sent_by_the_person() {
    for door in Door::each(Plan::default()).await {
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let target = codes.complete.strip_prefix(&door.url).unwrap().to_owned();
        let mut browser = door.browser();
        browser.get(&target).await;
        let reply = browser.fill_in("ana", PASSWORD).await;
        assert_eq!(reply.location(), target);
        browser.get(&target).await;
        assert!(
            browser.page.contains("Is this the code that your program shows?"),
            "{}",
            browser.page
        );
        assert_eq!(
            browser.form("/device").field("user_code"),
            Some(codes.user.as_str())
        );
        type_in(&mut browser, &codes.user).await;
        assert!(
            browser.page.contains(&codes.user),
            "and once more beside the question"
        );
        assert_eq!(answered(&mut browser, "deny").await, "done?outcome=access_denied");
        assert_eq!(tool.poll(&door, &codes).await.error(), "access_denied");
        let page = browser
            .send(Ask::get("/device").with("accept-language", "zh-TW"))
            .await;
        assert!(page.body.contains("請輸入程式顯示的代碼"), "{}", page.body);
    }
}

/// Class 7 of the known attacks, RFC 9470: what a server demands of a sign-in it demands whatever the program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_requires_more_requires_it_of_a_device_too() {
    let plan = Plan {
        server: "    require: { assurance: two_factors, max_age: 1h }".to_owned(),
        ..Plan::default()
    };
    for door in Door::each(plan).await {
        let engine = door.engine();
        let tool = Tool::register(&door).await;
        let codes = tool.ask(&door).await;
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/device").await;
        type_in(&mut browser, &codes.user).await;
        assert!(
            browser
                .page
                .contains("To use Test fixture you need a second factor."),
            "{engine}: {}",
            browser.page
        );
        assert!(
            browser.page.contains("Leave it; nothing is allowed"),
            "{}",
            browser.page
        );
        crate::factors::step_up::enrol_totp(&mut browser, &door).await;
        assert!(browser.page.contains(&codes.user), "{engine}: {}", browser.page);
        assert_eq!(answered(&mut browser, "approve").await, "done?outcome=allowed");
        let tokens = Tokens::of(&tool.poll(&door, &codes).await);
        assert_eq!(
            claims(&tokens.access)["acr"],
            "https://refeds.org/profile/mfa",
            "{engine}"
        );
        // Nobody refreshes past it.
        door.advance(Duration::from_hours(1) + Duration::from_secs(1));
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh.as_str()),
            ("client_id", tool.id.as_str()),
        ];
        assert_eq!(
            door.ask(Ask::form("/token", &fields)).await.error(),
            "invalid_grant"
        );
    }
}

/// DEC-11: a program that names no server has the person choose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_names_no_server_has_the_person_choose() {
    let servers = "
  other:
    upstream: {upstream}
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }
";
    let plan = Plan {
        servers: servers.to_owned(),
        ..Plan::default()
    };
    for door in Door::each(plan).await {
        let tool = Tool::register(&door).await;
        let codes = Codes::of(&door.ask(tool.asking(&[("resource", "")])).await);
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/device").await;
        type_in(&mut browser, &codes.user).await;
        let form = browser
            .form("/consent")
            .set("server", "other")
            .set("answer", "approve");
        assert_eq!(browser.submit(&form).await.status, 303);
        let tokens = Tokens::of(&tool.poll(&door, &codes).await);
        assert_eq!(claims(&tokens.access)["aud"], format!("{}/mcp/other", door.url));
    }
}

/// OS-97, OS-103: clients of the configuration and of commands have the grant if they are given it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn os_97_the_grant_is_for_who_was_given_it() {
    let plan = Plan {
        config: "clients:\n  box: { name: Box, device: true }\n  site: { name: Site, redirect_uris: [\"https://site.example/cb\"] }"
            .to_owned(),
        ..Plan::default()
    };
    for mut door in Door::each(plan).await {
        let made = door
            .operate(&[
                "client",
                "add",
                "--name",
                "Made",
                "--device",
                "--confidential",
                "--id",
                "made",
            ])
            .await
            .unwrap();
        let secret = serde_json::to_value(made).unwrap();
        let secret = secret
            .to_string()
            .split("\"client_secret\":\"")
            .nth(1)
            .unwrap()
            .to_owned();
        let secret = secret.split('"').next().unwrap();
        let begin = async |door: &Door, id: &str, more: &[(&str, &str)]| {
            let mut fields = vec![("client_id", id), ("resource", "")];
            fields.retain(|(_, value)| !value.is_empty());
            fields.extend(more);
            door.ask(Ask::form("/device_authorization", &fields)).await
        };
        assert_eq!(begin(&door, "box", &[]).await.status, 200);
        assert_eq!(
            begin(&door, "made", &[("client_secret", secret)]).await.status,
            200
        );
        assert_eq!(
            begin(&door, "made", &[]).await.error(),
            "invalid_client",
            "OS-92: it proves itself"
        );
        assert_eq!(begin(&door, "site", &[]).await.error(), "unauthorized_client");
        assert_eq!(begin(&door, "nobody", &[]).await.error(), "invalid_client");
        assert_eq!(
            door.ask(Ask::form("/device_authorization", &[])).await.error(),
            "invalid_client"
        );
        let app = door.app().await;
        assert_eq!(begin(&door, &app.id, &[]).await.error(), "unauthorized_client");
        assert_eq!(
            door.get("/authorize?client_id=box&response_type=code")
                .await
                .status,
            400
        );

        door.reconfigure(|text| format!("device_authorization: false\n{text}"))
            .await;
        assert_eq!(begin(&door, "box", &[]).await.error(), "unsupported_grant_type");
        let metadata: Value = door.get("/.well-known/oauth-authorization-server").await.json();
        assert!(
            metadata.get("device_authorization_endpoint").is_none(),
            "{metadata}"
        );
        assert_eq!(metadata["grant_types_supported"].as_array().unwrap().len(), 2);
        assert_eq!(door.get("/device").await.status, 404);
        let both =
            json!({ "redirect_uris": [App::CALLBACK], "grant_types": ["authorization_code", DEVICE_CODE] });
        let registered = door.ask(Ask::json("/register", &both)).await.json();
        assert_eq!(registered["grant_types"], json!(["authorization_code"]));
    }
}

/// CC-106: an account that the server needs is connected on the way, and the program has its answer after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_has_the_person_connect_first() {
    let accounts = Accounts::start().await;
    let plan = accounts.oauth_plan();
    let lines = plan.config.lines();
    let kept: Vec<_> = lines.filter(|line| !line.contains("personal_token")).collect();
    let plan = Plan {
        config: kept.join("\n"),
        ..plan
    };
    for door in Door::each(plan).await {
        let engine = door.engine();
        let own = format!("{}/mcp/own", door.url);
        let tool = Tool::register(&door).await;
        let codes = Codes::of(&door.ask(tool.asking(&[("resource", &own)])).await);
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        browser.get("/device").await;
        type_in(&mut browser, &codes.user).await;
        assert!(
            browser.page.contains("You connect your account at Forge"),
            "{engine}: {}",
            browser.page
        );
        let away = browser.answer("approve").await.location().to_owned();
        assert_eq!(
            tool.poll(&door, &codes).await.error(),
            "authorization_pending",
            "{engine}"
        );
        let back = accounts.approve(&away, &door.url, "ana");
        let end = browser.get(&back).await.location().to_owned();
        assert!(end.ends_with("/device/done?outcome=allowed"), "{engine}: {end}");
        door.advance(Duration::from_secs(5));
        let tokens = Tokens::of(&tool.poll(&door, &codes).await);
        let call = crate::rig::door::call("own", "echo_headers", json!({})).bearer(&tokens.access);
        let called = door.ask(call).await;
        assert_eq!(called.status, 200, "{engine}");
        assert_ne!(
            called.json()["result"]["isError"],
            json!(true),
            "{engine}: {called:?}"
        );
    }
}
