// What every page does: times of the viewer's zone, forms without a new page, messages,
// help, and keys. Reading works without it. Other scripts use window.rollcall.
"use strict";

(() => {
  const base = document.body.dataset.base;

  // Times. The server writes UTC.

  const units = [["minute", 60], ["hour", 3600], ["day", 86400]];

  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      time.title = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
      const age = (Date.now() - at) / 1000;
      if (age >= 7 * 86400) {
        time.textContent = at.toLocaleDateString(undefined, { dateStyle: "medium" });
      }
    }
  }

  function refreshAges() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const age = (Date.now() - new Date(time.dateTime)) / 1000;
      if (age < 60 || age >= 86400) {
        continue;
      }
      const [, size] = units.findLast(([, s]) => age >= s);
      time.textContent = size === 60 ? `${Math.floor(age / 60)} min ago` : `${Math.floor(age / 3600)} h ago`;
    }
  }

  // Messages that go away. A button in one does something.

  function toast(text, kind = "", action) {
    const box = document.createElement("div");
    box.className = `toast ${kind}`;
    const words = document.createElement("span");
    words.textContent = text;
    box.append(words);
    const close = document.createElement("button");
    close.type = "button";
    close.className = "icon-button";
    close.setAttribute("aria-label", document.body.dataset.close);
    close.textContent = "×";
    close.addEventListener("click", () => box.remove());
    if (action) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button small";
      button.textContent = action.label;
      button.addEventListener("click", () => { box.remove(); action.run(); });
      box.append(button);
    }
    box.append(close);
    const all = document.getElementById("toasts");
    all.replaceChildren(box);
    setTimeout(() => box.remove(), kind === "bad" ? 15000 : 8000);
    return box;
  }

  // Parts of a page that are replaced while it is open.

  function pathTo(element) {
    if (!element || !element.closest("[data-live]")) {
      return null;
    }
    if (element.id) {
      return `#${CSS.escape(element.id)}`;
    }
    const card = element.closest("[data-id], [data-number]");
    const key = element.dataset.key;
    if (card && key) {
      return `#${CSS.escape(card.id)} [data-key="${CSS.escape(key)}"]`;
    }
    if (card) {
      return `#${CSS.escape(card.id)}`;
    }
    const href = element.getAttribute("href");
    return href ? `[data-live] a[href="${CSS.escape(href)}"]` : null;
  }

  function swap(fresh) {
    const focused = pathTo(document.activeElement);
    const opened = [...document.querySelectorAll("[data-live] details[open]")].map(pathOfDetails);
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (now) {
        old.replaceWith(document.adoptNode(now));
      }
    }
    for (const path of opened) {
      const details = path && document.querySelector(path);
      if (details && details.id !== "draw") {
        details.open = true;
      }
    }
    if (focused && !document.activeElement.closest("[data-live]")) {
      const again = document.querySelector(focused);
      if (again) {
        (again.matches("a, button, input, [tabindex]") ? again : again.querySelector("a, button") ?? again).focus({ preventScroll: true });
      }
    }
    localTimes(document);
    document.dispatchEvent(new CustomEvent("rollcall:swapped"));
  }

  function pathOfDetails(details) {
    const card = details.closest("[id]");
    return card ? `#${CSS.escape(card.id)}${card === details ? "" : " details"}` : null;
  }

  async function load(address) {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) });
    if (answer.status === 401 || answer.redirected) {
      location.reload(); // the session has ended; the server leads to the sign-in page
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!fresh.getElementById("live")) {
      throw new Error(fresh.querySelector(".problem .text")?.textContent ?? fresh.title);
    }
    return fresh;
  }

  async function refresh() {
    try {
      swap(await load(location.href));
      return true;
    } catch {
      toast(document.body.dataset.stale, "bad");
      return false;
    }
  }

  // follow shows a page that may be another one, and its address.
  function follow(fresh, to) {
    const moved = to.pathname !== location.pathname;
    history.replaceState(null, "", to.pathname + to.search);
    document.title = fresh.title;
    if (!moved) {
      swap(fresh);
      return;
    }
    const main = document.getElementById("main");
    main.replaceChildren(...document.adoptNode(fresh.getElementById("main")).childNodes);
    main.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
    localTimes(document);
    document.dispatchEvent(new CustomEvent("rollcall:swapped"));
  }

  // Forms that change something. Without this script they lead to a new page, which says
  // the same.

  async function act(form, submitter) {
    const data = new URLSearchParams(new FormData(form, submitter));
    const buttons = form.querySelectorAll("button");
    buttons.forEach((b) => { b.disabled = true; });
    try {
      const answer = await fetch(submitter?.getAttribute("formaction") ?? form.getAttribute("action"), {
        method: "POST", body: data, headers: { Accept: "text/html" }, signal: AbortSignal.timeout(form.dataset.act === "follow" ? 40000 : 15000),
      });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok) {
        const title = fresh.querySelector("h1")?.textContent ?? answer.statusText;
        toast(`${title}. ${fresh.querySelector(".problem .text")?.textContent ?? ""}`, "bad");
        if (answer.status === 412 || answer.status === 404) {
          await refresh();
        }
        return;
      }
      if (form.dataset.act === "go") { // what was done is on another page
        location.assign(answer.url);
        return;
      }
      const notice = fresh.querySelector(".notice");
      const undo = notice?.querySelector("form");
      const text = (notice?.querySelector("[data-toast]") ?? notice?.querySelector("p"))?.textContent;
      const again = undo && document.importNode(undo, true);
      if (!notice?.hasAttribute("data-stays")) {
        notice?.remove();
      }
      if (form.dataset.act === "follow") {
        follow(fresh, new URL(answer.url));
      } else {
        swap(fresh);
      }
      if (text) {
        toast(text, "", again && { label: again.querySelector("button").textContent, run: () => act(again, again.querySelector("button")) });
      }
    } catch (problem) {
      toast(problem.name === "TimeoutError" ? document.body.dataset.stale : String(problem.message), "bad");
    } finally {
      buttons.forEach((b) => { b.disabled = false; });
    }
  }

  document.addEventListener("submit", (e) => {
    if (!e.defaultPrevented && e.target.matches("form[data-act]")) {
      e.preventDefault();
      act(e.target, e.submitter);
    }
  });

  // Help, and a menu that closes when something else is clicked.

  const help = document.getElementById("help");

  document.addEventListener("click", (e) => {
    if (e.target.closest("[data-help]")) {
      help.showModal();
    } else if (e.target === help) {
      help.close();
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(e.target)) {
        menu.open = false;
      }
    }
  });

  // Keys. A page adds its own with rollcall.keys.

  const keys = new Map();
  let goes = 0;

  function isField(element) {
    return element.matches("input:not([type=checkbox]), select, textarea") || element.isContentEditable;
  }

  function move(step) {
    const all = [...document.querySelectorAll("#list [data-open]")];
    if (all.length === 0) {
      const link = document.querySelector(step > 0 ? '.trail a[rel="next"]' : '.trail a[rel="prev"]');
      link?.click();
      return;
    }
    const at = all.indexOf(document.activeElement);
    const to = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
    if (to) {
      to.focus();
      to.scrollIntoView({ block: "nearest" });
    } else {
      document.querySelector(step > 0 ? '.pages a[rel="next"]' : '.pages a[rel="prev"]')?.focus();
    }
  }

  keys.set("?", () => help.showModal());
  keys.set("/", () => document.getElementById("q")?.select());
  keys.set("j", () => move(1));
  keys.set("k", () => move(-1));
  keys.set("v", () => document.querySelector(".segments a:not([aria-current])")?.click());
  keys.set("g", () => { goes = Date.now(); });

  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey) {
      return;
    }
    if (e.key === "Escape") {
      document.querySelectorAll("details.menu[open]").forEach((m) => { m.open = false; m.querySelector("summary").focus(); });
      if (isField(document.activeElement)) {
        document.activeElement.blur();
      }
      return;
    }
    if (isField(e.target) || help.open) {
      return;
    }
    const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
    if (Date.now() - goes < 1500 && key !== "g") {
      goes = 0;
      for (const place of document.querySelectorAll("[data-go]")) {
        if (place.dataset.go === key) {
          e.preventDefault();
          place.click();
          return;
        }
      }
    }
    const run = keys.get(key);
    if (run && run(e) !== false) {
      e.preventDefault();
    }
  });

  // On a phone the navigation is wider than the screen.
  const nav = document.querySelector(".main-nav");
  const here = nav?.querySelector("[aria-current]");
  if (here) {
    nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
  }

  localTimes(document);
  setInterval(refreshAges, 30000);
  window.rollcall = { base, toast, swap, load, refresh, act, keys, localTimes };
})();
