use shared::boot::{Core, Reach};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    webhook::function(&Core::reaching(&[Reach::SecretsOfBothModes, Reach::Table]).await).serve().await
}
