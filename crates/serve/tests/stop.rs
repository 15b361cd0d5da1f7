//! SIGTERM: what was accepted is answered, then the program ends with 0.

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{Reply, Running, head, photos};

#[test]
fn every_accepted_request_is_answered_before_the_end() {
    let (server, photos) = (Running::start(&[]), photos());
    let request =
        [head("POST", "/v1/predict", "", photos[1].1.len()), photos[1].1.clone()].concat();
    let (address, answered) = (server.address, AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    // Until nobody listens any more.
                    while let Ok(mut stream) = TcpStream::connect(address) {
                        if stream.write_all(&request).is_err() {
                            continue;
                        }
                        match Reply::read(stream) {
                            Some(reply) if reply.status == 200 => {
                                answered.fetch_add(1, Ordering::Relaxed)
                            }
                            other => {
                                panic!("a request was lost: {:?}", other.map(|reply| reply.body))
                            }
                        };
                    }
                })
            })
            .collect();
        while answered.load(Ordering::Relaxed) < 20 {
            thread::sleep(Duration::from_millis(10));
        }
        // A request whose body is still on its way.
        let mut slow = server.connect();
        slow.write_all(&request[..request.len() - 1]).unwrap();
        thread::sleep(Duration::from_millis(300));
        server.terminate();
        thread::sleep(Duration::from_millis(300));
        slow.write_all(&request[request.len() - 1..]).unwrap();
        assert_eq!(Reply::read(slow).map(|reply| reply.status), Some(200));
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    assert_eq!(server.wait().code(), Some(0));
}
