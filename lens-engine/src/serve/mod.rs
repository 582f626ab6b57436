//! `lens serve`: a page on this machine that reads a model as one types.

mod browser;
mod model;

use anyhow::{Context, Result};
use lens_cli::{args::ServeArgs, model as checkpoints, output, progress::Running, signals, style::Console};
use lens_models::{Request, Session, demo};
use lens_serve::{Limits, Model as _, Server};

use crate::{lenses::Lenses, machine, prompt, run::GENERATOR};

use model::Served;

pub(crate) fn serve(args: &ServeArgs, console: &Console) -> Result<()> {
    let options = machine::apply(&args.machine)?;
    let name = args.model.as_deref().unwrap_or(demo::ID);
    let checkpoint = checkpoints::open(name, &args.source, args.machine.io.into(), console)?;
    let lenses = Lenses::open(&args.lenses, &checkpoint, &args.source, console)?;
    lenses.notes.iter().for_each(|note| console.note(note));
    let mut session = Session::new(checkpoint, options)?.with_generator(GENERATOR.0, GENERATOR.1);
    session = session.with_chat(prompt::extras(&args.chat, None))?;
    if args.chat.is_chat() {
        // What the model cannot be asked is said before it is loaded.
        session.prepare(&Request::new(prompt::of_text("a".to_owned(), &args.chat)))?;
    }
    session.outline().notes.iter().for_each(|note| console.note(note));
    let running = Running::new("loading the model");
    session.model_with(&mut |progress| running.load(progress.done, progress.total))?;
    drop(running);

    let limits = Limits::default().with_prompt(args.max_prompt).with_written(args.max_written);
    let mut served = Served::new(session, lenses, args);
    let server = Server::open(args.port, &served.about(), limits)?;
    let url = server.url();
    output::print(|out| writeln!(out, "{url}"))?;
    console.note("the page is open to whoever has this address, on this machine alone; Ctrl-C ends it");
    signals::say_when_left(
        "the server has ended: pages that are open show what they have, and can ask nothing more",
    );
    // As long as the server: a browser may be slow to start.
    let _opened = args.open.then(|| browser::open(&url)).transpose().context("cannot open the browser")?;
    server.work(&mut served);
    Ok(())
}
