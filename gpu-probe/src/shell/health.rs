//! Answers a platform's health check on the container's one port with 200.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::error::AgentError;

/// Most connections at once; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 16;
/// Longest life of a connection.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(2);
/// Pause after the listener failed (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// The answer to whatever was asked (RFC 9112).
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";

/// Takes the port on all addresses; a platform's check comes from outside the container.
pub(super) async fn listen(port: u16) -> Result<TcpListener, AgentError> {
    let bound = TcpListener::bind(("0.0.0.0", port)).await;
    bound.map_err(|source| AgentError::HealthPort { port, source })
}

/// Answers until it is dropped.
pub(super) async fn serve(listener: TcpListener) {
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
