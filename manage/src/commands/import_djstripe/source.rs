//! The old tables. What columns there are is asked, not assumed: dj-stripe moved most of them into `stripe_data`, and the
//! tables of users and trials are the product's own.

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use shared::causes::causes;
use shared::config::from_shell;
use shared::domain::Mode;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::done::usage;

/// Columns of a user that are read; a password hash or a phone number is none of our business.
const USER_COLUMNS: [&str; 7] =
    ["id", "email", "first_name", "last_name", "is_superuser", "acquisition_angle", "signup_price_id"];
const TRIALS: &str = "trial_usage_tracking";
/// Names that the moment of the first trial has had, the most telling first.
const TRIAL_TIMES: [&str; 6] =
    ["first_trial_at", "trial_started_at", "trial_start", "started_at", "used_at", "created_at"];
const TRIAL_SUBSCRIPTIONS: [&str; 2] = ["stripe_subscription_id", "subscription_id"];

/// Users that are in memory at once.
const BATCH: u32 = 100;

/// A connection with a read-only transaction open.
pub struct Source {
    client: Client,
    connection: JoinHandle<()>,
    layout: Layout,
}

/// How this database is laid out.
struct Layout {
    users: String,
    user_columns: Vec<String>,
    /// The column by which rows refer to a customer, a subscription and a price: `id` or `djstripe_id`.
    key: &'static str,
    trial_time: Option<String>,
    trial_subscription: Option<String>,
    has_items: bool,
    has_plans: bool,
    has_cards: bool,
    is_live: bool,
}

impl Source {
    /// Connects and looks at the layout. Errors name what is missing and never the URL, which may hold a password.
    pub async fn connect(url: &str, users_table: Option<&str>, mode: Mode) -> Result<Source> {
        let (client, connection) = open(url).await?;
        client
            .batch_execute("BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
            .context("begin a read-only transaction on the old database")?;
        let layout = Layout::of(&client, users_table, mode).await?;
        Ok(Source { client, connection, layout })
    }

    /// Users with their trial and customers, one JSON object each.
    pub async fn people(self) -> Result<Rows> {
        let sql = self.layout.people();
        Rows::start(self, &sql).await
    }
}

/// Rows by a cursor: a batch of them is in memory.
pub struct Rows {
    source: Source,
    batch: std::vec::IntoIter<Row>,
}

impl Rows {
    async fn start(source: Source, sql: &str) -> Result<Rows> {
        let declare = format!("DECLARE rows_to_import NO SCROLL CURSOR FOR {sql}");
        source.client.batch_execute(&declare).await.context("read the old database")?;
        Ok(Rows { source, batch: Vec::new().into_iter() })
    }

    pub async fn next(&mut self) -> Result<Option<Value>> {
        let row = match self.batch.next() {
            Some(row) => row,
            None => {
                let fetch = format!("FETCH {BATCH} FROM rows_to_import");
                let rows = self.source.client.query(&fetch, &[]).await.context("read rows of the old database")?;
                self.batch = rows.into_iter();
                let Some(row) = self.batch.next() else { return Ok(None) };
                row
            }
        };
        let text: String = row.try_get(0).context("read a row of the old database")?;
        Ok(Some(serde_json::from_str(&text).map_err(|_| anyhow!("A row of the old database is not JSON"))?))
    }

    /// Customers that belong to no user.
    pub async fn then_customers(self) -> Result<Rows> {
        self.source.client.batch_execute("CLOSE rows_to_import").await.context("close a cursor")?;
        let sql = self.source.layout.orphans();
        Rows::start(self.source, &sql).await
    }

    pub async fn finish(self) -> Result<()> {
        self.source.client.batch_execute("ROLLBACK").await.context("end the read-only transaction")?;
        drop(self.source.client);
        self.source.connection.await.context("close the connection to the old database")
    }
}

async fn open(url: &str) -> Result<(Client, JoinHandle<()>)> {
    // The parser's own words may quote the URL.
    let mut config: Config =
        url.parse().map_err(|_| usage("That is not a PostgreSQL URL (postgresql://user@host/database)."))?;
    if config.get_hosts().is_empty() {
        return Err(usage("The URL names no host (postgresql://user@host/database)."));
    }
    if config.get_password().is_none()
        && let Some(password) = from_shell("PGPASSWORD")
    {
        config.password(password);
    }
    let refused = |error: tokio_postgres::Error| {
        // What is wrong is in the cause: the error itself only says that something is.
        anyhow!(
            "The old database does not let us in: {}. Check host, port and name in the URL, the password in PGPASSWORD, and \
             that this machine may connect to it.",
            causes(&error)
        )
    };
    if config.get_ssl_mode() == SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
        return Ok((client, tokio::spawn(async move { closed(connection.await) })));
    }
    // Refused when the process has a provider already; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots = MakeRustlsConnect::with_native_certs();
    let (roots, _unreadable) =
        roots.map_err(|_| anyhow!("The system has no root certificates (SSL_CERT_FILE names others)"))?;
    let (client, connection) = config.connect(roots).await.map_err(refused)?;
    Ok((client, tokio::spawn(async move { closed(connection.await) })))
}

fn closed(ended: Result<(), tokio_postgres::Error>) {
    if let Err(error) = ended {
        tracing::warn!(%error, "The connection to the old database broke");
    }
}

