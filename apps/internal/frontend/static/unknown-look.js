// The pages of unknown groups: the slider of similarity, and suggestions on cards.
"use strict";

(() => {
  const { keys, load, swap, toast, wordsOf } = window.rollcall;

  // The slider. One look at a time: while the server computes one, only the last of what
  // was asked for meanwhile waits.

  let pause = 0;
  let looking = false;
  let again = false;

  function slider() {
    return document.getElementById("distance");
  }

  function tell() {
    const s = slider();
    s.form.querySelector("output").textContent = Number(s.value).toFixed(3);
    document.getElementById("usual").hidden = Number(s.value) === Number(s.dataset.usual);
  }

  function lookSoon() {
    tell();
    clearTimeout(pause);
    pause = setTimeout(look, 200);
  }

  async function look() {
    clearTimeout(pause);
    if (looking) {
      again = true;
      return;
    }
    const s = slider();
    const value = Number(s.value).toFixed(3);
    const to = new URL(s.form.action);
    if (Number(value) !== Number(s.dataset.usual)) {
      to.searchParams.set("distance", value);
    }
    looking = true;
    document.getElementById("live").setAttribute("aria-busy", "true");
    try {
      const fresh = await load(to);
      if (slider()) { // the page may be another one by now
        history.replaceState(null, "", to.pathname + to.search);
        swap(fresh);
      }
    } catch (problem) {
      toast(wordsOf(problem, true), "bad");
    } finally {
      looking = false;
      document.getElementById("live")?.removeAttribute("aria-busy");
    }
    if (again) {
      again = false;
      look();
    }
  }

  document.addEventListener("input", (e) => {
    if (e.target.id === "distance") {
      lookSoon();
    }
  });
  document.addEventListener("submit", (e) => {
    if (e.target.id === "slider") {
      e.preventDefault();
      look();
    }
  });
  document.addEventListener("click", (e) => {
    if (e.target.closest("#usual") && slider()) {
      e.preventDefault();
      slider().value = slider().dataset.usual;
      tell();
      look();
    }
  });
  for (const [key, by] of [["[", -5], ["]", 5]]) {
    keys.set(key, () => {
      if (!slider()) {
        return false;
      }
      slider()[by < 0 ? "stepDown" : "stepUp"](Math.abs(by));
      lookSoon();
      return true;
    });
  }

  // Suggestions, for cards that are looked at, two at a time.

  const known = new Map(); // by group and version
  const waiting = [];
  let asking = 0;

  function suggest(place, text) {
    place.textContent = text;
    place.classList.toggle("shown", text !== "");
  }

  function next() {
    while (asking < 2 && waiting.length > 0) {
      ask(waiting.shift());
    }
  }

  // later asks again, a few times: the recognizers may be busy.
  function later(place) {
    const tries = Number(place.dataset.tries ?? 0) + 1;
    if (tries > 4) {
      return;
    }
    place.dataset.tries = tries;
    setTimeout(() => { waiting.push(place); next(); }, 5000);
  }

  async function ask(place) {
    const key = place.dataset.maybe + place.dataset.version;
    if (!place.isConnected || known.has(key)) {
      return;
    }
    asking++;
    try {
      const answer = await fetch(place.dataset.maybe, { signal: AbortSignal.timeout(10000) });
      const found = answer.ok ? await answer.json() : { maybe: "" };
      if (found.later) {
        later(place);
      } else {
        known.set(key, found.maybe);
        suggest(place, found.maybe);
      }
    } catch {
      later(place); // a card without a suggestion is of use, too
    }
    asking--;
    next();
  }

  const seen = new IntersectionObserver((list) => {
    for (const one of list.filter((l) => l.isIntersecting)) {
      seen.unobserve(one.target);
      waiting.push(one.target);
    }
    next();
  });

  function watchSuggestions() {
    seen.disconnect();
    waiting.length = 0;
    for (const place of document.querySelectorAll("[data-maybe]")) {
      const key = place.dataset.maybe + place.dataset.version;
      if (known.has(key)) {
        suggest(place, known.get(key));
      } else {
        seen.observe(place);
      }
    }
  }

  // What is new on the page.

  function renew() {
    rename();
    const s = slider();
    if (s && !document.querySelector(".faces-grid")) {
      s.form.remove(); // the group is gone
    } else if (s && !looking && document.activeElement !== s) {
      s.value = new URLSearchParams(location.search).get("distance") ?? s.dataset.usual;
      tell();
    }
    watchSuggestions();
  }

  // rename changes the address if the group has another key by now.
  function rename() {
    const key = document.querySelector(".faces-grid") && document.getElementById("live").dataset.group;
    const old = location.pathname.match(/[^/]*$/)[0];
    if (!key || key === old) {
      return;
    }
    const path = location.pathname.slice(0, -old.length) + key;
    history.replaceState(null, "", path + location.search);
    if (slider()) {
      slider().form.setAttribute("action", path);
      document.getElementById("usual").setAttribute("href", path);
    }
  }

  document.addEventListener("rollcall:swapped", renew);
  renew();
})();
