//! Fetching from a local web server that can be told to misbehave.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

/// What the server was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
struct Request {
    path: String,
    range: Option<u64>,
    if_range: Option<String>,
}

/// What the server does about one request.
#[derive(Clone)]
struct Reply {
    status: &'static str,
    headers: Vec<String>,
    body: Vec<u8>,
    /// Bytes of the body after which the connection breaks.
    cut_after: usize,
}

struct Server {
    base_url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request with what `answer` makes of it and of the number of requests before.
    fn start(answer: impl Fn(&Request, usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/sets/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        // Ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let Some(request) = Self::read(&stream) else { continue };
                let n_before = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    seen.len() - 1
                };
                Self::write(stream, answer(&request, n_before));
            }
        });
        Self { base_url, requests }
    }

    /// Serves `content` as a server should.
    fn serving(content: &[u8]) -> Self {
        let content = content.to_vec();
        Self::start(move |request, _| well_behaved(&content, "\"1\"", request))
    }

    fn read(stream: &TcpStream) -> Option<Request> {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let mut request = Request { path: lines.next()?.split(' ').nth(1)?.to_owned(), range: None, if_range: None };
        for line in lines {
            let (name, value) = line.split_once(": ")?;
            match name.to_ascii_lowercase().as_str() {
                "range" => request.range = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok(),
                "if-range" => request.if_range = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(request)
    }

    fn write(mut stream: TcpStream, reply: Reply) {
        let mut head =
            format!("HTTP/1.1 {}\r\nConnection: close\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        reply.headers.iter().for_each(|header| head += &format!("{header}\r\n"));
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let sent = reply.body.len().min(reply.cut_after);
        // The client may have hung up: that is its right.
        let _ = stream.write_all(&reply.body[..sent]);
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn reply(status: &'static str, headers: &[&str], body: &[u8]) -> Reply {
    let headers = headers.iter().map(|&header| header.to_owned()).collect();
    Reply { status, headers, body: body.to_vec(), cut_after: usize::MAX }
}

/// A server as it should be: ranges, an ETag, and `If-Range` heeded.
fn well_behaved(content: &[u8], etag: &str, request: &Request) -> Reply {
    let etag_header = format!("ETag: {etag}");
    let is_same = request.if_range.as_deref().is_none_or(|asked| asked == etag);
    match request.range {
        Some(first) if is_same && first as usize >= content.len() => {
            reply("416 Range Not Satisfiable", &[&format!("Content-Range: bytes */{}", content.len())], b"")
        }
        Some(first) if is_same => {
            let range = format!("Content-Range: bytes {first}-{}/{}", content.len() - 1, content.len());
            reply("206 Partial Content", &[&etag_header, &range], &content[first as usize..])
        }
        _ => reply("200 OK", &[&etag_header], content),
    }
}

/// An archive with these entries.
fn zip_bytes(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Numbers that do not compress, so that the archive is long enough to break in the middle.
fn noise(n: usize) -> Vec<u8> {
    let mut stream = triax_model::random::Stream::new(0, triax_model::random::Purpose::Synthesise, 0);
    (0..n).map(|_| stream.next_u32() as u8).collect()
}

fn archive() -> Vec<u8> {
    zip_bytes(&[
        ("data/a.txt", b"first"),
        ("data/b/c.bin", &noise(300_000)),
        ("data/__MACOSX/._a.txt", b"what macOS adds"),
    ])
}

fn set(sha256: Option<&str>) -> DataSet {
    DataSet {
        name: "toy",
        title: "",
        page: "",
        url: "https://example.invalid/toy.zip",
        size: None,
        sha256: sha256.map(|sum| &*sum.to_owned().leak()),
        inside: "data",
        licence: "",
        citation: "",
    }
}

fn sha256(content: &[u8]) -> String {
    hex(Sha256::digest(content))
}

fn get(set: &DataSet, dest: &Path, server: &Server) -> Result<Fetched, DataError> {
    fetch_set(set, dest, &FetchOptions { base_url: Some(server.base_url.clone()) }, &mut |_| {})
}

fn names(dest: &Path) -> Vec<String> {
    let entries = fs::read_dir(dest).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const DONE: [&str; 3] = ["toy", "toy.zip", "toy.zip.sha256"];

#[test]
fn a_set_is_downloaded_verified_and_unpacked_once() {
    let content = archive();
    let sum = sha256(&content);
    let server = Server::serving(&content);
    let dest = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let options = FetchOptions { base_url: Some(server.base_url.clone()) };
    let fetched = fetch_set(&set(Some(&sum)), dest.path(), &options, &mut |p| seen.push(p)).unwrap();
    assert_eq!(fetched.outcome, Outcome::Verified { sha256: sum.clone() });
    assert_eq!(fs::read(fetched.path.join("a.txt")).unwrap(), b"first");
    assert_eq!(fs::read(fetched.path.join("b/c.bin")).unwrap(), noise(300_000));
    assert_eq!(names(dest.path()), DONE);
    assert_eq!(names(&fetched.path), ["a.txt", "b"]);
    assert_eq!(fs::read_to_string(dest.path().join("toy.zip.sha256")).unwrap(), format!("{sum}  toy.zip\n"));
    let whole = content.len() as u64;
    assert_eq!(seen.first(), Some(&FetchProgress { received: 0, total: Some(whole) }));
    assert_eq!(seen.last(), Some(&FetchProgress { received: whole, total: Some(whole) }));

    assert_eq!(get(&set(Some(&sum)), dest.path(), &server).unwrap().outcome, Outcome::AlreadyThere);
    let asked = Request { path: "/sets/toy.zip".to_owned(), ..Request::default() };
    assert_eq!(server.requests(), [asked], "the second call asks nobody");

    // With the folder gone, the archive that is here is enough.
    fs::remove_dir_all(dest.path().join("toy")).unwrap();
    get(&set(Some(&sum)), dest.path(), &server).unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn without_a_known_checksum_it_says_so_and_notes_the_one_it_found() {
    let content = archive();
    let sum = sha256(&content);
    let server = Server::serving(&content);
    let dest = tempfile::tempdir().unwrap();
    let fetched = get(&set(None), dest.path(), &server).unwrap();
    assert_eq!(fetched.outcome, Outcome::Unverified { sha256: sum.clone() });
    let text = fetched.to_string();
    assert!(text.contains(&sum) && text.contains("could not be verified"), "{text}");
}

#[test]
fn a_broken_connection_leaves_nothing_that_looks_complete_and_is_resumed() {
    let content = archive();
    let served = content.clone();
    let server = Server::start(move |request, n_before| {
        let cut_after = [100_000, 50_000, usize::MAX][n_before];
        Reply { cut_after, ..well_behaved(&served, "\"1\"", request) }
    });
    let dest = tempfile::tempdir().unwrap();
    for received in [100_000, 150_000] {
        match get(&set(None), dest.path(), &server) {
            Err(DataError::Fetch(error @ FetchError::CutOff { .. })) => {
                let message = error.to_string();
                assert!(message.contains(&format!("after {received} bytes of {}", content.len())), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(names(dest.path()), ["toy.zip.part", "toy.zip.part.json"]);
    }
    get(&set(None), dest.path(), &server).unwrap();
    assert_eq!(names(dest.path()), DONE);
    assert_eq!(fs::read(dest.path().join("toy.zip")).unwrap(), content);
    let asked: Vec<_> = server.requests().into_iter().map(|r| (r.range, r.if_range)).collect();
    let tag = || Some("\"1\"".to_owned());
    assert_eq!(asked, [(None, None), (Some(100_000), tag()), (Some(150_000), tag())]);
}

/// Lets the first download break after 100,000 bytes, and gives the later ones to `answer`.
fn after_a_break(
    first: impl Fn(&Request) -> Reply + Send + 'static,
    answer: impl Fn(&Request) -> Reply + Send + 'static,
    set: &DataSet,
) -> (tempfile::TempDir, Server, Result<Fetched, DataError>) {
    let server = Server::start(move |request, n_before| match n_before {
        0 => Reply { cut_after: 100_000, ..first(request) },
        _ => answer(request),
    });
    let dest = tempfile::tempdir().unwrap();
    get(set, dest.path(), &server).unwrap_err();
    let second = get(set, dest.path(), &server);
    (dest, server, second)
}

#[test]
fn a_server_that_ignores_ranges_sends_the_whole_again() {
    let content = archive();
    let whole = content.clone();
    let always_whole = move |_: &Request| reply("200 OK", &["ETag: \"1\""], &whole);
    let (dest, _, fetched) = after_a_break(always_whole.clone(), always_whole, &set(None));
    fetched.unwrap();
    assert_eq!(fs::read(dest.path().join("toy.zip")).unwrap(), content);
}

#[test]
fn a_file_that_changed_on_the_server_is_not_mixed_with_the_old_one() {
    let (old, new) = (archive(), zip_bytes(&[("data/new.bin", &noise(400_000))]));
    let served = new.clone();
    let (dest, server, fetched) = after_a_break(
        move |request| well_behaved(&old, "\"1\"", request),
        move |request| well_behaved(&served, "\"2\"", request),
        &set(None),
    );
    fetched.unwrap();
    assert_eq!(fs::read(dest.path().join("toy.zip")).unwrap(), new);
    assert_eq!(server.requests()[1].range, Some(100_000));
}

#[test]
fn what_nothing_can_vouch_for_is_not_resumed() {
    // Neither a strong ETag nor a date nor a checksum: a weak ETag says nothing about bytes.
    let content = archive();
    let (first, second) = (content.clone(), content.clone());
    let (dest, server, fetched) = after_a_break(
        move |request| well_behaved(&first, "W/\"1\"", request),
        move |request| well_behaved(&second, "W/\"1\"", request),
        &set(None),
    );
    fetched.unwrap();
    assert_eq!(server.requests()[1].range, None);
    assert_eq!(fs::read(dest.path().join("toy.zip")).unwrap(), content);

    // A known checksum vouches for the whole.
    let (first, second) = (content.clone(), content.clone());
    let (_dest, server, fetched) = after_a_break(
        move |request| well_behaved(&first, "W/\"1\"", request),
        move |request| well_behaved(&second, "W/\"1\"", request),
        &set(Some(&sha256(&content))),
    );
    fetched.unwrap();
    assert_eq!(server.requests()[1].range, Some(100_000));
}

#[test]
fn a_range_that_was_not_asked_for_starts_the_download_afresh() {
    let content = archive();
    let (first, second) = (content.clone(), content.clone());
    let (dest, server, fetched) = after_a_break(
        move |request| well_behaved(&first, "\"1\"", request),
        move |request| match request.range {
            Some(_) => reply("206 Partial Content", &["ETag: \"1\"", "Content-Range: bytes 7-9/10"], b"xyz"),
            None => well_behaved(&second, "\"1\"", request),
        },
        &set(None),
    );
    fetched.unwrap();
    assert_eq!(server.requests().len(), 3);
    assert_eq!(fs::read(dest.path().join("toy.zip")).unwrap(), content);
}

#[test]
fn a_part_that_is_whole_already_becomes_the_archive() {
    // As a process leaves it that was killed between the last byte and the new name; or, one byte longer, as none does.
    for (surplus, n_requests) in [(0, 1), (1, 2)] {
        let content = archive();
        let server = Server::serving(&content);
        let dest = tempfile::tempdir().unwrap();
        let mut part = content.clone();
        part.resize(content.len() + surplus, 0);
        fs::write(dest.path().join("toy.zip.part"), part).unwrap();
        let origin = format!("{{\"url\":\"{}toy.zip\",\"validator\":\"\\\"1\\\"\"}}", server.base_url);
        fs::write(dest.path().join("toy.zip.part.json"), origin).unwrap();
        get(&set(None), dest.path(), &server).unwrap();
        assert_eq!(server.requests().len(), n_requests);
        assert_eq!(names(dest.path()), DONE);
        assert_eq!(fs::read(dest.path().join("toy.zip")).unwrap(), content);
    }
}

#[test]
fn a_wrong_checksum_deletes_the_file_and_the_next_call_starts_again() {
    let content = archive();
    let sum = sha256(&content);
    let server = Server::start(move |request, n_before| match n_before {
        0 => reply("200 OK", &["ETag: \"1\""], b"something else"),
        _ => well_behaved(&content, "\"1\"", request),
    });
    let dest = tempfile::tempdir().unwrap();
    let message = get(&set(Some(&sum)), dest.path(), &server).unwrap_err().to_string();
    assert!(message.contains(&sum) && message.contains(&sha256(b"something else")), "{message}");
    assert_eq!(names(dest.path()), [""; 0]);
    get(&set(Some(&sum)), dest.path(), &server).unwrap();
    assert_eq!(server.requests()[1].range, None);
    assert_eq!(names(dest.path()), DONE);
}

#[test]
fn a_server_that_refuses_is_quoted() {
    let server = Server::start(|_, n_before| reply(["404 Not Found", "503 Busy"][n_before], &[], b"<html>"));
    let dest = tempfile::tempdir().unwrap();
    let message = get(&set(None), dest.path(), &server).unwrap_err().to_string();
    assert!(message.contains("404") && message.contains("by hand"), "{message}");
    let message = get(&set(None), dest.path(), &server).unwrap_err().to_string();
    assert!(message.contains("503") && message.contains("later"), "{message}");

    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = FetchOptions { base_url: Some(format!("http://127.0.0.1:{port}")) };
    let error = fetch_set(&set(None), dest.path(), &options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, DataError::Fetch(FetchError::NoAnswer { .. })), "{error}");
}

/// Serves `content` as the archive and expects it to be refused, leaving neither folder nor archive.
fn refused(content: Vec<u8>, words: &str) {
    let outside = tempfile::tempdir().unwrap();
    let dest = outside.path().join("in/side");
    let server = Server::serving(&content);
    let message = get(&set(None), &dest, &server).unwrap_err().to_string();
    assert!(message.contains(words), "{message:?} lacks {words:?}");
    assert_eq!(names(&dest), [""; 0]);
    assert_eq!(names(outside.path()), ["in"], "something was written outside");
    assert_eq!(names(&outside.path().join("in")), ["side"]);
}

#[test]
fn an_archive_cannot_write_outside_its_folder() {
    refused(zip_bytes(&[("data/a", b"a"), ("../../evil", b"x")]), "outside its folder");
    refused(zip_bytes(&[("data/../../../evil", b"x")]), "outside its folder");
    refused(zip_bytes(&[("/tmp/evil", b"x")]), "outside its folder");
    refused(zip_bytes(&[("data/a", b"a"), ("inner.zip", &zip_bytes(&[("../../evil", b"x")]))]), "outside its folder");
    let mut linked = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    linked.add_symlink("data", "..", zip::write::SimpleFileOptions::default()).unwrap();
    refused(linked.finish().unwrap().into_inner(), "is a link");
    refused(gzip(tar_bytes(&[("../evil", b"x")], None)), "outside its folder");
    refused(gzip(tar_bytes(&[], Some(("data", "..")))), "is a link");
}

#[test]
fn an_archive_laid_out_otherwise_is_kept_as_it_is() {
    let content = zip_bytes(&[("other/a", b"a")]);
    let server = Server::serving(&content);
    let dest = tempfile::tempdir().unwrap();
    let fetched = get(&set(None), dest.path(), &server).unwrap();
    assert_eq!(fs::read(fetched.path.join("other/a")).unwrap(), b"a");
    assert_eq!(names(dest.path()), DONE);
}

#[test]
fn a_damaged_archive_is_deleted_and_says_so() {
    let content = archive();
    refused(content[..content.len() / 2].to_vec(), "the file was deleted");
    refused(b"<html>Please log in</html>".to_vec(), "web page");
    refused(gzip(tar_bytes(&[("data/a", b"a"), ("data/a", b"b")], None)), "two entries");
    let mut cut = gzip(tar_bytes(&[("data/a", &noise(10_000))], None));
    cut.truncate(5_000);
    refused(cut, "the file was deleted");
}

#[test]
fn an_archive_that_unpacks_without_end_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let bomb = dir.path().join("bomb.zip");
    fs::write(&bomb, zip_bytes(&[("inner.zip", &zip_bytes(&[("zeros", &[0; 100_000])]))])).unwrap();
    let unpack = |bytes, entries, depth| {
        let into = tempfile::tempdir().unwrap();
        let unpacked = unpack::unpack(&bomb, into.path(), &mut Budget { bytes, entries, depth });
        unpacked.map(|()| names(into.path())).map_err(|error| error.to_string())
    };
    assert!(unpack(90_000, 10, 1).unwrap_err().contains("several times larger"));
    assert!(unpack(200_000, 1, 1).unwrap_err().contains("too many entries"));
    assert_eq!(unpack(200_000, 2, 1).unwrap(), ["zeros"]);
    assert_eq!(unpack(200_000, 2, 0).unwrap(), ["inner.zip"], "deeper archives stay packed");
}

#[test]
fn a_tar_is_unpacked_whether_or_not_the_server_undid_its_gzip() {
    for pack in [gzip, |tar| tar] {
        let content = pack(tar_bytes(&[("data/a.txt", b"first"), ("data/b/c", b"second")], None));
        let server = Server::serving(&content);
        let dest = tempfile::tempdir().unwrap();
        let fetched = get(&set(None), dest.path(), &server).unwrap();
        assert_eq!(fs::read(fetched.path.join("b/c")).unwrap(), b"second");
    }
}

#[test]
fn what_is_in_the_way_is_left_alone() {
    let server = Server::start(|_, _| reply("200 OK", &[], b""));
    let dest = tempfile::tempdir().unwrap();
    fs::create_dir(dest.path().join("toy")).unwrap();
    let message = get(&set(None), dest.path(), &server).unwrap_err().to_string();
    assert!(message.contains("is empty"), "{message}");

    let dest = tempfile::tempdir().unwrap();
    let lock = File::create(dest.path().join("toy.zip.lock")).unwrap();
    lock.lock().unwrap();
    let error = get(&set(None), dest.path(), &server).unwrap_err();
    assert!(matches!(error, DataError::Fetch(FetchError::Busy { .. })), "{error}");
    assert_eq!(server.requests(), []);
}

#[test]
fn the_table_of_sets_is_sound() {
    let dest = tempfile::tempdir().unwrap();
    let error = fetch("mnist", dest.path(), &FetchOptions::default(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("wisdm1, wisdm2, uci-har, motionsense"), "{error}");
    for set in &DATA_SETS {
        assert!(set.name.parse::<crate::Format>().is_ok(), "{} is no format", set.name);
        assert!(set.url.starts_with("https://") && !set.url.contains(' '), "{}", set.url);
        assert!(set.file().ends_with(".zip") || set.file().ends_with(".tar.gz"), "{}", set.file());
        assert!(set.sha256.is_none_or(|sum| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit())));
    }
}

fn gzip(content: Vec<u8>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&content).unwrap();
    encoder.finish().unwrap()
}

/// A tar with entries of any name, as `tar::Builder` would refuse to write it.
fn tar_bytes(entries: &[(&str, &[u8])], link: Option<(&str, &str)>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let header = |name: &str, size: usize, kind| {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(size as u64);
        header.set_mode(0o644);
        header.set_entry_type(kind);
        header
    };
    for (name, content) in entries {
        let mut header = header(name, content.len(), tar::EntryType::Regular);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    if let Some((name, target)) = link {
        let mut header = header(name, 0, tar::EntryType::Symlink);
        header.set_link_name(target).unwrap();
        header.set_cksum();
        builder.append(&header, io::empty()).unwrap();
    }
    builder.into_inner().unwrap()
}
