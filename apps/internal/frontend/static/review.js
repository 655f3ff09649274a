// The review: the next question is there before it is asked for, an answer is sent while
// the reviewer looks at the next question, and keys do all of it. Without this script the
// page is a form that leads to the next question.
"use strict";

(() => {
  const { base, counted, problemOf, toast, swap, keys, isField, wordsOf } = window.rollcall;
  const settled = new Set();  // questions that this page has answered
  let upcoming = null;        // { url, page: a promise }
  let chain = Promise.resolve(); // answers are sent one after the other
  let pending = 0;
  let changes = [];           // images that changed in the last minute: { at, ids }
  let last = null;            // the last answer that named somebody: { person, text, undo, followed }
  let named = 0;              // when it was saved
  let shown = "";             // the question as it came
  let wentTo = 0;             // when G was pressed, which begins a key of two
  let looking = 0;            // timer of a look at the same question
  let again = "";             // address of a question that is still to come back
  let tries = 0;              // looks at it so far
  const maxTries = 15;

  const article = () => document.getElementById("live");
  const field = () => document.getElementById("review-name");
  const form = () => document.querySelector("form[data-review]");
  const words = (name) => article().dataset[name] ?? "";

  // What outlives a reload, but not the tab.

  function stored(name, otherwise) {
    try {
      return JSON.parse(sessionStorage.getItem(`review.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  function store(name, value) {
    sessionStorage.setItem(`review.${name}`, JSON.stringify(value));
  }

  // questionOf is the question at a place, wherever it is in the queue.
  function questionOf(place) {
    return `${place[0] === "g" ? "g" : "f"}${place.slice(place.lastIndexOf("-") + 1)}`;
  }

  // Pages.

  async function fetchPage(url) {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) });
    const to = new URL(answer.url);
    if (!to.pathname.startsWith(`${base}/review`) || answer.status === 401) {
      location.assign(answer.url); // the session has ended
    }
    const doc = new DOMParser().parseFromString(await answer.text(), "text/html");
    const live = doc.getElementById("live");
    if (!live) {
      throw new Error(doc.querySelector(".problem .text")?.textContent ?? doc.title);
    }
    to.searchParams.delete("said");
    const pictures = [...live.querySelectorAll("img")].map((img) => {
      const picture = new Image();
      picture.src = img.getAttribute("src");
      return picture;
    });
    return { doc, pictures, place: live.dataset.place, url: to.pathname + to.search };
  }

  function prefetch(anew) {
    const link = document.querySelector("[data-next]");
    if (!link) {
      upcoming = null;
      return;
    }
    const url = link.getAttribute("href");
    if (anew || upcoming?.url !== url) {
      upcoming = { url, page: fetchPage(url).catch(() => null) };
    }
  }

  function show(page, how = "push") {
    if (page.place && settled.has(questionOf(page.place))) {
      settled.delete(questionOf(page.place)); // it is a question again
    }
    clearTimeout(looking);
    looking = 0;
    swap(page.doc, { sent: form() }); // what was typed is for the question before
    document.title = page.doc.title;
    if (how === "push") {
      history.pushState({ depth: (history.state?.depth ?? 0) + 1 }, "", page.url);
    } else if (how === "replace") {
      history.replaceState(history.state, "", page.url);
    }
    window.scrollTo({ top: 0 });
    begin();
  }

  async function go(url, how, quiet = false) {
    try {
      const page = await fetchPage(url);
      if (quiet) {
        page.doc.querySelector("#live .notice")?.remove();
      }
      show(page, how);
    } catch (problem) {
      toast(wordsOf(problem, true), "bad");
    }
  }

  function begin() {
    shown = article().querySelector("form.question")?.innerHTML ?? "";
    const count = stored("count", 0);
    const counter = article().querySelector("[data-answered]");
    if (counter && count > 0) {
      counter.textContent = `${counted(words("answeredForms"), count)} · `;
      counter.hidden = false;
    }
    chose();
    mode(stored("typing", true));
    prefetch(true);
    const back = article().querySelector('[data-key="k"]');
    if (back) {
      back.disabled = !(history.state?.depth > 0);
    }
    if (article().dataset.again !== undefined) {
      tries += 1;
      looking = setTimeout(() => (tries > maxTries ? advance() : go(again || location.href, "replace", true)), 1000);
    } else {
      tries = 0;
    }
  }

  // mode chooses between typing, where the field has the focus as soon as there is a
  // question without a suggestion, and keys.
  function mode(typing) {
    store("typing", typing);
    document.body.classList.toggle("review-typing", typing);
    const heading = document.getElementById("question");
    const fingers = matchMedia("(pointer: coarse)").matches;
    if (typing && field() && !fingers && article().dataset.suggested === undefined) {
      field().focus({ preventScroll: true });
    } else if (!article().contains(document.activeElement) || document.activeElement === field()) {
      heading?.focus({ preventScroll: true });
    }
  }

  // The strip below the question says what the last answer did.

  function say(text, action) {
    const strip = document.getElementById("review-last");
    const line = document.createElement("p");
    line.textContent = text;
    strip.replaceChildren(line);
    if (action) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button small";
      button.textContent = action.label;
      button.addEventListener("click", action.run);
      strip.append(button);
    }
  }

  function sayLast() {
    const n = last.followed.size;
    const more = n === 0 ? "" : ` ${counted(words("followedForms"), n)}`;
    say(last.text + more, last.undo && { label: words("undo"), run: undo });
  }

  // Answers.

  async function post(action, data) {
    wait(1);
    try {
      const answer = await fetch(action, {
        method: "POST", body: data, headers: { Accept: "application/json" }, keepalive: true, signal: AbortSignal.timeout(40000),
      });
      if (answer.ok && answer.headers.get("Content-Type")?.includes("json")) {
        return await answer.json();
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const problem = new Error(problemOf(page, answer));
      problem.status = answer.status;
      throw problem;
    } finally {
      wait(-1);
    }
  }

  function wait(by) {
    pending += by;
    document.getElementById("review-last").setAttribute("aria-busy", String(pending > 0));
  }

  function send(action, data) {
    const sent = chain.then(() => post(action, data));
    chain = sent.catch(() => {});
    return sent;
  }

  async function answer(from, submitter) {
    const data = new URLSearchParams(new FormData(from, submitter));
    const what = data.get("say") || "name";
    data.set("say", what);
    if (what === "name" && data.get("name").trim() === "") {
      say(words("noname"));
      mode(true);
      field().focus();
      return;
    }
    if (from.dataset.sent) {
      return;
    }
    from.dataset.sent = "1";
    const { place } = article().dataset;
    const url = location.pathname + location.search;
    const stays = data.has("face") || what === "no" && place[0] === "g";
    if (!stays) {
      settled.add(questionOf(place));
    }
    last = null;
    say(words("saving"));
    const since = Date.now();
    const sent = send(from.getAttribute("action"), data).then((reply) => took(reply, place, url, since), (problem) => {
      settled.delete(questionOf(place));
      say(words("failed"), { label: words("look"), run: () => go(url) });
      toast(wordsOf(problem), "bad", { label: words("look"), run: () => go(url) });
    });
    if (stays) {
      await sent;
      await go(url, "replace", true);
      return;
    }
    await advance();
  }

  // took shows what became of an answer that was sent at the time since.
  function took(reply, place, url, since) {
    if (reply.state === "saved" || reply.state === "stays") {
      store("answers", [...stored("answers", []), { undo: reply.undo, place }].slice(-50));
      store("count", stored("count", 0) + 1);
      last = { person: reply.person ?? 0, text: reply.text, undo: reply.undo, followed: new Set() };
      named = reply.person ? Date.now() : 0;
      sayLast();
      if (last.person) { // pictures may follow before the reply is here
        follow(changes.filter(({ at }) => at >= since).flatMap(({ ids }) => ids));
      }
    } else if (reply.state === "changed") {
      settled.delete(questionOf(place));
      say(reply.text, { label: words("look"), run: () => go(url) });
    } else {
      say(reply.text);
    }
    if (pending === 0) {
      prefetch(true); // whom the answer made known may be suggested now
    }
  }

  // advance shows the next question, which is here already nearly always.
  async function advance() {
    const { url, page } = upcoming ?? { url: `${base}/review`, page: null };
    let next = await page;
    if (!next || next.place === "" || settled.has(questionOf(next.place))) {
      await chain; // the queue does not know yet what was answered
      try {
        next = await fetchPage(url);
      } catch (problem) {
        toast(wordsOf(problem, true), "bad");
        return;
      }
      next.doc.querySelector("#live .notice")?.remove();
    }
    show(next);
  }

  async function undo() {
    await chain;
    const all = stored("answers", []);
    const answered = all.pop();
    if (!answered) {
      say(words("nothing"));
      return;
    }
    try {
      const reply = await send(`${base}/review/undo`, new URLSearchParams({ undo: answered.undo }));
      store("answers", all);
      store("count", Math.max(stored("count", 0) - 1, 0));
      last = null;
      say(reply.text);
      settled.delete(questionOf(answered.place));
      const { kind: only, skipped } = article().dataset;
      again = `${base}/review/${answered.place}?${new URLSearchParams({ said: "undone", only, skipped })}`;
      const page = await fetchPage(again);
      page.doc.querySelector("#live .notice")?.remove();
      show(page);
    } catch (problem) {
      if (problem.status === 404 || problem.status === 409) {
        store("answers", all); // another try cannot undo it either
      }
      toast(wordsOf(problem), "bad");
    }
  }

  document.addEventListener("submit", (e) => {
    if (e.target.matches("form[data-review]")) {
      e.preventDefault();
      answer(e.target, e.submitter);
    }
  });

  document.addEventListener("click", (e) => {
    const link = e.target.closest('#live a[data-key], #live .segments a, #live a[rel="next"]');
    if (link && !e.ctrlKey && !e.metaKey && !e.shiftKey) {
      e.preventDefault();
      if (link.dataset.key === "j") {
        advance();
      } else {
        go(link.getAttribute("href"));
      }
    } else if (e.target.closest('[data-key="k"]')) {
      history.back();
    } else if (e.target.closest("[data-scope-reset]")) {
      document.querySelectorAll(".crop input:checked").forEach((box) => { box.checked = false; });
      chose();
    }
  });

  window.addEventListener("popstate", () => go(location.href, "stay"));
  window.addEventListener("beforeunload", (e) => {
    if (pending > 0) {
      e.preventDefault();
    }
  });

  // Chosen faces of a group.

  function chose() {
    const text = document.querySelector("[data-scope]");
    if (!text) {
      return;
    }
    text.dataset.all ??= text.textContent;
    const n = document.querySelectorAll(".crop input:checked").length;
    text.textContent = n === 0 ? text.dataset.all : counted(words("scopeForms"), n);
    document.querySelector("[data-scope-reset]").hidden = n === 0;
    text.closest(".scope").classList.toggle("part", n > 0);
  }

  document.addEventListener("change", (e) => {
    if (e.target.matches(".crop input")) {
      chose();
    }
  });

  // Keys.

  for (const key of ["y", "n", "s", "i", "f", "j", "k"]) {
    keys.set(key, () => {
      const control = article().querySelector(`[data-key="${key}"]`);
      control?.click();
      return control !== null;
    });
  }
  keys.set("t", () => { mode(true); field()?.focus(); });
  keys.set("u", undo);
  for (let n = 1; n <= 9; n++) {
    keys.set(String(n), () => document.querySelectorAll(".crop input")[n - 1]?.click());
  }
  const commands = new Set([..."ynsifjktug"]);

  // A letter that is no key, or a capital one, begins a name. This listener comes before
  // that of the keys.
  window.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) {
      return;
    }
    if (article().dataset.ended !== undefined && e.key.length === 1) { // Enter leads on
      e.stopPropagation();
      e.preventDefault();
      return;
    }
    const input = field();
    if (e.target === input) {
      if (e.key === "Escape" && input.getAttribute("aria-expanded") !== "true") {
        mode(false);
        document.getElementById("question").focus();
        e.preventDefault();
      }
      return;
    }
    if (!input || e.repeat || isField(e.target, e.key)) {
      return;
    }
    if (e.key === "g") {
      wentTo = Date.now();
    }
    const letter = /^\p{L}$/u.test(e.key);
    const capital = letter && e.shiftKey && e.key !== e.key.toLowerCase();
    if (letter && (capital || !commands.has(e.key.toLowerCase())) && Date.now() - wentTo > 1500) {
      e.stopPropagation();
      input.focus(); // before the letter comes
    }
  }, true);

  // A question that somebody looks at stays with them.

  function keep() {
    const { place, ended } = article().dataset;
    if (document.visibilityState === "visible" && place && ended === undefined) {
      const next = form()?.elements.namedItem("next")?.value ?? "";
      fetch(`${base}/review/held?${new URLSearchParams({ question: place, next })}`, { signal: AbortSignal.timeout(10000) }).catch(() => {});
    }
  }

  setInterval(keep, 60000);
  document.addEventListener("visibilitychange", keep);

  // What others answer, and what follows from an answer.

  // follow finds out which of some images show the person of the last answer.
  async function follow(ids) {
    const one = last;
    const images = [...new Set(ids)].filter((id) => !one.followed.has(id));
    try {
      for (let from = 0; from < images.length && one === last; from += 100) { // as many as one request may ask about
        const some = images.slice(from, from + 100).join(" ");
        const found = await fetch(`${base}/review/followed?${new URLSearchParams({ person: one.person, images: some })}`, { signal: AbortSignal.timeout(10000) });
        if (found.ok && one === last) {
          (await found.json()).images.forEach((id) => one.followed.add(id));
          sayLast();
        }
      }
    } catch {
      // It is told of when more follow, or never.
    }
  }

  // look finds out whether the question is still the same.
  async function look() {
    looking = 0;
    const { place } = article().dataset;
    let page;
    try {
      page = await fetchPage(location.href);
    } catch {
      return; // the next change brings another look
    }
    if (place !== article().dataset.place || form()?.dataset.sent) {
      return;
    }
    const busy = (field()?.value ?? "") !== "" || document.querySelector(".crop input:checked") !== null;
    if (page.place !== place) {
      page.doc.querySelector("#live .notice")?.remove();
      if (place === "") {
        show(page, "replace");
      } else if (!busy) { // an answer to what is gone does no harm, and nobody likes to lose words
        end(page);
      }
    } else if (!busy && (page.doc.querySelector("form.question")?.innerHTML ?? "") !== shown) {
      show(page, "replace");
    }
  }

  // end says that somebody else has answered the question. The page does not move on by
  // itself: what is being typed is meant for this question, and must not answer the next.
  function end(next) {
    last = null;
    upcoming = { url: next.url, page: Promise.resolve(next) };
    article().dataset.ended = "";
    for (const control of form()?.elements ?? []) {
      control.disabled = true;
    }
    say(words("endedWords"), { label: words("nextQuestion"), run: advance });
    document.querySelector("#review-last button").focus();
  }

  document.addEventListener("rollcall:changed", (e) => {
    const { changed = [], gone = [], reload = false } = e.detail;
    changes = [...changes.filter(({ at }) => at > Date.now() - 60000), { at: Date.now(), ids: changed }];
    if (last?.person) {
      follow(changed);
    }
    const { place, images, suggested } = article().dataset;
    const mine = new Set(images.split(" "));
    if (article().dataset.ended !== undefined) {
      return;
    }
    const touched = reload || place === "" || [...changed, ...gone].some((id) => mine.has(String(id)));
    const news = Date.now() - named < 60000 && suggested === undefined;
    if ((touched || news) && looking === 0) {
      looking = setTimeout(look, 300 + Math.random() * 700); // not all pages at once
    }
  });

  if (history.state === null) {
    history.replaceState({ depth: 0 }, "");
  }
  begin();
})();
