//! Who may connect, how the link is made, and what a project's user may do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use slate_core::{
    ErrorKind, ProjectId, SessionId,
    bus::{EventBus, EventBusExt, Subject},
};
use slate_harness::{Nats, NatsOptions as ServerOptions, NatsVersion, require};
use slate_nats::{NatsAuth, NatsBus, NatsOptions, NatsTls};
use support::{SOON, connect, listen, message, nothing, text};

fn server(version: NatsVersion, config: &str) -> Option<Nats> {
    require(Nats::with(version, &ServerOptions { config: config.to_owned(), files: Vec::new() }))
}

async fn works(options: NatsOptions) {
    let bus = connect(options).await;
    let mut heard = listen(&bus, "a").await;
    bus.publish(message("a", "x")).await.unwrap();
    assert_eq!(text(&mut heard).await, "x");
}

async fn is_refused(options: NatsOptions) {
    assert_eq!(NatsBus::connect(options).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_tokens_and_nkeys_are_let_in() {
    let pair = nkeys::KeyPair::new_user();
    let user = |password: &str| NatsAuth::UserPassword { user: "ada".into(), password: password.into() };
    let key = format!("authorization {{ users: [{{ nkey: \"{}\" }}] }}", pair.public_key());
    let cases = [
        ("authorization { user: \"ada\", password: \"right\" }", user("right"), user("wrong")),
        ("authorization { token: \"right\" }", NatsAuth::Token("right".into()), NatsAuth::Token("wrong".into())),
        (&*key, NatsAuth::NKey(pair.seed().unwrap()), NatsAuth::NKey(nkeys::KeyPair::new_user().seed().unwrap())),
    ];
    for version in NatsVersion::ALL {
        for (config, right, wrong) in &cases {
            let Some(server) = server(version, config) else { continue };
            works(NatsOptions::new(server.url()).with_auth(right.clone())).await;
            is_refused(NatsOptions::new(server.url()).with_auth(wrong.clone())).await;
            is_refused(NatsOptions::new(server.url())).await;
        }
    }
}

/// A claim signed by its issuer, as NATS's accounts have them (<https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt>).
fn signed(issuer: &nkeys::KeyPair, subject: &nkeys::KeyPair, kind: &str) -> String {
    let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let everything = serde_json::json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
    });
    let nats = match kind {
        "account" => serde_json::json!({ "type": kind, "version": 2, "limits": everything }),
        _ => serde_json::json!({ "type": kind, "version": 2, "subs": -1, "data": -1, "payload": -1 }),
    };
    let claims = serde_json::json!({
        "jti": slate_harness::unique("claim"), "iat": 1_700_000_000, "iss": issuer.public_key(), "name": kind,
        "sub": subject.public_key(), "nats": nats,
    });
    let head = encode(serde_json::json!({ "typ": "JWT", "alg": "ed25519-nkey" }));
    let text = format!("{head}.{}", encode(claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(issuer.sign(text.as_bytes()).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_files_are_let_in() {
    let (operator, system) = (nkeys::KeyPair::new_operator(), nkeys::KeyPair::new_account());
    let (account, stranger) = (nkeys::KeyPair::new_account(), nkeys::KeyPair::new_account());
    let preloaded =
        [&system, &account].map(|known| format!("{}: {}", known.public_key(), signed(&operator, known, "account")));
    let config = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {} }}",
        signed(&operator, &operator, "operator"),
        system.public_key(),
        preloaded.join("\n"),
    );
    let folder = tempfile::tempdir().unwrap();
    let credentials = |name: &str, account: &nkeys::KeyPair| {
        let user = nkeys::KeyPair::new_user();
        let path = folder.path().join(name);
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            signed(account, &user, "user"),
            user.seed().unwrap()
        );
        std::fs::write(&path, &text).unwrap();
        [NatsAuth::CredentialsFile(path), NatsAuth::Credentials(text)]
    };
    for version in NatsVersion::ALL {
        let Some(server) = server(version, &config) else { continue };
        for right in credentials("right", &account) {
            works(NatsOptions::new(server.url()).with_auth(right)).await;
        }
        for wrong in credentials("wrong", &stranger) {
            is_refused(NatsOptions::new(server.url()).with_auth(wrong)).await;
        }
        is_refused(NatsOptions::new(server.url())).await;
        let missing = NatsAuth::CredentialsFile(folder.path().join("missing"));
        let error = NatsBus::connect(NatsOptions::new(server.url()).with_auth(missing)).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_may_be_a_web_socket() {
    for version in NatsVersion::ALL {
        let Some(server) = server(version, "") else { continue };
        works(NatsOptions::new(server.websocket_url())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_may_be_encrypted() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let files =
        vec![("cert.pem".to_owned(), made.cert.pem()), ("key.pem".to_owned(), made.signing_key.serialize_pem())];
    let roots = std::env::temp_dir().join(format!("{}.pem", slate_harness::unique("slate_roots")));
    std::fs::write(&roots, made.cert.pem()).unwrap();
    for version in NatsVersion::ALL {
        let config = "tls { cert_file: \"cert.pem\", key_file: \"key.pem\" }".to_owned();
        let options = ServerOptions { config, files: files.clone() };
        let Some(server) = require(Nats::with(version, &options)) else { continue };
        works(NatsOptions::new(server.url()).with_tls(NatsTls::required(Some(roots.clone())))).await;
        let unknown = NatsOptions::new(server.url()).with_first_wait(std::time::Duration::ZERO);
        assert!(NatsBus::connect(unknown).await.is_err(), "a certificate that nobody vouches for");
    }
    std::fs::remove_file(roots).unwrap();
}

/// The file that is shipped, with values put in, on a real server.
#[tokio::test(flavor = "multi_thread")]
async fn a_projects_user_reaches_only_its_subjects() {
    let (mine, theirs, session) = (ProjectId::new(), ProjectId::new(), SessionId::new());
    let config = include_str!("../nats-server.conf")
        .replace("listen: \"127.0.0.1:4222\"", "")
        .replace("@PROJECT@", &mine.to_string())
        .replace("@SESSION@", &session.to_string())
        .replace("@SERVICE_PASSWORD@", "service")
        .replace("@USER_PASSWORD@", "user")
        .replace("@USER@", "ada");
    let auth = |user: &str, password: &str| NatsAuth::UserPassword { user: user.into(), password: password.into() };
    for version in NatsVersion::ALL {
        let Some(server) = server(version, &config) else { continue };
        let service = connect(NatsOptions::new(server.url()).with_auth(auth("slate", "service"))).await;
        let user = NatsOptions::new(server.url()).with_auth(auth("ada", "user"));
        let user = connect(user.with_inbox_prefix(format!("_INBOX_{mine}"))).await;

        let mut own = listen(&user, &format!("slate.*.*.{mine}")).await;
        let mut log = listen(&user, &format!("slate.runtime.log.{session}")).await;
        let mut foreign = listen(&user, &format!("slate.build.progress.{theirs}")).await;
        let mut all = listen(&user, "slate.>").await;
        let mut answers = listen(&user, "_INBOX.>").await;
        for subject in [format!("slate.build.progress.{mine}"), format!("slate.build.progress.{theirs}")] {
            service.publish(message(&subject, &subject)).await.unwrap();
        }
        service.publish(message(&format!("slate.runtime.log.{session}"), "line")).await.unwrap();
        service.publish(message("_INBOX.other", "answer")).await.unwrap();
        assert_eq!(text(&mut own).await, format!("slate.build.progress.{mine}"));
        assert_eq!(text(&mut log).await, "line");
        for refused in [&mut foreign, &mut all, &mut answers] {
            nothing(refused).await;
        }

        let mut heard = listen(&service, "slate.>").await;
        for subject in [
            format!("slate.project.deleted.{mine}"),
            format!("slate.collab.joined.{theirs}"),
            format!("slate.editor.cursor.bob.{}", SessionId::new()),
            format!("slate.container.stop.{session}"),
        ] {
            user.publish(message(&subject, "refused")).await.unwrap();
        }
        user.publish(message(&format!("slate.collab.joined.{mine}"), "allowed")).await.unwrap();
        assert_eq!(text(&mut heard).await, "allowed");
        nothing(&mut heard).await;

        // Asks, and gets its answer on a subject of its own.
        let mut asked = listen(&service, "slate.container.execute.*").await;
        let answering = tokio::spawn({
            let service = service.clone();
            async move {
                let question = support::next(&mut asked).await;
                service.answer(&question, &"done").await.unwrap();
            }
        });
        let subject = Subject::new(format!("slate.container.execute.{session}")).unwrap();
        let answer: String = user.ask(subject, &"ls", SOON).await.unwrap();
        assert_eq!(answer, "done");
        answering.await.unwrap();
        assert!(user.refused_count() >= 7, "{} of 3 subscriptions and 4 publications", user.refused_count());
    }
}
