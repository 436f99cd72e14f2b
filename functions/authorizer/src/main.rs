use shared::boot::{Core, Reach};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    authorizer::serve(&Core::reaching(&[Reach::Secrets, Reach::Table]).await).await
}
