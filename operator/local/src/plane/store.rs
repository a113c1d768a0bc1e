//! The objects and their changes: `SQLite` holds them, memory answers.
//!
//! Every object is in memory, as a server's watch cache is, and `SQLite` makes it durable. One
//! thread writes: it takes all the writes that wait, commits them in one transaction, then
//! publishes them to readers and watchers, and only then answers. A write that was answered
//! therefore survives the end of the process at any moment, and a reader sees nothing that could
//! still be undone.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, mpsc};

use rusqlite::{Connection, params};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

/// How many changes are kept for watches that start or go on at an older resourceVersion.
const LOG_LENGTH: usize = 10_000;
/// How many writes share one transaction at most.
const BATCH: usize = 256;
/// The layout of the database. Another one is refused rather than guessed at.
const SCHEMA_VERSION: i64 = 1;

/// Where an object is: its resource (`tasks.axon.io`), its namespace (empty when the resource has
/// none) and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) resource: Arc<str>,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// One version of one object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) key: Key,
    pub(crate) version: u64,
    pub(crate) value: Value,
}

impl Object {
    pub(crate) fn uid(&self) -> &str {
        self.value
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// What became of an object at one resourceVersion.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    /// The object before; absent when it was created.
    pub(crate) before: Option<Arc<Object>>,
    /// The object after; absent when it was removed.
    pub(crate) after: Option<Arc<Object>>,
}

impl Change {
    pub(crate) fn key(&self) -> Option<&Key> {
        self.after
            .as_ref()
            .or(self.before.as_ref())
            .map(|object| &object.key)
    }
}

/// What a writer wants.
#[derive(Debug)]
pub(crate) enum Write {
    /// The object must not be there.
    Create(Value),
    /// The object must be there at this version.
    Replace { expected: u64, value: Value },
    /// The object must be there at this version. `answer` is what the writer is told instead of
    /// the object as it was stored.
    Remove { expected: u64, answer: Option<Value> },
}

impl Write {
    pub(crate) fn remove(expected: u64) -> Self {
        Self::Remove {
            expected,
            answer: None,
        }
    }
}

/// Why a write was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the object exists")]
    Exists,
    #[error("the object does not exist")]
    Missing,
    #[error("the object has been modified")]
    Modified,
    #[error("{0}")]
    Storage(String),
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("failed to create `{path}`: {source}")]
    Folder { path: String, source: std::io::Error },
    #[error("failed to open database `{path}`: {source}")]
    Database { path: String, source: rusqlite::Error },
    #[error(
        "failed to open database `{path}`: its layout has version {found}, and this program knows version {SCHEMA_VERSION}\nhint: use the version of the program that made it, or remove the folder to start afresh"
    )]
    Version { path: String, found: i64 },
    #[error("failed to start the thread that writes: {0}")]
    Thread(std::io::Error),
}

type Rows = BTreeMap<(String, String), Arc<Object>>;

/// All objects and the newest changes.
#[derive(Default)]
pub(crate) struct State {
    resources: HashMap<Arc<str>, Rows>,
    /// UID of an owner to the objects that name it.
    owned: HashMap<String, BTreeSet<Key>>,
    uids: HashMap<String, Key>,
    log: VecDeque<Change>,
    version: u64,
    /// The newest change that is no longer in the log.
    forgotten: u64,
}

/// The answer to a watcher that asks for what happened.
pub(crate) enum Since {
    /// The changes after a version, oldest first, at most as many as asked for, and the version
    /// up to which that is everything.
    Changes { changes: Vec<Change>, upto: u64 },
    /// The log does not reach back that far.
    Expired { oldest: u64 },
}

