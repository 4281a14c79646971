//! Reports and runs in a browser on this machine, and a search for similar images. It reads ledgers and files, and writes nothing but
//! the features of the images that are searched.

mod responder;
mod connections;
mod live;
mod pages;
mod retrieve;
mod upload;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tiny_http::{Request, Server};

use crate::error::{Result, refuse};
use crate::experiment::Search;
use crate::workspace::Workspace;

use responder::{Page, Responder};

/// Uploads that are read at once.
const UPLOADS: usize = 8;

/// A server of this machine alone.
pub struct Site {
    server: Server,
    /// Where it listens.
    pub port: u16,
    responder: Responder,
}

impl Site {
    /// Listens at `port`, or at a free one where that is 0, for requests about `workspace` and for images to look for with `search`.
    ///
    /// # Errors
    /// Refuses a port that is taken.
    pub fn open(workspace: Workspace, port: u16, search: Option<Search>) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = Server::http(address).map_err(|error| {
            refuse(
                format!("cannot listen on {address}: {error}"),
                "choose another port with `--port N`; 0 takes a free one",
            )
        })?;
        let port = server.server_addr().to_ip().map_or(port, |ip| ip.port());
        connections::keep_moving(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Ok(Self {
            server,
            port,
            responder: Responder::new(workspace, port, search),
        })
    }

    /// Answers until the process ends.
    pub fn serve(self) {
        let Self {
            server,
            mut responder,
            ..
        } = self;
        // Requests as they come, and uploads once they are read: one that stalls holds a thread of its own and nobody else.
        let (sender, receiver) = mpsc::channel();
        let requests = sender.clone();
        thread::spawn(move || {
            let mut incoming = server.incoming_requests();
            incoming.all(|request| requests.send((request, None)).is_ok())
        });
        let reading = Arc::new(AtomicUsize::new(0));
        for (mut request, upload) in receiver {
            let page = match upload {
                Some(image) => responder.found(image),
                None => match responder.answer(&request) {
                    Some(page) => page,
                    None if reading.load(Ordering::Relaxed) >= UPLOADS => {
                        Page::html(503, pages::refusal("503", "Other images are being sent."))
                    }
                    None => {
                        let (sender, reading) = (sender.clone(), reading.clone());
                        reading.fetch_add(1, Ordering::Relaxed);
                        thread::spawn(move || {
                            let image = upload::image(&mut request);
                            reading.fetch_sub(1, Ordering::Relaxed);
                            drop(sender.send((request, Some(image))));
                        });
                        continue;
                    }
                },
            };
            respond(request, page);
        }
    }
}

/// Whoever asked may be gone. What is left of a body is thrown away after the answer, however long that takes.
fn respond(request: Request, page: Page) {
    let has_body = request.body_length().is_some_and(|length| length > 0);
    let respond = move || drop(request.respond(page.response()));
    if has_body {
        thread::spawn(respond);
    } else {
        respond();
    }
}
