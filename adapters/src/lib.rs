//! Placeholder opened by the foundation.
