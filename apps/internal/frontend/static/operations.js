// Keeps the figures of the page of operations up to date: programs write theirs every few
// seconds, which no event tells. A hidden tab does not ask.
"use strict";

(() => {
  const { load, swap } = window.rollcall;
  const every = 5000;
  let pause = every;

  function address() {
    const url = new URL(location.href);
    url.searchParams.delete("done"); // what a form did was said once
    url.searchParams.delete("n");
    return url.href;
  }

  function busy() {
    return document.hidden || !document.getSelection().isCollapsed || document.querySelector("#live details.menu[open]") !== null;
  }

  async function again() {
    if (!busy()) {
      try {
        swap(await load(address()));
        pause = every;
      } catch {
        pause = Math.min(2 * pause, 60000); // "Updated" says how old the figures are
      }
    }
    setTimeout(again, pause + Math.random() * 500); // not all pages at once
  }

  setTimeout(again, every);
})();
