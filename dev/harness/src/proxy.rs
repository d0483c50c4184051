//! A TCP proxy that breaks links on purpose.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What is wrong with the links, from now on and on all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// How much later each part arrives; default not at all.
    pub delay: Duration,
    /// Cuts what flows into parts of 1 to 7 bytes, drawn from this seed and the link's number; default none.
    pub split: Option<u64>,
    /// Nothing flows, on no link, until this is taken back; default flows. What was sent arrives then.
    pub halted: bool,
    /// Links that are made end at once; default taken.
    pub refused: bool,
}

/// A TCP proxy on 127.0.0.1 before one server. Dropping it cuts all links.
///
/// It runs on a thread of its own, so it works on when a test's runtime is busy.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    links: Arc<AtomicU64>,
}

#[derive(Clone, Debug, Default)]
struct State {
    faults: Faults,
    /// Links before this number were cut.
    cut_before: u64,
    /// Links before this number are half open.
    open_half_before: u64,
    over: bool,
}

impl Proxy {
    /// Starts a proxy before the server on `port` of 127.0.0.1.
    ///
    /// # Errors
    /// Those of the system.
    pub fn start(port: u16) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let own = listener.local_addr()?.port();
        let (state, changes) = watch::channel(State::default());
        let links = Arc::new(AtomicU64::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let count = Arc::clone(&links);
        std::thread::Builder::new().name("proxy".into()).spawn(move || {
            let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if let Err(error) = runtime.block_on(listen(listener, target, changes, &count)) {
                eprintln!("the proxy ended: {error}");
            }
        })?;
        Ok(Self { port: own, state, links })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many links were made so far.
    pub fn links(&self) -> u64 {
        self.links.load(Ordering::SeqCst)
    }

    /// Ends every link that is there; new ones are taken.
    pub fn cut(&self) {
        let links = self.links();
        self.state.send_modify(|state| state.cut_before = links);
    }

    /// Leaves every link that is there open, but whatever is sent on it vanishes; new ones are sound. So looks a link whose
    /// other side lost power, or whose path a firewall forgot.
    pub fn half_open(&self) {
        let links = self.links();
        self.state.send_modify(|state| state.open_half_before = links);
    }

    /// Sets what is wrong from now on.
    pub fn set(&self, faults: Faults) {
        self.state.send_modify(|state| state.faults = faults);
    }

    /// Lets everything flow again. Links that were cut or half open stay so.
    pub fn heal(&self) {
        self.set(Faults::default());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.send_modify(|state| state.over = true);
    }
}

async fn listen(
    listener: std::net::TcpListener,
    target: SocketAddr,
    mut changes: watch::Receiver<State>,
    links: &AtomicU64,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            over = changes.wait_for(|state| state.over) => return over.map(drop).or(Ok(())),
        };
        if changes.borrow().faults.refused {
            continue;
        }
        let number = links.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(link(accepted, target, number, changes.clone()));
    }
}

async fn link(client: TcpStream, target: SocketAddr, number: u64, mut changes: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _unimportant = (client.set_nodelay(true), server.set_nodelay(true));
    let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
    let there = carry(client_in, server_out, number * 2, changes.clone());
    let back = carry(server_in, client_out, number * 2 + 1, changes.clone());
    let cut = changes.wait_for(|state| state.over || number < state.cut_before);
    // Each direction ends by itself, as TCP has it; a cut ends both.
    tokio::select! {
        _ = async { tokio::join!(there, back) } => {}
        _ = cut => {}
    }
}

/// Carries bytes one way. `way` is twice the link's number, plus one for the way back.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: u64, mut changes: watch::Receiver<State>) {
    let mut part = vec![0; 16 << 10];
    let mut draw = way;
    loop {
        let count = match from.read(&mut part).await {
            Ok(count) if count > 0 => count,
            // The other side learns of the end, unless the link is half open: then it hears nothing any more.
            _ if way / 2 >= changes.borrow().open_half_before => return,
            _ => return std::future::pending().await,
        };
        if changes.wait_for(|state| !state.faults.halted).await.is_err() {
            return;
        }
        let (faults, half_open) = {
            let state = changes.borrow();
            (state.faults.clone(), way / 2 < state.open_half_before)
        };
        if half_open {
            continue;
        }
        tokio::time::sleep(faults.delay).await;
        let mut rest = &part[..count];
        while !rest.is_empty() {
            let length = match faults.split {
                Some(seed) => {
                    draw = mix(draw.wrapping_add(seed));
                    rest.len().min(1 + usize::try_from(draw % 7).unwrap_or(0))
                }
                None => rest.len(),
            };
            if to.write_all(&rest[..length]).await.is_err() {
                return;
            }
            rest = &rest[length..];
            // Lets the other side read this part before the next comes.
            tokio::task::yield_now().await;
        }
    }
}

/// SplitMix64: numbers that look random.
const fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
