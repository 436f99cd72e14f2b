use shared::boot::Core;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    gate::function(&Core::from_environment().await).serve().await
}
