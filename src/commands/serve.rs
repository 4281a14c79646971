//! `histogen serve`: reports and runs in a browser on this machine, and a search for similar images. It reads ledgers and files, and
//! writes nothing but the features of the images that are searched.

mod connections;
mod live;
mod pages;
mod retrieve;
mod site;
mod upload;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tiny_http::{Request, Server};

use super::{Answer, Outcome};
use crate::cli::Serve;
use crate::error::refuse;

use site::{Page, Site};

/// Uploads that are read at once.
const UPLOADS: usize = 8;

/// Serves until a signal ends the process.
pub(super) fn run(arguments: &Serve) -> Outcome {
    let search = match &arguments.retrieve {
        Some(set) => Some(super::retrieve::open(set, &arguments.searched)?),
        None => None,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let server = Server::http(address).map_err(|error| {
        refuse(
            format!("cannot listen on {address}: {error}"),
            "choose another port with `--port N`; 0 takes a free one",
        )
    })?;
    let port = server
        .server_addr()
        .to_ip()
        .map_or(arguments.port, |ip| ip.port());
    connections::keep_moving(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    println!("http://127.0.0.1:{port}/");
    eprintln!(
        "serving `{}`; Ctrl-C ends it",
        arguments.searched.settings.out.display()
    );
    let mut site = Site::new(&arguments.searched.settings.out, port, search);
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
            Some(image) => site.found(image),
            None => match site.answer(&request) {
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
    Ok(Answer::Yes)
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
