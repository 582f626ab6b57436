//! A store in an object store.

use std::{fmt, future::Future, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, http::HttpBuilder, path::Path,
};

use super::{
    Entry,
    connector::Connector,
    error::{Reason, StoreError},
    place::{Address, Service},
};
use crate::shown::shown;

/// A folder of an object store.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    inner: Arc<dyn ObjectStore>,
    /// Scheme and bucket, or scheme and host.
    root: String,
    folder: Path,
    /// Whether the service keeps something only if there is nothing, when it is asked to.
    creates: bool,
}

/// What an object was when its reading began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) size: u64,
    mark: Mark,
}

/// What changes when an object does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    Tag(String),
    /// In milliseconds.
    Modified(i64),
}

impl Pin {
    pub(crate) fn of(object: &ObjectMeta) -> Self {
        let mark = match &object.e_tag {
            Some(tag) => Mark::Tag(tag.clone()),
            None => Mark::Modified(object.last_modified.timestamp_millis()),
        };
        Self { size: object.size, mark }
    }

    /// The tag, where a server compares it: a weak one is like no other, not even itself.
    fn tag(&self) -> Option<String> {
        match &self.mark {
            Mark::Tag(tag) if !tag.starts_with("W/") => Some(tag.clone()),
            _ => None,
        }
    }
}

/// How long a server may send nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// How often, and for how long, what fails is tried again: half a minute, for a server that is restarted.
fn tries() -> RetryConfig {
    let (first, most) = if cfg!(test) { (1, 2) } else { (100, 8) };
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(first),
        max_backoff: Duration::from_secs(10),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: most, retry_timeout: Duration::from_secs(120) }
}

impl Remote {
    /// The folder at an address.
    pub(crate) fn open(address: &Address) -> Result<Self, StoreError> {
        Self::patient(address, SILENCE)
    }

