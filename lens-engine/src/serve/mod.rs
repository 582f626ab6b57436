//! `lens serve`: a page on this machine that reads a model as one types.

mod browser;
mod model;

use anyhow::{Context, Result};
use lens_cli::{args::ServeArgs, model as checkpoints, output, progress::Running, signals, style::Console};
use lens_models::{Request, Session, demo};
use lens_serve::{Limits, Model as _, Server};

use crate::{
    lenses::Lenses,
    machine,
    prompt::{self, Turns},
    run::GENERATOR,
};

use model::Served;

pub(crate) fn serve(args: &ServeArgs, console: &Console) -> Result<()> {
    let options = machine::apply(&args.machine)?;
    let (turns, tools) = Turns::of_file(args.messages.as_deref(), &args.chat)?;
    let name = args.model.as_deref().unwrap_or(demo::ID);
    let checkpoint = checkpoints::open(name, &args.source, args.machine.io.into(), console)?;
    let lenses = Lenses::open(&args.lenses, &checkpoint, &args.source, console)?;
    lenses.notes.iter().for_each(|note| console.note(note));
    let mut session = Session::new(checkpoint, options)?.with_generator(GENERATOR.0, GENERATOR.1);
    session = session.with_chat(prompt::extras(&args.chat, tools))?;
    let limits = Limits::default().with_prompt(args.max_prompt).with_written(args.max_written);
    let mut served = Served::new(session, lenses, &turns, args);
    let about = served.about();
    if turns.is_conversation() {
        // What the model cannot be asked is said before it is loaded.
        served.session.prepare(&Request::chat(about.conversation(about.prompt.as_deref().unwrap_or("a"))))?;
    }
    if about.prompt.as_deref().is_some_and(|text| text.contains(['\r', '\0'])) {
        console.note(
            "the last message has carriage returns or NULs, which the box of a page does not keep: what is read there \
             has line feeds in their place",
        );
    }
    served.session.outline().notes.iter().for_each(|note| console.note(note));
    let running = Running::new("loading the model");
    served.session.model_with(&mut |progress| running.load(progress.done, progress.total))?;
    drop(running);

    let server = Server::open(args.port, &about, limits)?;
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
