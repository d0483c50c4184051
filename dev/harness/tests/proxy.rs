//! The proxy breaks links as told, and only then.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slate_harness::{Faults, Proxy};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(10);
const NEVER: Duration = Duration::from_millis(100);

/// A server that sends back what comes, behind a proxy.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap().port()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    proxy
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap()
}

async fn comes_back(stream: &mut TcpStream, bytes: &[u8]) {
    let mut back = vec![0; bytes.len()];
    timeout(SOON, async {
        stream.write_all(bytes).await?;
        stream.read_exact(&mut back).await
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(back, bytes);
}

#[tokio::test]
async fn bytes_split_and_late_arrive_whole() {
    let proxy = echo().await;
    proxy.set(Faults { delay: Duration::from_millis(2), split: Some(7), ..Faults::default() });
    let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
    comes_back(&mut connect(&proxy).await, &bytes).await;
}

#[tokio::test]
async fn a_cut_ends_the_links_that_are_there() {
    let proxy = echo().await;
    let mut link = connect(&proxy).await;
    comes_back(&mut link, b"a").await;
    proxy.cut();
    let end = timeout(SOON, link.read(&mut [0])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    comes_back(&mut connect(&proxy).await, b"b").await;
    assert_eq!(proxy.links(), 2);
}

#[tokio::test]
async fn on_a_half_open_link_everything_vanishes() {
    let proxy = echo().await;
    let mut link = connect(&proxy).await;
    comes_back(&mut link, b"a").await;
    proxy.half_open();
    link.write_all(b"b").await.unwrap();
    assert!(timeout(NEVER, link.read(&mut [0])).await.is_err(), "neither an answer nor an end");
    comes_back(&mut connect(&proxy).await, b"c").await;
    assert!(timeout(NEVER, link.read(&mut [0])).await.is_err());
}

#[tokio::test]
async fn what_was_sent_while_halted_arrives_later() {
    let proxy = echo().await;
    let mut link = connect(&proxy).await;
    comes_back(&mut link, b"a").await;
    proxy.set(Faults { halted: true, ..Faults::default() });
    link.write_all(b"b").await.unwrap();
    assert!(timeout(NEVER, link.read(&mut [0])).await.is_err());
    proxy.heal();
    let mut back = [0];
    timeout(SOON, link.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"b");
}

#[tokio::test]
async fn refused_links_end_at_once() {
    let proxy = echo().await;
    proxy.set(Faults { refused: true, ..Faults::default() });
    let end = timeout(SOON, connect(&proxy).await.read(&mut [0])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    proxy.heal();
    comes_back(&mut connect(&proxy).await, b"a").await;
}
