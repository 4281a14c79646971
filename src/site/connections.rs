//! A way round a fault of tiny_http 0.12: where several connections arrive at once, its pool of threads may count one idle thread for
//! two of them, and the second then waits until another connection closes. Browsers open six at once and keep them open.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// How long a connection waits at most.
const PAUSE: Duration = Duration::from_millis(250);

/// Keeps the connections to `address` moving as long as the process lives: a connection that closes at once gets a thread of its own
/// where no other is idle, and that thread then takes up what waits.
pub(super) fn keep_moving(address: SocketAddr) {
    thread::spawn(move || {
        loop {
            drop(TcpStream::connect(address));
            thread::sleep(PAUSE);
        }
    });
}