    /// The same, with another patience for web servers that send nothing; that for other stores is theirs to say.
    pub(super) fn patient(address: &Address, silence: Duration) -> Result<Self, StoreError> {
        let wrong = |problem: String| StoreError::Place { place: address.root.clone(), problem };
        let root = address.root.as_str();
        let inner: Result<Arc<dyn ObjectStore>, Error> = match address.service {
            Service::S3 => AmazonS3Builder::from_env()
                .with_url(root)
                .with_http_connector(Connector)
                .with_retry(tries())
                .build()
                .map(|store| Arc::new(store) as _),
            Service::Google => GoogleCloudStorageBuilder::from_env()
                .with_url(root)
                .with_http_connector(Connector)
                .with_retry(tries())
                .build()
                .map(|store| Arc::new(store) as _),
            Service::Azure => MicrosoftAzureBuilder::from_env()
                .with_url(root)
                .with_http_connector(Connector)
                .with_retry(tries())
                .build()
                .map(|store| Arc::new(store) as _),
            Service::Http => HttpBuilder::new()
                .with_url(root)
                .with_client_options(
                    ClientOptions::new().with_allow_http(root.starts_with("http://")).with_timeout(silence),
                )
                .with_http_connector(Connector)
                .with_retry(tries())
                .build()
                .map(|store| Arc::new(store) as _),
        };
        let inner = inner.map_err(|error| wrong(super::error::without_credentials(&error.to_string())))?;
        let folder = Path::from_url_path(&address.path).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { inner, root: address.root.clone(), folder, creates: address.service != Service::Http })
    }

    /// Where an object is.
    fn at(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }

    fn failed(&self, doing: String) -> impl FnOnce(Error) -> StoreError {
        let store = self.to_string();
        move |error| StoreError::object(store, doing, &error)
    }

    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        wait(self.inner.put(&self.at(name), bytes.into()))
            .map(drop)
            .map_err(self.failed(format!("write {name} to")))
    }

    pub(super) fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let at = self.at(name);
        let exists = || StoreError::Exists { store: self.to_string(), name: name.to_owned() };
        if self.creates {
            match wait(self.inner.put_opts(&at, bytes.clone().into(), PutMode::Create.into())) {
                Ok(_) => return Ok(()),
                Err(Error::AlreadyExists { .. }) => return Err(exists()),
                Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {}
                Err(error) => return Err(self.failed(format!("write {name} to"))(error)),
            }
        }
        match wait(self.inner.head(&at)) {
            Ok(_) => Err(exists()),
            Err(Error::NotFound { .. }) => self.put(name, bytes),
            Err(error) => Err(self.failed(format!("look for {name} in"))(error)),
        }
    }

    pub(super) fn get(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let too_large =
            |size| StoreError::TooLarge { store: self.to_string(), name: name.to_owned(), size, most };
        let failed = || self.failed(format!("read {name} from"));
        wait(async {
            let result = match self.inner.get(&self.at(name)).await {
                Ok(result) => result,
                Err(error @ Error::NotFound { .. }) => {
                    let error = failed()(error);
                    return if error.reason() == Some(Reason::NoBucket) { Err(error) } else { Ok(None) };
                }
                Err(error) => return Err(failed()(error)),
            };
            let size = result.meta.size;
            if size > most {
                return Err(too_large(size));
            }
            let bytes = read(result, size).await.map_err(|problem| problem.told(failed()))?;
            Ok(Some(bytes))
        })
    }

    pub(super) fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let listed = wait(self.inner.list_with_delimiter(Some(&self.folder)));
        let objects = match listed {
            Ok(listed) => listed.objects,
            Err(error @ Error::NotFound { .. }) => {
                let error = self.failed("list".to_owned())(error);
                return if error.reason() == Some(Reason::NoBucket) { Err(error) } else { Ok(Vec::new()) };
            }
            Err(error) => return Err(self.failed("list".to_owned())(error)),
        };
        let entry = |object: ObjectMeta| {
            Some(Entry { name: object.location.filename()?.to_owned(), size: object.size })
        };
        Ok(objects.into_iter().filter_map(entry).collect())
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), StoreError> {
        match wait(self.inner.delete(&self.at(name))) {
            Err(error @ Error::NotFound { .. }) => {
                let error = self.failed(format!("delete {name} from"))(error);
                if error.reason() == Some(Reason::NoBucket) { Err(error) } else { Ok(()) }
            }
            result => result.map_err(self.failed(format!("delete {name} from"))),
        }
    }

    /// The object that the folder's own address names; `None` if there is none.
    pub(crate) fn object(&self) -> Result<Option<ObjectMeta>, StoreError> {
        match wait(self.inner.head(&self.folder)) {
            Ok(object) => Ok(Some(object)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look for".to_owned())(error)),
        }
    }

    /// Every object in the folder and in folders of it, in the order of their names.
    pub(crate) fn objects(&self) -> Result<Vec<ObjectMeta>, StoreError> {
        let mut objects = wait(async {
            let mut objects = Vec::new();
            let mut listed = self.inner.list(Some(&self.folder));
            while let Some(object) = listed.next().await {
                objects.push(object?);
            }
            Ok(objects)
        })
        .map_err(self.failed("list".to_owned()))?;
        objects.sort_unstable_by(|one, other| one.location.as_ref().cmp(other.location.as_ref()));
        Ok(objects)
    }

    /// The path of an object in the folder.
    pub(crate) fn inner_name(&self, at: &Path) -> String {
        match at.prefix_match(&self.folder) {
            Some(parts) => parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"),
            None => at.to_string(),
        }
    }

    /// How an object of this store is shown.
    pub(crate) fn address(&self, at: &Path) -> String {
        format!("{}/{at}", self.root)
    }

    /// A part of an object, which still has to be what it was.
    pub(crate) fn part(&self, at: &Path, pin: &Pin, range: Range<u64>) -> Result<Bytes, StoreError> {
        let failed = || {
            let store = shown(&self.address(at)).into_owned();
            move |error: Error| StoreError::object(store, "read".to_owned(), &error)
        };
        let asked = range.end - range.start;
        wait(async {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range)),
                if_match: pin.tag(),
                ..GetOptions::default()
            };
            let result = self.inner.get_opts(at, options).await.map_err(failed())?;
            if Pin::of(&result.meta) != *pin {
                let precondition = Error::Precondition { path: at.to_string(), source: "".into() };
                return Err(failed()(precondition));
            }
            read(result, asked).await.map(Bytes::from).map_err(|problem| problem.told(failed()))
        })
    }
}

/// Where it is.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.address(&self.folder)))
    }
}

enum Problem {
    Store(Error),
    Length { expected: u64, found: u64 },
}

impl Problem {
    fn told(self, failed: impl FnOnce(Error) -> StoreError) -> StoreError {
        match self {
            Self::Store(error) => failed(error),
            // One that is kept with a Content-Encoding is such a one.
            Self::Length { expected, found } => failed(Error::Generic {
                store: "",
                source: format!("the server sends {found} bytes where {expected} were announced").into(),
            }),
        }
    }
}

/// The body of an answer, which has to be `size` bytes.
async fn read(result: GetResult, size: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default().min(16 << 20));
    let mut pieces = result.into_stream();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.map_err(Problem::Store)?);
        if bytes.len() as u64 > size {
            break;
        }
    }
    let found = bytes.len() as u64;
    if found == size { Ok(bytes) } else { Err(Problem::Length { expected: size, found }) }
}

/// Waits for an answer, on a runtime that does nothing but that.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime of this thread without a network takes nothing from the system")
        .block_on(future)
}
