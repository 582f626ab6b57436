//! `cargo xtask s3`.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{
    cargo::{built, cargo_in},
    python,
};

/// Test object stores against a server that speaks S3, on this machine
#[derive(Debug, Args)]
#[command(after_help = "\
Installs moto, which plays Amazon's services, with pip into an environment of its own, target/s3 (250 MB), starts its
server on a free port of this machine alone, and runs the tests of lens-data that need one. Where `cargo build` has made lens,
a corpus is read from the server and its results are kept there, and compared with those of files.

  LENS_S3_SERVER=PROGRAM   another server: it is started with -H HOST -p PORT, and lets everyone do everything
  PYTHON=PROGRAM           another Python than python3")]
pub(crate) struct S3 {
    /// Only install what it needs
    #[arg(long)]
    fetch: bool,
}

const SERVER: &str = "moto[server]==5.2.5";

pub(crate) fn run(root: &Path, asked: &S3) -> anyhow::Result<()> {
    let server = match std::env::var_os("LENS_S3_SERVER") {
        Some(chosen) => chosen.into(),
        None => python::environment(&root.join("target/s3"), &[SERVER])?.with_file_name("moto_server"),
    };
    if asked.fetch {
        return Ok(());
    }
    let server = Server::start(&server, &root.join("target/s3.log"))?;
    let endpoint = format!("http://{}", server.address);
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    cargo_in(
        root,
        &variables,
        ["test", "-p", "lens-data", "--lib", "--", "--ignored", "store::tests::s3::"],
    )?;
    match built(root) {
        Some(lens) => corpus(root, &lens, &variables),
        None => {
            eprintln!("skipped: no corpus went through the server, because lens is not built here");
            Ok(())
        }
    }
}

/// A corpus from the server to the server. Buckets are made with a library that comes with moto, whatever the server is.
fn corpus(root: &Path, lens: &Path, variables: &[(&str, &str)]) -> anyhow::Result<()> {
    let folder = root.join("target/s3-corpus");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let mut script = Command::new(python::environment(&root.join("target/s3"), &[SERVER])?);
    script.args(["-I", "-c", include_str!("s3.py")]).arg(lens);
    script.arg(root.join("tests/fixtures/demo/text.jsonl")).arg(&folder);
    script.envs(variables.iter().copied()).stdin(Stdio::null());
    let status = script.status().context("cannot run the Python of target/s3")?;
    if !status.success() {
        bail!("the corpus in an object store does not hold ({status})");
    }
    Ok(())
}

/// A server that runs; it ends with this.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(program: &Path, log: &Path) -> anyhow::Result<Self> {
        // Free now; who takes it in between makes the server fail, and this chore with it.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr())?;
        let mut out = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(log)
            .with_context(|| format!("cannot create {}", log.display()))?;
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]).stdin(Stdio::null());
        command.stdout(out.try_clone()?).stderr(out.try_clone()?);
        eprintln!("running {command:?}");
        let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let mut server = Self { child, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                let mut said = String::new();
                out.seek(SeekFrom::Start(0))?;
                out.read_to_string(&mut said).ok();
                bail!("the server ended ({status}): {}", said.trim_end());
            }
            if begun.elapsed() > Duration::from_secs(120) {
                bail!("the server does not answer at {address}; what it says is in {}", log.display());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
