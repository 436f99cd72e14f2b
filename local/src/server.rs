//! One HTTP server of the stack: started on a listener, stopped when its open requests are done.

use std::time::Duration;

use anyhow::Result;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a stopping server waits for its open requests; a client that never finishes must not hold the stack.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub fn start(listener: TcpListener, router: Router) -> Server {
        let (stop, stopped) = oneshot::channel();
        let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
        let task = tokio::spawn(async move {
            axum::serve(listener, service)
                .with_graceful_shutdown(async move {
                    // An error means the sender is gone, which is a reason to stop as well.
                    let _ = stopped.await;
                })
                .await
        });
        Server { stop, task }
    }

    pub async fn stop(self) -> Result<()> {
        // The receiver is gone only when the server has ended by itself.
        let _ = self.stop.send(());
        let abort = self.task.abort_handle();
        match tokio::time::timeout(LAST_REQUESTS, self.task).await {
            Ok(ended) => Ok(ended??),
            Err(_) => {
                abort.abort();
                Ok(())
            }
        }
    }
}
