//! What is counted, and from when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pilotdeck_load::{Endpoint, FailureKind, Fixed, Load, Measured, Run};

use crate::server::{Answer, Server, ok};

async fn measure(base_url: &str, load: Load) -> Measured {
    let endpoint: Endpoint = base_url.parse().unwrap();
    let mut run = Run::start(Arc::new(endpoint), Arc::new(Fixed::get("/")), load);
    run.ended().await;
    run.measured()
}

fn load(connections: usize, millis: u64) -> Load {
    Load::closed(connections, Duration::from_millis(millis))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_answer_of_a_closed_loop_is_counted_once() {
    let server = Server::start(|_| Answer::Bytes(ok("fine"))).await;

    let measured = measure(&server.base_url, load(4, 200)).await;

    let asked = server.requests.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(measured.answers(), asked);
    assert_eq!(measured.failures(), 0);
    assert!(measured.per_second() > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_waits_behind_a_slow_answer_is_slow_too() {
    // One answer in 100 takes 200 ms: with one connection, those that become due meanwhile wait.
    let server = Server::start(|turn| match turn {
        20 => Answer::Late(Duration::from_millis(200), ok("late")),
        _ => Answer::Bytes(ok("fine")),
    })
    .await;
    let open = Load { rate: Some(100.0), ..load(1, 1_000) };

    let measured = measure(&server.base_url, open).await;

    assert_eq!((measured.answers(), measured.unsent()), (100, 0));
    assert!(measured.quantile_ms(0.9) > 50.0, "a tenth of them became due while one was answered");
    assert!(measured.longest_ms() >= 190.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_rate_that_is_not_reached_leaves_requests_unsent() {
    let server = Server::start(|_| Answer::Late(Duration::from_millis(50), ok("late"))).await;
    let open = Load { rate: Some(1_000.0), ..load(1, 500) };

    let measured = measure(&server.base_url, open).await;

    assert!(measured.unsent() > 400, "{measured}");
    assert!(measured.to_string().contains("more were due"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn servers_that_refuse_hang_up_or_are_silent_are_counted_by_kind() {
    let kinds = |measured: &Measured| {
        assert_eq!(measured.answers(), 0);
        measured.errors().iter().map(|error| error.kind).collect::<Vec<_>>()
    };
    let hangs_up = Server::start(|_| Answer::Last(Vec::new())).await;
    let refuses = Server::start(|_| {
        Answer::Bytes(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno".to_vec())
    })
    .await;
    let silent = Server::start(|_| Answer::Silence).await;
    let impatient = Load { patience: Duration::from_millis(50), ..load(2, 100) };

    let absent = measure("http://127.0.0.1:1", load(2, 100)).await;

    assert_eq!(kinds(&absent), [FailureKind::CannotConnect]);
    assert!(absent.failures() < 10, "nobody knocks that often: {absent}");
    assert_eq!(kinds(&measure(&hangs_up.base_url, load(2, 100)).await), [FailureKind::HungUp]);
    assert_eq!(kinds(&measure(&refuses.base_url, load(2, 100)).await), [FailureKind::Status(401)]);
    assert_eq!(kinds(&measure(&silent.base_url, impatient).await), [FailureKind::TimedOut]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_load_ends_at_once_when_it_is_told_to() {
    let server = Server::start(|turn| match turn {
        0..10 => Answer::Bytes(ok("fine")),
        _ => Answer::Silence,
    })
    .await;
    let endpoint: Endpoint = server.base_url.parse().unwrap();
    let hour = Load::closed(1, Duration::from_hours(1));
    let mut run = Run::start(Arc::new(endpoint), Arc::new(Fixed::get("/")), hour);
    while run.measured().answers() < 10 {
        tokio::task::yield_now().await;
    }

    let told = Instant::now();
    run.stop();
    run.ended().await;

    assert!(told.elapsed() < Duration::from_secs(5));
    assert_eq!((run.measured().answers(), run.measured().failures()), (10, 0));
}
