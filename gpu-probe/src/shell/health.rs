//! Answers a platform's health check on the container's one port with 200.

use std::sync::Arc;
use std::time::Duration;

use tandem_model::error::ErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Most connections at once; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 16;
/// Longest life of a connection.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(2);
/// Pause after the listener failed (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Pause before a port that is taken is tried again.
const LISTEN_PAUSE: Duration = Duration::from_secs(2);
/// The answer to whatever was asked (RFC 9112).
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";

/// Takes the port on all addresses, for a platform's check comes from outside the container.
///
/// A port that something else holds is no reason not to run the job: whatever holds it answers the
/// check or does not, and the port is tried again until it is free.
async fn listen(port: u16) -> TcpListener {
    let mut was_told = false;
    loop {
        match TcpListener::bind(("0.0.0.0", port)).await {
            Ok(listener) => return listener,
            Err(error) if was_told => tracing::debug!(port, %error, "still taken"),
            Err(error) => {
                let code = ErrorCode::LISTEN_FAILED.as_str();
                tracing::warn!(port, %error, code, "TANDEM_HEALTH_PORT is taken; tried again");
                was_told = true;
            }
        }
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}

/// Answers until it is dropped.
pub(super) async fn serve(port: u16) {
    let listener = listen(port).await;
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        match listener.accept().await {
            Ok((connection, _)) => {
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(CONNECTION_LIFE_MAX, answer(connection)).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    // The request itself does not matter; it is read so that closing does not reset the answer.
    let mut request = [0; 4 * 1024];
    let _ = connection.read(&mut request).await?;
    connection.write_all(ANSWER).await?;
    connection.shutdown().await
}
