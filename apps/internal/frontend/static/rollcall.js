// What every page does: times of the viewer's zone, forms without a new page, messages,
// help, and keys. Reading works without it. Other scripts use window.rollcall.
"use strict";

(() => {
  const base = document.body.dataset.base;

  // Words. The page has them all, from the server's catalogue.

  const plural = new Intl.PluralRules(document.documentElement.lang);

  // fill puts values into a message: at %s and %d, or in another order at %[2]s.
  function fill(text, ...values) {
    let at = 0;
    return text.replace(/%(?:\[(\d+)\])?[ds]/g, (_, n) => values[n ? n - 1 : at++]);
  }

  // counted returns the form of a message for n things. forms is what the server writes:
  // a form for each plural category of the language.
  function counted(forms, n) {
    const all = JSON.parse(forms);
    return fill(all[plural.select(n)] ?? all.other, n);
  }

  // problemOf returns what a page says about a request that was refused.
  function problemOf(page, answer) {
    const title = page.querySelector("h1")?.textContent ?? answer.statusText;
    return fill(document.body.dataset.problem, title, page.querySelector(".problem .text")?.textContent ?? "");
  }

  function label(name, about) {
    return fill(document.body.dataset.label, name, about);
  }

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
    const { minutes, hours } = document.body.dataset;
    for (const time of document.querySelectorAll("time[datetime]")) {
      const age = (Date.now() - new Date(time.dateTime)) / 1000;
      if (age < 60 || age >= 86400) {
        continue;
      }
      const [, size] = units.findLast(([, s]) => age >= s);
      time.textContent = fill(size === 60 ? minutes : hours, Math.floor(age / size));
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
    const leave = () => (box.matches(":hover, :focus-within") ? wait() : box.remove());
    const wait = () => setTimeout(leave, kind === "bad" ? 15000 : 8000);
    wait();
    return box;
  }

  // Parts of a page that are replaced while it is open.

  // pathTo returns selectors that find an element, or what is next to it, in the new page;
  // the best first.
  function pathTo(element) {
    const card = element?.closest("[data-live]") && element.closest("[id]");
    if (!card) {
      return null;
    }
    const within = `#${CSS.escape(card.id)}`;
    if (card === element) {
      return [within, "h1"];
    }
    const paths = [];
    const add = (selector, value) => value && paths.push(`${within} ${selector.replace("%", CSS.escape(value))}`);
    add('[data-key="%"]', element.dataset.key);
    add('a[href="%"]', element.getAttribute("href"));
    add('button[formaction="%"]', element.getAttribute("formaction"));
    add('form[action="%"] button', element.form?.getAttribute("action"));
    if (element.matches("summary")) {
      paths.push(`${within} summary`);
    }
    if (card.dataset.live === undefined) {
      paths.push(within);
    }
    return [...paths, "h1"];
  }

  const focusable = "a, button, input, summary, [tabindex]";

  // focusAgain gives the focus back that a replaced element had. The heading has it last.
  function focusAgain(paths) {
    if (!paths || !document.activeElement?.matches("body, main")) {
      return;
    }
    for (const path of paths) {
      const found = document.querySelector(path);
      if (path === "h1") {
        found?.setAttribute("tabindex", "-1");
      }
      const target = found?.matches(focusable) ? found : found?.querySelector(focusable);
      target?.focus({ preventScroll: true });
      if (target && document.activeElement === target) {
        return;
      }
    }
  }

  // typed returns the fields with something that is not saved.
  function typed(root) {
    return [...root.querySelectorAll("input[id], textarea[id]")].filter((f) => (f.matches("textarea") || isField(f)) && f.type !== "hidden" && f.value !== f.defaultValue);
  }

  // keep puts what was being typed into the new page, if it is the same field of the same
  // form.
  function keep(old, fresh, sent) {
    for (const field of typed(old).filter((f) => f.form !== sent)) {
      const now = fresh.getElementById(field.id);
      if (now && now.form?.getAttribute("action") === field.form?.getAttribute("action")) {
        now.value = field.value;
      }
    }
  }

  let missed = false; // a swap that came while somebody drew

  function swap(fresh, { focused = pathTo(document.activeElement), sent = null, anyway = false } = {}) {
    if (!anyway && !sent?.closest("#draw") && document.querySelector(".drawing-now")) {
      missed = true; // it would take the box away
      const version = '#draw input[name="version"]';
      const now = fresh.querySelector(version);
      if (sent && now) { // one's own answer makes nothing stale
        document.querySelector(version).value = now.value;
      }
      return;
    }
    missed = false;
    const opened = [...document.querySelectorAll("[data-live] details[open]")].map(pathOfDetails);
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (now) {
        keep(old, fresh, sent);
        old.replaceWith(document.adoptNode(now));
      }
    }
    for (const path of opened) {
      const details = path && document.querySelector(path);
      if (details && details.id !== "draw") {
        details.open = true;
      }
    }
    focusAgain(focused);
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

  // catchUp shows what has changed while somebody drew.
  function catchUp() {
    if (missed) {
      refresh();
    }
  }

  async function refresh(focused, anyway = false) {
    try {
      swap(await load(location.href), { focused, anyway });
      return true;
    } catch {
      toast(document.body.dataset.stale, "bad");
      return false;
    }
  }

  // follow shows a page that may be another one, and its address.
  function follow(fresh, to, how) {
    const moved = to.pathname !== location.pathname;
    history.replaceState(null, "", to.pathname + to.search);
    document.title = fresh.title;
    if (!moved) {
      swap(fresh, how);
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

  // wordsOf says what a request that failed has done. A browser's own words help nobody.
  function wordsOf(problem, reads = false) {
    const { unsent, unsure, unread } = document.body.dataset;
    if (reads && ["TypeError", "TimeoutError"].includes(problem.name)) {
      return unread;
    }
    if (problem.name === "TypeError") { // what fetch throws without an answer
      return navigator.onLine ? unsure : unsent;
    }
    return problem.name === "TimeoutError" ? unsure : String(problem.message);
  }

  async function act(form, submitter) {
    const data = new URLSearchParams(new FormData(form, submitter));
    const buttons = form.querySelectorAll("button");
    const held = document.activeElement; // a button that is disabled loses the focus
    const how = { focused: pathTo(held), sent: form };
    buttons.forEach((b) => { b.disabled = true; });
    try {
      const answer = await fetch(submitter?.getAttribute("formaction") ?? form.getAttribute("action"), {
        method: "POST", body: data, headers: { Accept: "text/html" }, signal: AbortSignal.timeout(form.dataset.act === "follow" ? 40000 : 15000),
      });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok) {
        toast(problemOf(fresh, answer), "bad");
        if (answer.status === 412 || answer.status === 404) {
          await refresh(how.focused, true);
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
        follow(fresh, new URL(answer.url), how);
      } else {
        swap(fresh, how);
      }
      if (text) {
        toast(text, "", again && { label: again.querySelector("button").textContent, run: () => act(again, again.querySelector("button")) });
      }
    } catch (problem) {
      toast(wordsOf(problem), "bad");
    } finally {
      buttons.forEach((b) => { b.disabled = false; });
      if (held.isConnected && document.activeElement === document.body) {
        held.focus({ preventScroll: true });
      }
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

  const wholeKeys = "[type=checkbox], [type=radio], [type=range], [type=file], [type=button], [type=submit]";

  // isField reports whether an element takes letters, or this key: arrows move a slider.
  function isField(element, key = "") {
    if (element.matches("[type=range], [type=radio]") && /^(Arrow|Page|Home|End)/.test(key)) {
      return true;
    }
    return element.matches(`input:not(${wholeKeys}), select, textarea`) || element.isContentEditable;
  }

  // moves are the keys that may be held. Another one acts once.
  const moves = /^([jk[\]]|Arrow.*)$/i;

  function move(step) {
    if (document.querySelector(".drawing-now")) {
      return;
    }
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
    if (e.repeat && e.key === "Enter" && !e.target.matches("textarea")) {
      e.preventDefault(); // it would press the next button, too
    }
    if (isField(e.target, e.key) || document.querySelector("dialog[open]") || e.repeat && !moves.test(e.key)) {
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

  // Pictures that did not come, such as from a recognizer that was busy, are asked for
  // again a few times.

  const pauses = [2000, 5000, 15000];

  function askAgain(img) {
    const tries = Number(img.dataset.tries ?? 0);
    if (tries === pauses.length) {
      return;
    }
    img.dataset.tries = tries + 1;
    const source = img.getAttribute("src");
    setTimeout(() => {
      if (img.isConnected && img.getAttribute("src") === source) {
        img.setAttribute("src", source);
      }
    }, pauses[tries] * (0.75 + Math.random() / 2)); // not all at once
  }

  document.addEventListener("error", (e) => {
    if (e.target instanceof HTMLImageElement) {
      askAgain(e.target);
    }
  }, true);
  [...document.images].filter((img) => img.complete && img.naturalWidth === 0).forEach(askAgain);

  // On a phone the navigation is wider than the screen.
  const nav = document.querySelector(".main-nav");
  const here = nav?.querySelector("[aria-current]");
  if (here) {
    nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
  }

  localTimes(document);
  setInterval(refreshAges, 30000);
  window.rollcall = { base, fill, counted, problemOf, label, toast, swap, load, refresh: () => refresh(), act, keys, isField, typed, wordsOf, localTimes, catchUp };
})();
