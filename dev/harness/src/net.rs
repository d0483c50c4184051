//! Ports, and single questions to servers.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// A port that was free just now. Somebody may take it before the server does; who starts one tries again then.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Several ports, all different.
pub(crate) fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Sends `question` and reads until the answer holds `wanted`.
///
/// # Errors
/// Those of the connection, and `InvalidData` for another answer.
pub(crate) fn ask(port: u16, question: &str, wanted: &str) -> io::Result<String> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(question.as_bytes())?;
    let (mut answer, mut part) = (String::new(), [0; 4096]);
    while !answer.contains(wanted) && answer.len() < 1 << 20 {
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("not the answer: {}", answer.trim())));
        }
        answer.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    Ok(answer)
}
