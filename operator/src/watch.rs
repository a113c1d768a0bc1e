//! The watches: one per kind, shared by all that look at it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::stream::{self, BoxStream, SelectAll};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::scope::Place;

/// How many objects a listing holds at once.
const PAGE: u32 = 100;
/// How long to wait before several watches list again because one of them has to.
const LIST_AGAIN: Duration = Duration::from_secs(1);

/// Starts watches, and counts those that have listed what there is.
pub struct Watches<'a> {
    /// Where the watches run. None of them ends by itself.
    pub tasks: &'a mut JoinSet<anyhow::Error>,
    client: Client,
    listed: Arc<watch::Sender<usize>>,
    started: usize,
}

/// Tells when every watch that was started has listed what there is.
#[derive(Debug)]
pub struct Listed {
    receiver: watch::Receiver<usize>,
    wanted: usize,
}

/// What is asked for of a kind: all objects, without a selector.
pub fn all() -> Config {
    Config::default().page_size(PAGE)
}

/// What is asked for of a kind: the objects with this label.
pub fn labelled(name: &str, value: &str) -> Config {
    all().labels(&format!("{name}={value}"))
}

impl<'a> Watches<'a> {
    /// Watches that are to run in `tasks`.
    pub fn new(tasks: &'a mut JoinSet<anyhow::Error>, client: Client) -> Self {
        let (listed, _) = watch::channel(0);
        Self {
            tasks,
            client,
            listed: Arc::new(listed),
            started: 0,
        }
    }

    /// Watches the objects of a kind in these places. Each event is handed to `take_in`, in order, as
    /// if it were one watch; an interrupted one is resumed. `kind` is for the log.
    pub fn start<K>(
        &mut self,
        kind: &'static str,
        places: &[Place],
        config: Config,
        take_in: impl FnMut(Event<K>) + Send + 'static,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let client = self.client.clone();
        let parts = places.to_vec();
        let stream = match parts.as_slice() {
            // There is nothing to see, now or later.
            [] => return,
            [only] => part(&client, only, config).boxed(),
            _ => joined(move || {
                parts
                    .iter()
                    .map(|place| part(&client, place, config.clone()))
                    .collect()
            })
            .boxed(),
        };
        self.started += 1;
        self.tasks
            .spawn(follow(kind, stream, Arc::clone(&self.listed), take_in));
    }

    /// Tells when all that were started have listed what there is.
    pub fn listed(&self) -> Listed {
        Listed {
            receiver: self.listed.subscribe(),
            wanted: self.started,
        }
    }
}

impl Listed {
    /// Whether a complete listing of every kind was taken in.
    pub fn is_complete(&self) -> bool {
        *self.receiver.borrow() >= self.wanted
    }

    /// Waits until a complete listing of every kind was taken in.
    pub async fn wait(&mut self) -> anyhow::Result<()> {
        let wanted = self.wanted;
        let answer = self.receiver.wait_for(|listed| *listed >= wanted).await;
        answer.context("all watches have ended")?;
        Ok(())
    }
}

/// The watch of one place.
fn part<K>(client: &Client, place: &Place, config: Config) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let api: Api<K> = match &place.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let config = match &place.name {
        Some(name) => config.fields(&format!("metadata.name={name}")),
        None => config,
    };
    watcher(api, config).default_backoff().boxed()
}

/// Several watches that look like one: there is one listing, which is complete when that of each part
/// is. Those who listen take what a listing lacks for gone, so when a part has to list again, all do.
fn joined<K: Send + 'static>(
    make: impl Fn() -> Vec<BoxStream<'static, watcher::Result<Event<K>>>> + Send + 'static,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send {
    let joined = Joined::begin(make);
    stream::unfold(joined, async |mut joined| {
        let event = joined.next().await?;
        Some((event, joined))
    })
}

struct Joined<K, M> {
    make: M,
    parts: SelectAll<BoxStream<'static, (usize, watcher::Result<Event<K>>)>>,
    progress: Vec<Progress>,
    /// Whether the beginning of the listing was told.
    is_told: bool,
}

/// How far the listing of a part is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Awaited,
    Begun,
    Complete,
}