impl State {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.resources
            .get(&key.resource)?
            .get(&(key.namespace.clone(), key.name.clone()))
            .cloned()
    }

    pub(crate) fn has_uid(&self, uid: &str) -> bool {
        self.uids.contains_key(uid)
    }

    /// The objects that name `uid` as an owner.
    pub(crate) fn owned_by(&self, uid: &str) -> Vec<Arc<Object>> {
        let keys = self.owned.get(uid);
        keys.into_iter()
            .flatten()
            .filter_map(|key| self.get(key))
            .collect()
    }

    /// Every UID that some object names as its owner.
    pub(crate) fn owners(&self) -> Vec<String> {
        self.owned.keys().cloned().collect()
    }

    /// Objects of one resource in order of namespace and name; all namespaces when `namespace` is
    /// empty.
    pub(crate) fn list(&self, resource: &str, namespace: &str) -> Vec<Arc<Object>> {
        let Some(rows) = self.resources.get(resource) else {
            return Vec::new();
        };
        if namespace.is_empty() {
            return rows.values().cloned().collect();
        }
        rows.range((namespace.to_owned(), String::new())..)
            .take_while(|((of, _), _)| of == namespace)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// The same list as it was at an earlier version, made by undoing what came after; `None`
    /// when the log does not reach back that far.
    pub(crate) fn list_at(&self, resource: &str, namespace: &str, version: u64) -> Option<Vec<Arc<Object>>> {
        if version < self.forgotten || version > self.version {
            return None;
        }
        let mut rows: BTreeMap<(String, String), Arc<Object>> = self
            .list(resource, namespace)
            .into_iter()
            .map(|object| ((object.key.namespace.clone(), object.key.name.clone()), object))
            .collect();
        for change in self
            .log
            .iter()
            .rev()
            .take_while(|change| change.version > version)
        {
            let Some(key) = change.key() else { continue };
            if &*key.resource != resource || (!namespace.is_empty() && key.namespace != namespace) {
                continue;
            }
            let at = (key.namespace.clone(), key.name.clone());
            match &change.before {
                Some(before) => rows.insert(at, before.clone()),
                None => rows.remove(&at),
            };
        }
        Some(rows.into_values().collect())
    }

    /// What happened to one resource after `version`.
    pub(crate) fn since(&self, version: u64, wanted: impl Fn(&Key) -> bool, most: usize) -> Since {
        if version < self.forgotten {
            return Since::Expired {
                oldest: self.forgotten + 1,
            };
        }
        // Every version has exactly one change, so the distance is the index.
        let skip = usize::try_from(version - self.forgotten).unwrap_or(usize::MAX);
        let mut changes = Vec::new();
        for change in self.log.iter().skip(skip) {
            if !change.key().is_some_and(&wanted) {
                continue;
            }
            if changes.len() == most {
                let upto = changes.last().map_or(version, |last: &Change| last.version);
                return Since::Changes { changes, upto };
            }
            changes.push(change.clone());
        }
        Since::Changes {
            changes,
            upto: self.version.max(version),
        }
    }

    fn insert(&mut self, object: &Arc<Object>) {
        self.uids.insert(object.uid().to_owned(), object.key.clone());
        for owner in owners_of(&object.value) {
            self.owned
                .entry(owner.to_owned())
                .or_default()
                .insert(object.key.clone());
        }
        let rows = self.resources.entry(object.key.resource.clone()).or_default();
        rows.insert(
            (object.key.namespace.clone(), object.key.name.clone()),
            object.clone(),
        );
    }

    fn remove(&mut self, object: &Arc<Object>) {
        self.uids.remove(object.uid());
        for owner in owners_of(&object.value) {
            if let Some(keys) = self.owned.get_mut(owner) {
                keys.remove(&object.key);
                if keys.is_empty() {
                    self.owned.remove(owner);
                }
            }
        }
        if let Some(rows) = self.resources.get_mut(&object.key.resource) {
            rows.remove(&(object.key.namespace.clone(), object.key.name.clone()));
        }
    }

    fn publish(&mut self, change: Change) {
        if let Some(before) = &change.before {
            self.remove(before);
        }
        if let Some(after) = &change.after {
            self.insert(after);
        }
        self.version = change.version;
        self.log.push_back(change);
        if self.log.len() > LOG_LENGTH
            && let Some(gone) = self.log.pop_front()
        {
            self.forgotten = gone.version;
        }
    }
}

