//! What is served: the page at an address.

use std::fs;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use tiny_http::{Header, Method, Request, Response};

use super::live::Runs;
use super::upload::Uploaded;
use super::{pages, retrieve};
use crate::error::Result;
use crate::experiment::Search;
use crate::workspace::Workspace;

/// What there is to answer with.
pub(super) struct Responder {
    workspace: Workspace,
    port: u16,
    runs: Runs,
    /// The images that uploaded ones are compared with, if any.
    search: Option<Search>,
}

/// What a request gets.
pub(super) struct Page {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

impl Page {
    pub(super) fn html(status: u16, text: String) -> Self {
        let kind = "text/html; charset=utf-8";
        Self {
            status,
            kind,
            body: text.into_bytes(),
        }
    }

    fn json(value: &impl serde::Serialize) -> Result<Self> {
        let kind = "application/json";
        Ok(Self {
            status: 200,
            kind,
            body: serde_json::to_vec(value)?,
        })
    }

    pub(super) fn response(self) -> Response<std::io::Cursor<Vec<u8>>> {
        let headers = [
            ("Content-Type", self.kind),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ];
        let headers =
            headers.map(|(name, value)| Header::from_bytes(name, value).expect("a header"));
        let response = Response::from_data(self.body).with_status_code(self.status);
        headers.into_iter().fold(response, Response::with_header)
    }
}

impl Responder {
    pub(super) fn new(workspace: Workspace, port: u16, search: Option<Search>) -> Self {
        Self {
            workspace,
            port,
            runs: Runs::default(),
            search,
        }
    }

    /// What a request gets; none for an upload, whose image is looked for once it is read.
    pub(super) fn answer(&mut self, request: &Request) -> Option<Page> {
        let search = self.search.as_ref();
        let search = search.filter(|_| request.url() == retrieve::ADDRESS);
        let is_upload = *request.method() == Method::Post && search.is_some();
        if !is_upload && !matches!(request.method(), Method::Get | Method::Head) {
            return Some(Page::html(
                405,
                pages::refusal("405", "Only GET and HEAD are answered."),
            ));
        }
        // A name that somebody else's server resolves to this machine is not us, nor is a page of theirs that sends a form.
        let names = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port));
        let header = |name: &'static str| {
            let headers = request.headers().iter();
            headers
                .into_iter()
                .find(|header| header.field.equiv(name))
                .map(|header| header.value.as_str().to_owned())
        };
        let is_ours = |host: &str| names.iter().any(|name| host == name);
        let origin = header("Origin");
        let origin = origin
            .as_deref()
            .map(|origin| origin.strip_prefix("http://"));
        if !header("Host").is_some_and(|host| is_ours(&host))
            || is_upload && origin.is_some_and(|origin| !origin.is_some_and(is_ours))
        {
            return Some(Page::html(
                403,
                pages::refusal("403", "This address is not that of the server."),
            ));
        }
        match search {
            Some(_) if is_upload => return None,
            Some(search) => return Some(retrieve::form(search)),
            None => {}
        }
        Some(match self.page(request.url()) {
            Ok(Some(page)) => page,
            Ok(None) => Page::html(404, pages::refusal("404", "There is no such page.")),
            Err(error) => Page::html(500, pages::refusal("500", &format!("{error:#}"))),
        })
    }

    /// The images that are most like an uploaded one.
    pub(super) fn found(&self, image: Uploaded) -> Page {
        match &self.search {
            Some(search) => retrieve::answer(search, image),
            None => Page::html(404, pages::refusal("404", "There is no such page.")),
        }
    }

    /// What lies at `url`; none if nothing does, or it is not for reading.
    fn page(&mut self, url: &str) -> Result<Option<Page>> {
        let Some(parts) = parts(url) else {
            return Ok(None);
        };
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Ok(match parts.as_slice() {
            [""] => {
                let runs = self.runs.all(&self.workspace)?;
                let reports = reports(&self.workspace);
                Some(Page::html(
                    200,
                    pages::index(&reports, &runs, self.search.is_some()),
                ))
            }
            ["runs.json"] => Some(Page::json(&self.runs.all(&self.workspace)?)?),
            ["runs", name, ""] => {
                let run = self.runs.one(&self.workspace, name)?;
                run.map(|run| Page::html(200, pages::run(&run)))
            }
            ["runs", name, "state.json"] => {
                let run = self.runs.one(&self.workspace, name)?;
                run.map(|run| Page::json(&run)).transpose()?
            }
            ["runs", name, "samples", file] => {
                let inside = Path::new(name).join("samples").join(file);
                read(&self.workspace.runs(), &inside)
            }
            ["reports", inside @ .., ""] => {
                let inside: PathBuf = inside.iter().chain(&["index.html"]).collect();
                read(&self.workspace.reports(), &inside)
            }
            ["reports", inside @ ..] => read(
                &self.workspace.reports(),
                &inside.iter().collect::<PathBuf>(),
            ),
            _ => None,
        })
    }
}

