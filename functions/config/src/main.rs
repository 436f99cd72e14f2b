use shared::boot::{Core, Reach};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    config::function(&Core::reaching(&[Reach::Secrets]).await).serve().await
}
