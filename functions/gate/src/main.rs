use shared::boot::{Core, Reach};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    gate::function(&Core::reaching(&[Reach::Secrets, Reach::Table]).await).serve().await
}