impl<K, M> Joined<K, M>
where
    K: Send + 'static,
    M: Fn() -> Vec<BoxStream<'static, watcher::Result<Event<K>>>>,
{
    fn begin(make: M) -> Self {
        let mut joined = Self {
            make,
            parts: SelectAll::new(),
            progress: Vec::new(),
            is_told: false,
        };
        joined.begin_anew();
        joined
    }

    async fn next(&mut self) -> Option<watcher::Result<Event<K>>> {
        loop {
            let (number, event) = self.parts.next().await?;
            let progress = self.progress.get_mut(number)?;
            match event {
                Ok(Event::Init) if *progress != Progress::Awaited => {
                    // A server that breaks off every listing is not asked at once again.
                    tokio::time::sleep(LIST_AGAIN).await;
                    self.begin_anew();
                }
                Ok(Event::Init) => {
                    if !std::mem::replace(&mut self.is_told, true) {
                        return Some(Ok(Event::Init));
                    }
                }
                Ok(Event::InitDone) => {
                    *progress = Progress::Complete;
                    if self.progress.iter().all(|part| *part == Progress::Complete) {
                        return Some(Ok(Event::InitDone));
                    }
                }
                Ok(Event::InitApply(object)) => {
                    *progress = Progress::Begun;
                    return Some(Ok(Event::InitApply(object)));
                }
                event => return Some(event),
            }
        }
    }

    fn begin_anew(&mut self) {
        let parts = (self.make)();
        self.progress = vec![Progress::Awaited; parts.len()];
        self.is_told = false;
        let numbered = parts
            .into_iter()
            .enumerate()
            .map(|(number, part)| part.map(move |event| (number, event)).boxed());
        self.parts = stream::select_all(numbered);
    }
}

async fn follow<K>(
    kind: &'static str,
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    listed: Arc<watch::Sender<usize>>,
    mut take_in: impl FnMut(Event<K>),
) -> anyhow::Error {
    let mut stream = std::pin::pin!(stream);
    let mut first = true;
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::warn!(
                    kind,
                    error = format!("{error:#}"),
                    "a watch was interrupted and is resumed"
                );
                continue;
            }
        };
        let complete = matches!(event, Event::InitDone);
        take_in(event);
        if complete && std::mem::take(&mut first) {
            tracing::info!(kind, "listed");
            listed.send_modify(|listed| *listed += 1);
        }
    }
    anyhow::anyhow!("the watch of {kind} has ended")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    type Script = Vec<Vec<Event<&'static str>>>;

    /// What is told of parts that say this, the first time and each time that they are made anew.
    async fn told(scripts: Vec<Script>) -> Vec<String> {
        let scripts = Mutex::new(scripts.into_iter());
        let make = move || {
            let parts = scripts.lock().expect("no panic").next().unwrap_or_default();
            let ended = |part: Vec<Event<_>>| stream::iter(part.into_iter().map(Ok)).boxed();
            parts.into_iter().map(ended).collect()
        };
        let events = joined::<&str>(make).map(|event| match event.expect("an event") {
            Event::Init => "listing".to_owned(),
            Event::InitDone => "listed".to_owned(),
            Event::InitApply(name) | Event::Apply(name) => name.to_owned(),
            Event::Delete(name) => format!("-{name}"),
        });
        events.collect().await
    }

    fn listing(names: &[&'static str]) -> Vec<Event<&'static str>> {
        let names = names.iter().map(|name| Event::InitApply(*name));
        let begun = std::iter::once(Event::Init).chain(names);
        begun.chain([Event::InitDone]).collect()
    }

    #[tokio::test]
    async fn several_watches_have_one_listing_which_ends_with_the_last() {
        let said = told(vec![vec![listing(&["a"]), listing(&["b", "c"]), listing(&[])]]).await;
        assert_eq!(said.first().map(String::as_str), Some("listing"));
        assert_eq!(said.last().map(String::as_str), Some("listed"));
        let mut names = said[1..said.len() - 1].to_vec();
        names.sort();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn when_one_lists_again_all_do_so_that_nothing_is_taken_for_gone() {
        let mut first = listing(&["a"]);
        first.extend([Event::Delete("a"), Event::Init, Event::InitDone]);
        let said = told(vec![
            vec![first, listing(&["b"])],
            vec![listing(&["a2"]), listing(&["b"])],
        ])
        .await;
        let begun = said
            .iter()
            .rposition(|word| word == "listing")
            .expect("a listing");
        let mut again = said[begun..].to_vec();
        again[1..].sort();
        assert_eq!(again, ["listing", "a2", "b", "listed"]);
    }
}
