//! Clients that send too much, too slowly, or nonsense: the others are still served.

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use common::{Reply, Running, crop, head};

#[test]
fn bodies_that_are_too_large_are_refused_early() {
    let server = Running::start(&[]);
    let mut stream = server.connect();
    stream.write_all(&head("POST", "/v1/predict", "", 10_000_000_000)).unwrap();
    let answer = Reply::read(stream).unwrap();
    assert_eq!(
        (answer.status, answer.error()),
        (413, "the body is too large: at most 64 MiB are allowed".to_owned())
    );
    // One that does not say its length.
    let mut stream = server.connect();
    stream
        .write_all(
            b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .unwrap();
    let chunk = [b"100000\r\n".to_vec(), vec![0; 1 << 20], b"\r\n".to_vec()].concat();
    let sent = (0..200).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!((64..200).contains(&sent), "{sent} MiB were read");
    assert!(server.memory() < 2_000_000, "{} kB", server.memory());
    let many = vec![("a.jpg".to_owned(), vec![]); 257];
    let answer = server.predict_form("", &many);
    assert_eq!(answer.status, 413);
    assert!(answer.error().contains("at most 256"));
    assert_eq!(server.predict(&crop()).status, 200);
}

#[test]
fn more_images_than_may_wait_are_told_to_come_again() {
    let (server, crop) = (Running::start(&[]), crop());
    let many = vec![("a.jpg".to_owned(), crop.clone()); 256];
    let (server, many) = (&server, &many);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| server.predict_form("", many))).collect();
        let all = all.into_iter().map(|one| one.join().unwrap());
        all.inspect(|answer| match answer.status {
            429 => assert!(answer.headers.contains("retry-after: 1"), "{}", answer.headers),
            _ => assert_eq!(answer.json().as_array().map(Vec::len), Some(256)),
        })
        .map(|answer| answer.status)
        .collect()
    });
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    assert_eq!(server.predict(&crop).status, 200);
}

#[test]
fn slow_and_broken_clients_do_not_keep_others_waiting() {
    let (server, crop) = (Running::start(&[]), crop());
    let begin = |bytes: &[u8]| {
        let mut stream = server.connect();
        stream.write_all(bytes).unwrap();
        stream
    };
    let half_heads: Vec<TcpStream> =
        (0..60).map(|_| begin(b"POST /v1/predict HTTP/1.1\r\nHo")).collect();
    let half_body = [head("POST", "/v1/predict", "", crop.len()), crop[..100].to_vec()].concat();
    let half_bodies: Vec<TcpStream> = (0..60).map(|_| begin(&half_body)).collect();
    for n in 0..500u32 {
        drop(begin(&n.to_le_bytes().repeat(10)));
        if n % 5 == 0 {
            assert_eq!(server.predict(&[n as u8; 50]).status, 422);
        }
    }
    // A few hundred bytes that claim a billion pixels.
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bomb.extend([0, 0, 0x80, 0, 0, 0, 0x80, 0, 8, 2, 0, 0, 0]);
    bomb.extend([0; 300]);
    assert_eq!(server.predict(&bomb).status, 422);
    let start = Instant::now();
    assert_eq!(server.predict(&crop).status, 200);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // Those that send no head are disconnected.
    assert!(
        half_heads
            .into_iter()
            .all(|stream| Reply::read(stream).is_none_or(|reply| reply.status == 408))
    );
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    drop(half_bodies);
}
