//! `cargo bench -p tests`: what each part of a request costs, without a network.
//!
//! The last two ask an HTTP client that answers at once with what the local stack's DynamoDB answered before: building,
//! signing and sending the request, reading the items, and the decision or the record.

use std::hint::black_box;
use std::io::{Read, Write};
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use divan::Bencher;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::auth::{token, use_hs256_only};
use shared::aws;
use shared::boot::{AwsEndpoints, Core};
use shared::clock::Clock;
use shared::config::Config;
use shared::domain::access::decide;
use shared::domain::{Account, Mode, UserId};
use shared::stripe::{envelope, object, signature};
use tests::{EventBuilder, World, sign};
use tokio::runtime::Runtime;

const SECRET: &str = "whsec_benchbenchbenchbench";
const KEY: &str = "a key of at least thirty-two bytes, for tokens";

fn main() {
    divan::main();
}

fn event() -> EventBuilder {
    let created = Clock::default().wall_now().as_second() - 60;
    EventBuilder::subscription("evt_bench", "sub_bench", "cus_bench", created).owned_by("42")
}

#[divan::bench]
fn signature_check(bencher: Bencher<'_, '_>) {
    let body = event().body();
    let header = sign(SECRET, &body);
    let secrets = [SecretString::from(SECRET)];
    let now = Clock::default().wall_now();
    bencher.bench(|| signature::verify(black_box(Some(header.as_bytes())), body.as_bytes(), &secrets, now).is_ok());
}

#[divan::bench]
fn envelope_parse(bencher: Bencher<'_, '_>) {
    let body = event().body();
    bencher.bench(|| envelope::parse(black_box(body.as_bytes())));
}

#[divan::bench]
fn subscription_read(bencher: Bencher<'_, '_>) {
    let event = event();
    let object = event.value()["data"]["object"].clone();
    bencher.bench(|| object::subscription(black_box(&object)));
}

#[divan::bench]
fn token_check(bencher: Bencher<'_, '_>) {
    use_hs256_only();
    let claims = json!({ "token_type": "access", "exp": 4_000_000_000_i64, "user_id": 42, "email": "a@example.com" });
    let key = jsonwebtoken::EncodingKey::from_secret(KEY.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token");
    let keys = [SecretString::from(KEY)];
    let now = Clock::default().wall_now();
    bencher.bench(|| token::verify(black_box(&token), &keys, None, now));
}

#[divan::bench]
fn decision(bencher: Bencher<'_, '_>) {
    let bench = Bench::start();
    let account = bench.account();
    let policy = bench.core.config.policy;
    let now = Clock::default().wall_now();
    bencher.bench(|| decide(black_box(&account), policy, now));
}

/// Asked, answered and read: the one round trip of `status` and of the gate.
#[divan::bench]
fn account_read(bencher: Bencher<'_, '_>) {
    let bench = Bench::start();
    let account = bench.account();
    assert!(!account.subscriptions.is_empty(), "there is nothing to be read");
    bencher.bench_local(|| bench.account());
}

/// From the envelope to the transaction that DynamoDB took: the usual webhook without its signature.
#[divan::bench]
fn event_written(bencher: Bencher<'_, '_>) {
    let bench = Bench::start();
    let books = bench.core.books(Mode::Test).expect("books");
    let envelope = envelope::parse(event().body().as_bytes()).expect("an event");
    bencher
        .bench_local(|| bench.runtime.block_on(shared::sync::receive(&books, &envelope, "delivery")).expect("lands"));
}

/// What TLS adds to a read on a connection that is up: its request and its answer, each sealed and opened. A function does
/// half of that: it seals the one and opens the other.
#[divan::bench]
fn tls_of_a_read(bencher: Bencher<'_, '_>) {
    let (mut function, mut dynamodb) = tls_connection();
    let (request, answer) = ([b'q'; 1_800], [b'a'; 3_000]);
    let mut received = [0; 3_000];
    bencher.bench_local(|| {
        function.writer().write_all(&request).expect("room");
        pass(&mut function, &mut dynamodb);
        dynamodb.reader().read_exact(&mut received[..request.len()]).expect("the request");
        dynamodb.writer().write_all(&answer).expect("room");
        pass(&mut dynamodb, &mut function);
        function.reader().read_exact(&mut received).expect("the answer");
    });
}

/// Two ends that have agreed on keys.
fn tls_connection() -> (Connection, Connection) {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(Arc::clone(&ring)).with_safe_default_protocol_versions();
    let server = server.expect("protocols").with_no_client_auth();
    let server = server.with_single_cert(vec![certificate.clone()], key.into()).expect("a key of the certificate");
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate).expect("a root");
    let client = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let client = client.expect("protocols").with_root_certificates(trusted).with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let mut function = Connection::from(ClientConnection::new(Arc::new(client), name).expect("a client"));
    let mut dynamodb = Connection::from(ServerConnection::new(Arc::new(server)).expect("a server"));
    while function.is_handshaking() || dynamodb.is_handshaking() {
        pass(&mut function, &mut dynamodb);
        pass(&mut dynamodb, &mut function);
    }
    (function, dynamodb)
}

/// Brings what one end has written to the other.
fn pass(from: &mut Connection, to: &mut Connection) {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).expect("memory");
    }
    let mut wire = wire.as_slice();
    while !wire.is_empty() {
        to.read_tls(&mut wire).expect("memory");
        to.process_new_packets().expect("genuine records");
    }
}

/// A core whose DynamoDB answers at once.
struct Bench {
    runtime: Runtime,
    core: Core,
    user: UserId,
}

impl Bench {
    fn start() -> Bench {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let items = runtime.block_on(items_of_a_subscriber());
        let values = [("TABLE_NAME", "subscriptions"), ("SECRET_ID_TEST", "test"), ("SECRET_ID_LIVE", "live")];
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let config = Config::from_values(value).expect("a configuration");
        let sdk = aws::sdk_config(&config.aws).into_builder().http_client(AtOnce { items }).build();
        let core = Core::on(config, Clock::default(), &sdk, &AwsEndpoints::default());
        Bench { runtime, core, user: UserId::parse("42").expect("a user") }
    }

    fn account(&self) -> Account {
        let store = self.core.store(Mode::Test).expect("a store");
        self.runtime.block_on(store.read_account(&self.user)).expect("an account")
    }
}

/// What DynamoDB answers to the query of a user's partition, taken from the local stack.
async fn items_of_a_subscriber() -> String {
    let world = World::start().await.expect("a stack");
    let answer = world.deliver(&event().body()).await.expect("an answer");
    assert_eq!(answer.body["outcome"], "applied");
    let (url, table) = (world.stack.dynamodb_url(), world.stack.table_name());
    let items: Value = tests::raw_partition(url, table, "test#user#42").await.expect("items");
    world.stack.shutdown().await.expect("an end");
    items.to_string()
}

/// Answers a query with the items and everything else with an empty object, without a network.
#[derive(Clone, Debug)]
struct AtOnce {
    items: String,
}

impl HttpConnector for AtOnce {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_query = request.headers().get("x-amz-target").is_some_and(|target| target.ends_with(".Query"));
        let body = if is_query { self.items.clone() } else { "{}".to_owned() };
        let status = 200_u16.try_into().expect("200 is a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

impl HttpClient for AtOnce {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
