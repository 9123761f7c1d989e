//! Standard input, read by a thread.

use std::io;

use bytes::Bytes;
use tokio::sync::mpsc;

/// How much is read at once.
const PIECE: usize = 64 * 1024;
/// How many pieces wait at most: what is not taken stays with whoever writes it.
const PIECES: usize = 4;

/// Starts reading. The pieces end where standard input does.
pub(crate) fn pieces() -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let reading = std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut buffer = vec![0; PIECE];
            loop {
                let piece = match rustix::io::read(rustix::stdio::stdin(), buffer.as_mut_slice()) {
                    // A terminal that has hung up has no more to say either.
                    Ok(0) | Err(rustix::io::Errno::IO) => return,
                    Ok(count) => Ok(Bytes::copy_from_slice(&buffer[..count])),
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => Err(error.into()),
                };
                let last = piece.is_err();
                if sender.blocking_send(piece).is_err() || last {
                    return;
                }
            }
        });
    // Without a thread nothing can be read: the receiver ends at once.
    drop(reading);
    receiver
}
