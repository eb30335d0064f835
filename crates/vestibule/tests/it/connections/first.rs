//! Connecting within the authorization of a program: one trip (CC-106).

use super::{ANAS, call_own, said, type_in};
use crate::rig::accounts::Accounts;
use crate::rig::app::{Tokens, code_of, query_of};
use crate::rig::{App, Browser, Door, Plan};

/// The one way to connect is in the browser.
fn by_oauth_alone(accounts: &Accounts) -> Plan {
    let plan = accounts.oauth_plan();
    let lines = plan.config.lines();
    let kept: Vec<_> = lines.filter(|line| !line.contains("personal_token")).collect();
    Plan {
        config: kept.join("\n"),
        ..plan
    }
}

async fn app(door: &Door) -> App {
    let mut app = door.app().await;
    app.resource = format!("{}/mcp/own", door.url);
    app
}

/// What the program makes of the way back: that it may call, and that Ana's own credential goes up.
async fn calls(door: &Door, app: &App, back: &str) {
    let engine = door.engine();
    assert!(back.starts_with(&app.redirect_uri), "{engine}: {back}");
    assert_eq!(query_of(back)["state"], "state-of-the-client", "{engine}");
    let tokens = Tokens::of(&app.redeem(&code_of(back)).await);
    let (text, is_error) = said(&call_own(door, &tokens.access).await);
    assert!(!is_error, "{engine}: {text}");
}

/// Ana's consent page, in a new browser.
async fn asked<'d>(door: &'d Door, app: &App) -> Browser<'d> {
    let mut browser = door.browser();
    browser.authorize(&app.authorize(&[]), "ana").await;
    browser
}

/// CC-106, MA-134, MA-136, MA-139: the page that asks says what comes and what the provider is asked for; nobody leaves
/// before the yes; from there the browser goes to the provider and on to the program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trip_from_the_yes_to_the_provider_to_the_program() {
    let accounts = Accounts::start().await;
    for door in Door::each(by_oauth_alone(&accounts)).await {
        let engine = door.engine();
        let app = app(&door).await;
        let mut browser = asked(&door, &app).await;
        assert!(
            browser.page.contains("You connect your account at Forge") && browser.page.contains("read write"),
            "{engine}: {}",
            browser.page
        );
        let reply = browser.answer("approve").await;
        assert_eq!(reply.status, 303, "{engine}: {}", browser.page);
        let back = accounts.approve(reply.location(), &door.url, "ana");
        let reply = browser.get(&back).await;
        assert_eq!(reply.status, 303, "{engine}: {}", browser.page);
        calls(&door, &app, reply.location()).await;
        assert_eq!(
            browser.get(&back).await.status,
            400,
            "{engine}: the answer counts twice"
        );

        // Connected: a program is asked about, and nothing else.
        let mut again = asked(&door, &app).await;
        assert!(!again.page.contains("You connect your account"), "{engine}");
        let reply = again.answer("approve").await;
        assert!(reply.location().starts_with(&app.redirect_uri), "{engine}");
    }
}

/// CC-106: typed on the way, with a mistake first; a program on another machine gets its address on a page (CC-57).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_typed_on_the_way() {
    let accounts = Accounts::start().await;
    accounts.give(ANAS, "ana");
    for door in Door::each(accounts.plan()).await {
        let engine = door.engine();
        let app = app(&door).await;
        let mut browser = asked(&door, &app).await;
        let reply = browser.answer("elsewhere").await;
        assert_eq!(reply.status, 200, "{engine}");
        let reply = type_in(&mut browser, "wrong-s3cret").await;
        assert_eq!(reply.status, 400, "{engine}: {}", reply.body);
        let reply = type_in(&mut browser, ANAS).await;
        assert_eq!(reply.status, 200, "{engine}: {}", reply.body);
        let address = reply.body.split(['"', '\'', '<', '>', ' ']);
        let back = address
            .filter(|text| text.starts_with(&app.redirect_uri) && text.contains("code="))
            .map(|text| text.replace("&amp;", "&").replace("&#38;", "&"))
            .next();
        let back = back.unwrap_or_else(|| panic!("{engine}: {}", reply.body));
        calls(&door, &app, &back).await;
    }
}

