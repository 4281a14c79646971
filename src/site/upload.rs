//! An image that a browser sends: bounded in bytes before it is read and in pixels before it is decoded, and kept nowhere.

use std::io::{Cursor, Read};

use image::{ImageReader, Limits, RgbImage};
use tiny_http::Request;

use crate::slides::to_rgb;

/// Most bytes of a request.
const MOST: usize = 8 << 20;
/// Largest height and width of an image, and most memory to decode it.
const LARGEST: u32 = 4096;
const MEMORY: u64 = 64 << 20;
/// The name of the form's field.
pub(super) const FIELD: &str = "image";

/// Why there is no image: the status of the answer, and a sentence.
pub(super) type Refused = (u16, String);
/// What came of an upload.
pub(super) type Uploaded = Result<RgbImage, Refused>;

/// The image in a request that a form sent.
pub(super) fn image(request: &mut Request) -> Uploaded {
    let refused = |status: u16, sentence: &str| (status, sentence.to_owned());
    let Some(length) = request.body_length() else {
        return Err(refused(411, "The request does not say how long it is."));
    };
    if length > MOST {
        let most = MOST >> 20;
        return Err((413, format!("The file is too large: {most} MiB at most.")));
    }
    let headers = request.headers().iter();
    let kind = headers
        .into_iter()
        .find(|header| header.field.equiv("Content-Type"))
        .map(|header| header.value.as_str().to_owned())
        .unwrap_or_default();
    let Some(boundary) = boundary(&kind) else {
        return Err(refused(400, "The request is not that of the form."));
    };
    let mut body = Vec::with_capacity(length);
    let reader = request.as_reader().take(MOST as u64);
    if { reader }.read_to_end(&mut body).is_err() {
        return Err(refused(400, "The request broke off."));
    }
    match part(&body, boundary) {
        None => Err(refused(400, "The request is not that of the form.")),
        Some([]) => Err(refused(400, "No file was chosen.")),
        Some(bytes) => decode(bytes),
    }
}

/// What separates the parts of a form, from its content type.
fn boundary(kind: &str) -> Option<&str> {
    let rest = kind.strip_prefix("multipart/form-data")?;
    let value = rest
        .split(';')
        .find_map(|part| part.trim().strip_prefix("boundary="))?;
    let value = value.trim_matches('"');
    (!value.is_empty() && value.len() <= 70).then_some(value)
}

/// The content of the part called [`FIELD`] (RFC 7578).
fn part<'a>(body: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    let start = format!("--{boundary}");
    let mut rest = &body[find(body, start.as_bytes())? + start.len()..];
    let end = format!("\r\n--{boundary}");
    loop {
        let content = find(rest, b"\r\n\r\n")?;
        let headers = String::from_utf8_lossy(&rest[..content]);
        let length = find(&rest[content + 4..], end.as_bytes())?;
        if headers.contains(&format!("name=\"{FIELD}\"")) {
            return Some(&rest[content + 4..][..length]);
        }
        rest = &rest[content + 4 + length + end.len()..];
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The image in the bytes of a file.
fn decode(bytes: &[u8]) -> Result<RgbImage, Refused> {
    let no_image = |error: &dyn std::fmt::Display| {
        (
            400,
            format!("The file is no image that can be read (PNG or JPEG): {error}"),
        )
    };
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| no_image(&error))?;
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(LARGEST);
    limits.max_image_height = Some(LARGEST);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| no_image(&error))?;
    Ok(to_rgb(&image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_the_image_is_found_among_others() {
        let kind = "multipart/form-data; boundary=----x1";
        assert_eq!(boundary(kind), Some("----x1"));
        assert_eq!(
            boundary("multipart/form-data; boundary=\"a b\""),
            Some("a b")
        );
        for other in [
            "text/plain",
            "multipart/form-data",
            "multipart/form-data; boundary=",
        ] {
            assert_eq!(boundary(other), None);
        }
        let body = b"------x1\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\n8\r\n------x1\r\nContent-Disposition: \
                     form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\r\n--\x00\r\n------x1--\r\n";
        assert_eq!(part(body, "----x1"), Some(&b"\r\n--\x00"[..]));
        for cut in 0..body.len() - 14 {
            assert_eq!(part(&body[..cut], "----x1"), None, "{cut}");
        }
        assert_eq!(part(body, "other"), None);
    }

    #[test]
    fn what_is_no_image_or_too_large_is_refused() {
        for bytes in [&b"GIF89a"[..], b"text", b"\x89PNG\r\n\x1a\n"] {
            let (status, sentence) = decode(bytes).unwrap_err();
            assert_eq!(status, 400);
            assert!(sentence.starts_with("The file is no image"), "{sentence}");
        }
        // A megabyte of pixels in a few bytes: refused by what its header says.
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 5000, 8);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&vec![0; 5000 * 8]).unwrap();
        writer.finish().unwrap();
        assert!(decode(&bytes).is_err());
    }
}
