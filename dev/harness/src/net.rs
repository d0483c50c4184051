//! Single questions to servers.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

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
