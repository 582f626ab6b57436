/* The one place that asks the server. The key that opens it stands in this page's address and goes along in a header, not
   in a cookie: a cookie of this address would go to every program that listens at another port of it. */

const KEY = new URLSearchParams(location.search).get("token") ?? "";

/* Tells this page's work from that of another window. */
const CLIENT = crypto.randomUUID();

/* What the server would not do, and what may help. */
class Refused extends Error {
  constructor({ error, help }) {
    super(error);
    this.help = help ?? null;
  }
}

/* The answer to a question; what is not an answer becomes an error that a person can read. */
async function ask(path, question, signal) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-lens-token": KEY },
      body: JSON.stringify({ client: CLIENT, ...question }),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ error: "lens does not answer", help: "it was ended, or this machine is very busy: see the terminal that it runs in" });
  }
  if (answer.ok) return answer;
  let says = {};
  try {
    says = await answer.json();
  } catch {
    /* Said below. */
  }
  throw new Refused({ error: says.error ?? `lens refused this (${answer.status})`, help: says.help });
}

/* The events of an answer, each a line of JSON, as they come. */
async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
  if (rest !== "") throw new Refused({ error: "the answer broke off", help: "see the terminal that lens runs in" });
}
