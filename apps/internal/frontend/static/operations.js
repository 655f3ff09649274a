// Keeps the figures of the page of operations up to date: programs write theirs every few
// seconds, which no event tells. A hidden tab does not ask.
"use strict";

(() => {
  const { load, swap } = window.rollcall;
  const every = 5000;
  let pause = every;
  let timer = 0;

  function busy() {
    return !document.getSelection().isCollapsed || document.querySelector("#live details.menu[open]") !== null;
  }

  function later(after) {
    clearTimeout(timer);
    timer = document.hidden ? 0 : setTimeout(again, after);
  }

  async function again() {
    if (!busy()) {
      try {
        swap(await load(location.href));
        pause = every;
      } catch {
        pause = Math.min(2 * pause, 60000); // "Updated" says how old the figures are
      }
    }
    later(pause + Math.random() * 500); // not all pages at once
  }

  // What a form did was said once.
  const url = new URL(location.href);
  url.searchParams.delete("done");
  url.searchParams.delete("n");
  history.replaceState(history.state, "", url);

  document.addEventListener("visibilitychange", () => later(500));
  later(every);
})();