impl Layout {
    async fn of(client: &Client, users_table: Option<&str>, mode: Mode) -> Result<Layout> {
        for table in ["djstripe_customer", "djstripe_subscription"] {
            if !exists(client, table).await? {
                bail!("The old database has no table {table}: is it the right database, and may this user read it?");
            }
        }
        let users = match users_table {
            Some(name) => name.to_owned(),
            None => referred_users(client).await?,
        };
        let user_columns = columns(client, &users).await?;
        if !user_columns.iter().any(|column| column == "id") {
            bail!("The table of users has no column id: name the right one with --users-table");
        }
        let trial_columns = columns(client, TRIALS).await?;
        let first = |names: &[&str]| {
            names.iter().find(|name| trial_columns.iter().any(|column| column == *name)).map(|name| (*name).to_owned())
        };
        let refers_by_number = type_of(client, "djstripe_subscription", "customer_id").await? == "bigint";
        Ok(Layout {
            user_columns: user_columns.into_iter().filter(|column| USER_COLUMNS.contains(&column.as_str())).collect(),
            users,
            key: if refers_by_number { "djstripe_id" } else { "id" },
            trial_time: first(&TRIAL_TIMES),
            trial_subscription: first(&TRIAL_SUBSCRIPTIONS),
            has_items: exists(client, "djstripe_subscriptionitem").await? && exists(client, "djstripe_price").await?,
            has_plans: exists(client, "djstripe_plan").await?
                && columns(client, "djstripe_subscription").await?.iter().any(|column| column == "plan_id"),
            has_cards: exists(client, "djstripe_paymentmethod").await?,
            is_live: mode.is_live(),
        })
    }

    fn people(&self) -> String {
        let user =
            self.user_columns.iter().map(|column| format!("'{column}', u.\"{column}\"")).collect::<Vec<_>>().join(", ");
        format!(
            "SELECT jsonb_build_object('user', jsonb_build_object({user}), 'trial', ({trial}), 'customers', \
             coalesce((SELECT jsonb_agg({customer} ORDER BY c.djstripe_id) FROM djstripe_customer c \
             WHERE c.subscriber_id = u.id AND c.livemode = {is_live}), '[]'))::text FROM {users} u ORDER BY u.id",
            trial = self.trial(),
            customer = self.customer(),
            users = self.users,
            is_live = self.is_live,
        )
    }

    fn orphans(&self) -> String {
        format!(
            "SELECT ({customer})::text FROM djstripe_customer c WHERE c.subscriber_id IS NULL AND c.livemode = {is_live} \
             ORDER BY c.djstripe_id",
            customer = self.customer(),
            is_live = self.is_live
        )
    }

    /// The earliest of the user's.
    fn trial(&self) -> String {
        let Some(time) = &self.trial_time else { return "NULL".to_owned() };
        let subscription =
            self.trial_subscription.as_ref().map_or("NULL".to_owned(), |column| format!("t.\"{column}\"::text"));
        format!(
            "SELECT jsonb_build_object('first_trial_at', t.\"{time}\", 'subscription', {subscription}) FROM {TRIALS} t \
             WHERE t.user_id = u.id ORDER BY t.\"{time}\" LIMIT 1"
        )
    }

    fn customer(&self) -> String {
        let key = self.key;
        let items = match self.has_items {
            true => format!(
                "(SELECT jsonb_agg(to_jsonb(i) || jsonb_build_object('price', to_jsonb(p))) FROM djstripe_subscriptionitem i \
                 LEFT JOIN djstripe_price p ON p.{key} = i.price_id WHERE i.subscription_id = s.{key})"
            ),
            false => "NULL::jsonb".to_owned(),
        };
        let plan = match self.has_plans {
            true => format!("(SELECT to_jsonb(l) FROM djstripe_plan l WHERE l.{key} = s.plan_id)"),
            false => "NULL::jsonb".to_owned(),
        };
        let cards = match self.has_cards {
            true => {
                format!("(SELECT jsonb_agg(to_jsonb(m)) FROM djstripe_paymentmethod m WHERE m.customer_id = c.{key})")
            }
            false => "NULL::jsonb".to_owned(),
        };
        format!(
            "jsonb_build_object('customer', to_jsonb(c), 'cards', coalesce({cards}, '[]'), 'subscriptions', \
             coalesce((SELECT jsonb_agg(to_jsonb(s) || jsonb_build_object('old_items', {items}, 'old_plan', {plan}) \
             ORDER BY s.djstripe_id) FROM djstripe_subscription s WHERE s.customer_id = c.{key} AND s.livemode = {is_live}), '[]'))",
            is_live = self.is_live
        )
    }
}

async fn exists(client: &Client, table: &str) -> Result<bool> {
    let row = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await;
    Ok(row.context("look at the old database's tables")?.get(0))
}

async fn columns(client: &Client, table: &str) -> Result<Vec<String>> {
    let sql =
        "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let rows = client.query(sql, &[&table]).await.context("look at the old database's columns")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn type_of(client: &Client, table: &str, column: &str) -> Result<String> {
    let sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname::text = $2";
    let row = client.query_opt(sql, &[&table, &column]).await.context("look at the old database's columns")?;
    row.map(|row| row.get(0)).with_context(|| format!("The old database's table {table} has no column {column}"))
}

/// The table that `djstripe_customer.subscriber_id` refers to; the database writes its name with quotes where it needs them.
async fn referred_users(client: &Client) -> Result<String> {
    let sql = "SELECT confrelid::regclass::text FROM pg_constraint k JOIN pg_attribute a \
               ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) \
               WHERE k.contype = 'f' AND k.conrelid = to_regclass('djstripe_customer') AND a.attname = 'subscriber_id'";
    let row = client.query_opt(sql, &[]).await.context("look for the old database's table of users")?;
    row.map(|row| row.get(0))
        .ok_or_else(|| anyhow!("djstripe_customer refers to no table of users: name it with --users-table"))
}