/// The UIDs in an object's `ownerReferences`.
pub(crate) fn owners_of(value: &Value) -> impl Iterator<Item = &str> {
    value
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|owner| owner.get("uid").and_then(Value::as_str))
}

type Reply = oneshot::Sender<Result<Arc<Object>, WriteError>>;

struct Request {
    key: Key,
    write: Write,
    reply: Reply,
}

/// The store; cheap to clone. The writing thread ends with the last clone.
#[derive(Clone)]
pub(crate) struct Store {
    state: Arc<RwLock<State>>,
    requests: mpsc::Sender<Request>,
    newest: watch::Receiver<u64>,
}

impl Store {
    /// Opens the database, and writes what `missing` finds missing in it before anything is read.
    pub(crate) fn open(
        path: &Path,
        missing: impl FnOnce(&State) -> Vec<(Key, Write)>,
    ) -> Result<Self, OpenError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder {
                path: folder.display().to_string(),
                source,
            })?;
        }
        let shown = path.display().to_string();
        let failed = |source| OpenError::Database {
            path: shown.clone(),
            source,
        };
        let connection = Connection::open(path).map_err(failed)?;
        prepare(&connection).map_err(failed)?;
        let found: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(failed)?;
        if found != SCHEMA_VERSION {
            return Err(OpenError::Version { path: shown, found });
        }
        let state = load(&connection).map_err(failed)?;
        let (announce, newest) = watch::channel(state.version);
        let missing = missing(&state);
        let state = Arc::new(RwLock::new(state));
        let (requests, inbox) = mpsc::channel();
        let mut writer = Writer {
            connection,
            state: state.clone(),
            announce,
        };
        writer.commit(
            missing
                .into_iter()
                .map(|(key, write)| Request {
                    key,
                    write,
                    reply: oneshot::channel().0,
                })
                .collect(),
        );
        std::thread::Builder::new()
            .name("plane-writer".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            state,
            requests,
            newest,
        })
    }

    /// Everything as of the newest commit. Not to be held over an await.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        // A reader cannot leave the state half changed, and the writer publishes without panics.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when there is a newer version.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.clone()
    }

    /// Writes, and returns after the commit. What is returned is the object as it is stored, or
    /// as it was when it was removed, with the version of that change.
    pub(crate) async fn write(&self, key: Key, write: Write) -> Result<Arc<Object>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let gone = || WriteError::Storage("the store is closed".to_owned());
        self.requests
            .send(Request { key, write, reply })
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A process that is killed loses nothing with NORMAL; only a machine that loses power may.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != 0 {
        return Ok(());
    }
    connection.execute_batch(&format!(
        "BEGIN;
         CREATE TABLE objects (
             resource  TEXT NOT NULL,
             namespace TEXT NOT NULL,
             name      TEXT NOT NULL,
             version   INTEGER NOT NULL,
             json      TEXT NOT NULL,
             PRIMARY KEY (resource, namespace, name)
         ) WITHOUT ROWID;
         CREATE TABLE newest (version INTEGER NOT NULL);
         INSERT INTO newest VALUES (1);
         PRAGMA user_version = {SCHEMA_VERSION};
         COMMIT;"
    ))
}

fn load(connection: &Connection) -> rusqlite::Result<State> {
    let mut state = State {
        version: connection.query_row("SELECT version FROM newest", [], |row| {
            row.get::<_, i64>(0).map(i64::cast_unsigned)
        })?,
        ..State::default()
    };
    state.forgotten = state.version;
    let mut statement = connection.prepare("SELECT resource, namespace, name, version, json FROM objects")?;
    let mut rows = statement.query([])?;
    let mut names: HashMap<String, Arc<str>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let resource: String = row.get(0)?;
        let text: String = row.get(4)?;
        let value = serde_json::from_str(&text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error))
        })?;
        let resource = names
            .entry(resource)
            .or_insert_with_key(|name| Arc::from(name.as_str()))
            .clone();
        let object = Arc::new(Object {
            key: Key {
                resource,
                namespace: row.get(1)?,
                name: row.get(2)?,
            },
            version: row.get::<_, i64>(3)?.cast_unsigned(),
            value,
        });
        state.insert(&object);
    }
    drop(rows);
    drop(statement);
    Ok(state)
}