/// CC-106: whoever gives up at the provider, or connects later, still allowed the program: it gets its code, and a link with
/// the first call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_later_keeps_no_program_out() {
    let accounts = Accounts::start().await;
    for door in Door::each(by_oauth_alone(&accounts)).await {
        let engine = door.engine();
        let app = app(&door).await;
        let mut browser = asked(&door, &app).await;
        let reply = browser.answer("approve").await;
        let state = query_of(reply.location())["state"].as_str().unwrap().to_owned();
        let reply = browser
            .get(&format!(
                "/connect/callback/forge?error=access_denied&state={state}"
            ))
            .await;
        assert_eq!(reply.status, 403, "{engine}");
        assert!(reply.body.contains("You did not finish at Forge"), "{engine}");
        // Once more, and given up for good.
        let form = browser.form("/connect/leave");
        assert_eq!(browser.submit(&form).await.status, 303, "{engine}");
        browser.page = reply.body;
        let form = browser.form("/connect/later");
        let reply = browser.submit(&form).await;
        let tokens = Tokens::of(&app.redeem(&code_of(reply.location())).await);
        let (text, is_error) = said(&call_own(&door, &tokens.access).await);
        assert!(
            is_error && text.starts_with("Connect your Forge account first"),
            "{engine}: {text}"
        );
    }
}

/// MA-139: an approval is worth something in the session alone in which it was given, and only while nothing is decided; made
/// up or altered it is nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_that_waits_is_of_one_session() {
    let accounts = Accounts::start().await;
    let door = Door::with(by_oauth_alone(&accounts)).await;
    let app = app(&door).await;
    let mut ana = asked(&door, &app).await;
    let reply = ana.answer("approve").await;
    let state = query_of(reply.location())["state"].as_str().unwrap().to_owned();
    ana.get(&format!(
        "/connect/callback/forge?error=access_denied&state={state}"
    ))
    .await;
    let approved = ana.form("/connect/later").field("approved").unwrap().to_owned();

    // In another session of hers and in Ben's, and altered in her own.
    for (username, approved) in [
        ("ana", approved.clone()),
        ("ben", approved.clone()),
        ("ana", "AA".to_owned()),
    ] {
        let mut other = door.browser();
        other.sign_in(username).await;
        other.get("/connect?to=forge").await;
        let mut form = other.form("/connect/leave");
        "/connect/later".clone_into(&mut form.action);
        form.fields.push(("approved".to_owned(), approved.clone()));
        let reply = other.submit(&form).await;
        assert_eq!(reply.status, 400, "{username}: {}", reply.body);
        assert!(reply.body.contains("consent_gone"), "{username}");
        // Nor does it travel along to the provider.
        "/connect/leave".clone_into(&mut form.action);
        let away = other.submit(&form).await;
        let back = accounts.approve(away.location(), &door.url, username);
        let reply = other.get(&back).await;
        assert_eq!(
            reply.status, 200,
            "{username}: it went on to a program: {}",
            reply.body
        );
    }

    // Said no in another window meanwhile: the program has its answer.
    ana.get(&app.authorize(&[])).await;
    let transaction = ana.form("/consent").field("transaction").unwrap().to_owned();
    let no = ana.answer("deny").await.location().to_owned();
    assert_eq!(query_of(&no)["error"], "access_denied", "{transaction}");
    ana.get("/connect?to=forge").await;
    let mut form = ana.form("/connect/leave");
    "/connect/later".clone_into(&mut form.action);
    form.fields.push(("approved".to_owned(), approved));
    let reply = ana.submit(&form).await;
    assert_eq!(reply.location(), no);
}
