// Keeps an open page up to date. The server sends what has changed; see live.go. A hidden
// tab does not listen: browsers have few connections for all tabs of a server.
"use strict";

(() => {
  const { base, counted, refresh, typed, localTimes } = window.rollcall;
  let source = null;
  let seen = "";
  let later = 0;
  const fresh = new Set(); // ids of new images that are not shown yet

  function live() {
    return document.getElementById("live");
  }

  function busy() {
    return !document.getSelection().isCollapsed || typed(live()).length > 0 || document.querySelector("#live input:focus, .drawing-now, .segments:active") !== null;
  }

  // soon loads the page again, once for many changes.
  function soon(pause = 400) {
    clearTimeout(later);
    later = setTimeout(() => (busy() ? soon(2000) : refresh()), pause);
  }

  function element(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.firstElementChild;
  }

  function replace(old, html) {
    const now = element(html);
    const link = old.querySelector("[data-open]");
    now.querySelector("[data-open]")?.setAttribute("href", link.getAttribute("href"));
    const focused = old.contains(document.activeElement);
    old.replaceWith(now);
    localTimes(now);
    if (focused) {
      now.querySelector("[data-open]")?.focus({ preventScroll: true });
    }
  }

  // belongs reports whether a new image is one of the list: the newest page without
  // filters, or with the outcome as its only filter.
  function belongs(html) {
    const query = new URLSearchParams(location.search);
    query.delete("view");
    if (live().dataset.newest === undefined) {
      return false;
    }
    const { status, reason } = element(html).dataset;
    for (const [name, value] of query) {
      if (value !== "" && !(name === "status" && value === status) && !(name === "reason" && value === reason)) {
        return false;
      }
    }
    return true;
  }

  function announce() {
    const button = document.querySelector("[data-fresh]");
    if (!button) {
      return;
    }
    button.textContent = counted(live().dataset.freshForms, fresh.size);
    button.parentElement.hidden = fresh.size === 0;
  }

  // add shows new images at once if that moves nothing away under the reader.
  function add(id, html) {
    const list = document.getElementById("list");
    if (!list || window.scrollY > 80 || list.contains(document.activeElement) || list.matches(":hover")) {
      fresh.add(id);
      announce();
      return;
    }
    list.prepend(element(html));
    localTimes(list.firstElementChild);
    const most = 60;
    while (list.children.length > most) {
      list.lastElementChild.remove();
    }
  }

  function count(counts) {
    for (const chip of document.querySelectorAll("[data-count]")) {
      if (chip.dataset.count in counts) {
        chip.textContent = counts[chip.dataset.count];
      }
    }
    const work = document.getElementById("inwork");
    const waiting = (counts.queued ?? 0) + (counts.processing ?? 0);
    if (work) {
      work.hidden = waiting === 0;
      work.lastElementChild.textContent = counted(work.dataset.forms, waiting);
    }
  }

  function apply(changes) {
    const { watch, image, empty } = live().dataset;
    document.dispatchEvent(new CustomEvent("rollcall:changed", { detail: changes }));
    if (watch === "own" || watch === "uploads") { // the page's own script decides
      return;
    }
    if (image !== undefined) {
      if (changes.reload || changes.changed?.includes(Number(image)) || changes.gone?.includes(Number(image))) {
        soon();
      }
      return;
    }
    if (watch === "ids" || empty !== undefined || changes.reload) {
      soon(400 + Math.random() * 2000); // not all pages at once
      return;
    }
    count(changes.counts ?? {});
    for (const id of changes.gone ?? []) {
      document.getElementById(`image-${id}`)?.remove();
    }
    const ids = Object.keys(changes.html ?? {}).map(Number).sort((a, b) => a - b);
    const newest = Number(document.querySelector("#list [data-id]")?.dataset.id ?? 0);
    for (const id of ids) {
      const old = document.getElementById(`image-${id}`);
      if (old) {
        replace(old, changes.html[id]);
      } else if (id > newest && belongs(changes.html[id])) {
        add(id, changes.html[id]);
      }
    }
  }

  function listen() {
    if (source || document.hidden || !live() || live().dataset.still !== undefined) {
      return;
    }
    source = new EventSource(`${base}/live?view=${live().dataset.watch}`);
    source.addEventListener("ready", (e) => {
      // What happened between the page and the stream is not known.
      if (live().dataset.watch === "uploads") {
        apply({ reload: true });
      } else if (live().dataset.watch === "own") {
        if (seen !== "" && seen !== e.lastEventId) {
          apply({ reload: true });
        }
      } else if (seen === "" ? live().dataset.waiting !== undefined : seen !== e.lastEventId) {
        soon();
      }
      seen = e.lastEventId;
    });
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) { // refused: the page says why
        source = null;
        if (live().dataset.watch !== "uploads") { // its files are being sent
          soon(2000);
        }
        setTimeout(listen, 5000 + Math.random() * 5000); // not all pages at once
      }
    });
    source.addEventListener("message", (e) => {
      seen = e.lastEventId;
      apply(JSON.parse(e.data));
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else {
      listen();
    }
  });
  document.addEventListener("click", (e) => {
    if (e.target.closest("[data-fresh]")) {
      fresh.clear();
      window.scrollTo({ top: 0 });
      refresh();
    }
  });
  document.addEventListener("rollcall:swapped", () => {
    fresh.clear();
    announce();
  });
  window.addEventListener("pagehide", () => { source?.close(); source = null; });
  window.addEventListener("pageshow", listen);
  listen();
})();