/// The decoded parts of the path of `url`, the last one empty where it ends in a slash; none where a part is more than the name
/// of an entry in a folder.
fn parts(url: &str) -> Option<Vec<String>> {
    let path = url.split(['?', '#']).next()?.strip_prefix('/')?;
    let mut parts = Vec::new();
    for part in path.split('/') {
        let part = percent_decode_str(part).decode_utf8().ok()?.into_owned();
        if part.starts_with('.') || part.contains(['/', '\\', ':', '\0']) {
            return None;
        }
        parts.push(part);
    }
    let (_, before) = parts.split_last()?;
    before.iter().all(|part| !part.is_empty()).then_some(parts)
}

/// The file at `inside` below `folder`, if it is of a kind that is shown and reached through no link.
fn read(folder: &Path, inside: &Path) -> Option<Page> {
    let kind = match inside.extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "csv" => "text/csv; charset=utf-8",
        "md" | "tex" | "toml" => "text/plain; charset=utf-8",
        _ => return None,
    };
    let expected = folder.canonicalize().ok()?.join(inside);
    if folder.join(inside).canonicalize().ok()? != expected {
        return None;
    }
    let body = fs::read(expected).ok()?;
    Some(Page {
        status: 200,
        kind,
        body,
    })
}

/// The names of the reports that have a page.
fn reports(workspace: &Workspace) -> Vec<String> {
    let entries = fs::read_dir(workspace.reports())
        .into_iter()
        .flatten()
        .flatten();
    let with_page = entries.filter(|entry| entry.path().join("index.html").is_file());
    let mut names: Vec<String> = with_page
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_of_entries_and_nothing_else() {
        let found = |url| parts(url).map(|parts| parts.join("|"));
        assert_eq!(found("/"), Some(String::new()));
        assert_eq!(
            found("/reports/table1/?x#y").as_deref(),
            Some("reports|table1|")
        );
        assert_eq!(found("/reports/a%20b").as_deref(), Some("reports|a b"));
        for hostile in [
            "/../x",
            "/reports/../../x",
            "/reports/%2e%2e/x",
            "/reports/..%2fx",
            "/reports//x",
            "//x",
            "/reports/a%5c..%5cb",
            "/reports/%00",
            "/reports/%ff",
            "/reports/.hidden",
            "reports",
            "http://x/",
        ] {
            assert_eq!(parts(hostile), None, "{hostile}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_folder_is_not_followed() {
        let out = tempfile::tempdir().unwrap();
        let folder = Workspace::new(out.path()).reports();
        fs::create_dir_all(folder.join("a")).unwrap();
        fs::write(out.path().join("secret.md"), "secret").unwrap();
        fs::write(folder.join("a/table.md"), "table").unwrap();
        std::os::unix::fs::symlink("../../secret.md", folder.join("a/link.md")).unwrap();
        std::os::unix::fs::symlink("..", folder.join("b")).unwrap();
        assert_eq!(
            read(&folder, Path::new("a/table.md")).unwrap().body,
            b"table"
        );
        for inside in ["a/link.md", "b/secret.md", "../secret.md", "a/none.md", "a"] {
            assert!(read(&folder, Path::new(inside)).is_none(), "{inside}");
        }
    }
}