struct Writer {
    connection: Connection,
    state: Arc<RwLock<State>>,
    announce: watch::Sender<u64>,
}

impl Writer {
    fn run(mut self, inbox: &mpsc::Receiver<Request>) {
        while let Ok(first) = inbox.recv() {
            let mut batch = vec![first];
            batch.extend(inbox.try_iter().take(BATCH - 1));
            self.commit(batch);
        }
    }

    fn commit(&mut self, batch: Vec<Request>) {
        let mut version = self.read().version;
        // What earlier writes of this batch left behind, which is not published yet.
        let mut pending: HashMap<Key, Option<Arc<Object>>> = HashMap::new();
        let mut changes = Vec::with_capacity(batch.len());
        let mut accepted = Vec::with_capacity(batch.len());
        for request in batch {
            let current = match pending.get(&request.key) {
                Some(object) => object.clone(),
                None => self.read().get(&request.key),
            };
            match decide(request.key.clone(), request.write, current, version + 1) {
                Ok((change, answer)) => {
                    version += 1;
                    pending.insert(request.key, change.after.clone());
                    changes.push(change);
                    accepted.push((request.reply, answer));
                }
                // Nobody waits when the caller was dropped; the same holds for the other replies.
                Err(error) => drop(request.reply.send(Err(error))),
            }
        }
        if changes.is_empty() {
            return;
        }
        let stored = self.persist(&changes, version);
        if let Err(error) = stored {
            tracing::error!(%error, "failed to commit {} changes", changes.len());
            for (reply, _) in accepted {
                drop(reply.send(Err(WriteError::Storage(error.to_string()))));
            }
            return;
        }
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            for change in changes {
                state.publish(change);
            }
        }
        self.announce.send_replace(version);
        for (reply, answer) in accepted {
            drop(reply.send(Ok(answer)));
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn persist(&mut self, changes: &[Change], newest: u64) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut put = transaction.prepare_cached(
                "INSERT OR REPLACE INTO objects (resource, namespace, name, version, json) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            let mut delete = transaction
                .prepare_cached("DELETE FROM objects WHERE resource = ?1 AND namespace = ?2 AND name = ?3")?;
            for change in changes {
                if let Some(object) = &change.after {
                    put.execute(params![
                        &*object.key.resource,
                        object.key.namespace,
                        object.key.name,
                        object.version.cast_signed(),
                        object.value.to_string(),
                    ])?;
                } else if let Some(key) = change.key() {
                    delete.execute(params![&*key.resource, key.namespace, key.name])?;
                }
            }
            transaction
                .prepare_cached("UPDATE newest SET version = ?1")?
                .execute([newest.cast_signed()])?;
        }
        transaction.commit()
    }
}

/// Decides one write against what is there, and gives the change and the answer.
fn decide(
    key: Key,
    write: Write,
    current: Option<Arc<Object>>,
    version: u64,
) -> Result<(Change, Arc<Object>), WriteError> {
    let (mut value, removed) = match (write, &current) {
        (Write::Create(_), Some(_)) => return Err(WriteError::Exists),
        (Write::Replace { .. } | Write::Remove { .. }, None) => return Err(WriteError::Missing),
        (Write::Replace { expected, .. } | Write::Remove { expected, .. }, Some(object))
            if expected != object.version =>
        {
            return Err(WriteError::Modified);
        }
        (Write::Create(value), None) | (Write::Replace { value, .. }, Some(_)) => (value, false),
        (Write::Remove { answer, .. }, Some(object)) => {
            (answer.unwrap_or_else(|| object.value.clone()), true)
        }
    };
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), version.to_string().into());
    }
    let answer = Arc::new(Object { key, version, value });
    let change = Change {
        version,
        before: current,
        after: (!removed).then(|| answer.clone()),
    };
    Ok((change, answer))
}
