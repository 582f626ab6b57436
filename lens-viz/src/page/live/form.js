/* What is asked: prompts and settings. */

/* How long nobody types before the model is asked something else than it is reading, in milliseconds. */
const PAUSE = 25;

/* What stands around a chat message, in words; nothing where nothing does. */
function around(about) {
  const parts = [];
  if (about.system !== null) parts.push(`after the system message “${about.system}”`);
  if (about.prefill !== null) parts.push(`before an answer that begins “${about.prefill}”`);
  return parts.length === 0 ? "" : `(${parts.join(", ")})`;
}

class Form {
  /* `typed` is called after something was changed: at once, or a moment later where `busy` says that the model is at work;
     `write` when the model is to go on writing. */
  constructor(about, { typed, write, stop, busy }) {
    this.about = about;
    this.typed = typed;
    this.busy = busy;
    const soon = () => this.soon();
    this.steering = new Steering(byId("changes"), about.steer, soon);
    byId("chat-label").hidden = !about.chat;
    byId("chat").checked = about.asks;
    byId("chat-around").textContent = around(about);
    byId("against-unchanged").hidden = about.steer.length === 0;
    byId("write-n").max = about.limits.written;
    byId("write-n").value = Math.min(16, about.limits.written);
    byId("top-k").max = about.limits.top_k;
    if (!about.texts) {
      for (const id of ["prompt-0", "prompt-1"]) byId(id).placeholder = "token ids, such as 5 7 11";
    }
    for (const id of ["prompt-0", "prompt-1", "top-k"]) byId(id).addEventListener("input", soon);
    for (const id of ["chat", "read", "distances"]) byId(id).addEventListener("change", soon);
    byId("against").addEventListener("change", () => {
      this.sides();
      soon();
    });
    byId("write").addEventListener("click", () => this.now(write));
    byId("stop").addEventListener("click", stop);
    byId("ask").addEventListener("submit", (event) => event.preventDefault());
    byId("ask").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.now(write);
      }
      if (event.key === "Escape" && !byId("stop").disabled) stop();
    });
    this.sides();
  }

  sides() {
    const other = byId("against").value === "prompt";
    byId("second").hidden = !other;
    byId("prompts").classList.toggle("two", other);
  }

  soon() {
    clearTimeout(this.waiting);
    if (this.busy()) this.waiting = setTimeout(() => this.typed(), PAUSE);
    else this.typed();
  }

  now(act) {
    clearTimeout(this.waiting);
    act();
  }

  /* The question, or null where there is no prompt yet. `pinned` are ids of tokens to follow everywhere. */
  question(written, pinned) {
    const text = (id) => byId(id).value;
    const against = byId("against").value;
    if (text("prompt-0") === "" || (against === "prompt" && text("prompt-1") === "")) return null;
    const runs = [{ text: text("prompt-0"), unchanged: false }];
    if (against === "prompt") runs.push({ text: text("prompt-1"), unchanged: false });
    if (against === "unchanged") runs.push({ text: text("prompt-0"), unchanged: true });
    const number = (id, usual) => (byId(id).value === "" || Number.isNaN(Number(byId(id).value)) ? usual : Number(byId(id).value));
    return {
      runs,
      chat: byId("chat").checked && this.about.chat,
      write: written ? Math.trunc(number("write-n", 16)) : 0,
      temperature: number("temperature", 0),
      seed: Math.trunc(number("seed", 0)),
      read: byId("read").value,
      top_k: Math.trunc(number("top-k", 10)),
      distances: byId("distances").checked,
      steer: this.steering.chosen(),
      targets: pinned,
    };
  }
}
