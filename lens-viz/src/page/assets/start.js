/* Makes the page from the data that lies in it. */

try {
  const page = new Page(startData());
  addEventListener("hashchange", () => page.read());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page.controls.draw());
  addEventListener("beforeprint", () => byId("printed").replaceChildren(...printed(page)));
  addEventListener("afterprint", () => byId("printed").replaceChildren());
} catch (error) {
  /* The table is still there. */
  document.documentElement.classList.remove("js");
  byId("app").hidden = true;
  throw error;
}

function startData() {
  const data = JSON.parse(byId("data").textContent);
  document.documentElement.classList.add("js");
  byId("app").hidden = false;
  byId("printed").hidden = false;
  return data;
}
