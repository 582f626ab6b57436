/* What was read, as files. */

class Save {
  constructor(live) {
    this.live = live;
    for (const button of document.querySelectorAll("button[data-save]")) {
      button.addEventListener("click", () => this.save(button));
    }
  }

  async save(button) {
    const { page } = this.live;
    if (!page) return;
    button.setAttribute("aria-busy", "true");
    this.live.quiet();
    try {
      const { state } = page;
      const question = {
        form: button.dataset.save,
        run: this.live.runOf(state.trace),
        lens: state.trace % this.live.about.lenses,
        component: state.component === "all" ? null : state.component,
      };
      const answer = await ask("/api/export", question);
      const name = /filename="([\w.-]+)"/.exec(answer.headers.get("content-disposition") ?? "")?.[1] ?? "lens";
      const address = URL.createObjectURL(await answer.blob());
      const link = element("a", { href: address, download: name, hidden: true });
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
      byId("status").textContent = `Saved ${name}.`;
    } catch (error) {
      this.live.trouble(error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
}
