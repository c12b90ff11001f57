//! The adapters and the transport from outside: recorded shapes, impolite servers, hostile bodies.

mod aethir_quality;
mod aethir_shapes;
mod common;
mod hostile;
mod ionet_deployments;
mod ionet_shapes;
mod server;
mod shares;
mod transport;
