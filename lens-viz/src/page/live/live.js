/* Begins. */

new Live(JSON.parse(byId("about").textContent));
