//! How much a container wrote.

use crate::Engine;
use crate::resolve::spec::Files;
use crate::volumes::size_of;

impl Engine {
    /// Bytes of what the container has changed in its root; nothing if that cannot be told.
    pub(crate) async fn written_bytes(&self, id: &str) -> u64 {
        let upper = Files::new(self.settings(), id).upper();
        let size = tokio::task::spawn_blocking(move || size_of(&upper).ok());
        size.await.ok().flatten().unwrap_or_default()
    }
}
