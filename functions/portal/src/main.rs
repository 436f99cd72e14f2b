use shared::boot::{Core, Reach};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    portal::function(&Core::reaching(&[Reach::Secrets, Reach::Table, Reach::Stripe]).await).serve().await
}
