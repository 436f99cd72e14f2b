use shared::boot::Core;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    authorizer::serve(&Core::from_environment().await).await
}
