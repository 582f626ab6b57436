/* A slider for every change that the server was started with. */

class Steering {
  constructor(host, changes, changed) {
    this.rows = changes.map(({ text, scales }, index) => {
      const on = element("input", { type: "checkbox", id: `steer-on-${index}` });
      const strength = element("input", {
        type: "range", min: "-2", max: "2", step: "0.05", value: "1", class: "strength", "aria-label": `Strength of ${text}`, disabled: !scales,
      });
      const says = element("output", { class: "strength-says" }, "×1");
      on.addEventListener("change", changed);
      strength.addEventListener("input", () => {
        says.replaceChildren(`×${signless(Number(strength.value))}`);
        on.checked = true;
        changed();
      });
      const label = element("label", { for: `steer-on-${index}` }, element("code", {}, text));
      host.append(element("div", { class: "change" }, on, label, strength, says));
      return { on, strength };
    });
    byId("steering").hidden = changes.length === 0;
  }

  /* Those that are on, by number. */
  chosen() {
    return this.rows.flatMap(({ on, strength }, index) => (on.checked ? [{ index, strength: Number(strength.value) }] : []));
  }
}

const signless = (number) => String(number).replace("-", "−");
