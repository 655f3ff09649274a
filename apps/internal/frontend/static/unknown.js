// The pages of unknown groups: selecting cards and faces with mouse and keyboard, and keeping
// the pages up to date. The slider and the suggestions are in unknown-look.js.
"use strict";

(() => {
  const { counted, fill, keys, label, load, swap, isField } = window.rollcall;

  // Selecting. Cards and faces have a checkbox each, which the form of the bar sends.

  const chosen = new Set(); // ids of what is selected; it outlives the elements
  let anchor = "";          // where a range begins
  let kept = null;          // what was selected before the range that is being extended

  function items() {
    return [...document.querySelectorAll("[data-picks] .pick")];
  }

  function box(item) {
    return item.querySelector("[data-pick]");
  }

  function handle(item) {
    return item.querySelector("[data-open]") ?? box(item);
  }

  function current() {
    return document.activeElement?.closest(".pick") ?? null;
  }

  function set(item, on) {
    const b = box(item);
    if (!b) {
      return;
    }
    b.checked = on;
    chosen[on ? "add" : "delete"](item.dataset.id);
  }

  function range(all, from, to) {
    const [low, high] = from < to ? [from, to] : [to, from];
    return all.slice(Math.max(low, 0), high + 1);
  }

  function selectTo(item) {
    const all = items();
    const from = all.findIndex((i) => i.dataset.id === anchor);
    const to = all.indexOf(item);
    range(all, from < 0 ? to : from, to).forEach((i) => set(i, true));
    if (from < 0) {
      anchor = item.dataset.id;
    }
    show();
  }

  // extend moves the end of a range: what was selected before stays.
  function extend(from, to) {
    const all = items();
    if (kept === null) {
      kept = new Set(chosen);
      anchor = from.dataset.id;
    }
    const part = new Set(range(all, all.findIndex((i) => i.dataset.id === anchor), all.indexOf(to)));
    all.forEach((i) => set(i, part.has(i) || kept.has(i.dataset.id)));
    show();
  }

  function clear() {
    items().forEach((i) => set(i, false));
    chosen.clear();
    show();
  }

  // What the bar says about the selection.

  function show() {
    for (const item of items()) {
      item.classList.toggle("picked", box(item)?.checked ?? false);
    }
    document.querySelector("[data-picks]")?.classList.toggle("picking", chosen.size > 0);
    const groups = document.getElementById("chosen");
    if (groups) {
      showGroups(groups);
    }
    const faces = document.getElementById("say");
    if (faces) {
      faces.scope.value = chosen.size > 0 ? "selected" : "group";
      showEffect(faces);
    }
  }

  function showGroups(form) {
    form.classList.toggle("some", chosen.size > 0);
    const sum = items().filter((i) => chosen.has(i.dataset.id)).reduce((n, i) => n + Number(i.dataset.faces), 0);
    if (chosen.size > 0) {
      const { groupsForms, facesForms } = form.dataset;
      document.getElementById("effect").textContent = label(counted(groupsForms, chosen.size), counted(facesForms, sum));
    }
  }

  function showEffect(form) {
    const data = form.dataset;
    document.getElementById("selected-count").textContent = chosen.size;
    const effect = document.getElementById("effect");
    if (form.scope.value === "group") {
      effect.textContent = effect.dataset.whole;
      return;
    }
    const images = new Set(items().map(box).filter((b) => b.checked).map((b) => b.dataset.image));
    const about = fill(data.in, counted(data.facesForms, chosen.size), counted(data.picturesForms, images.size));
    const words = chosen.size === 0 ? data.effectNone : chosen.size === 1 ? data.effectPicture : data.effectSelected;
    effect.textContent = fill(words, about);
  }

  document.addEventListener("change", (e) => {
    const item = e.target.closest(".pick");
    if (item && e.target.matches("[data-pick]")) {
      set(item, e.target.checked);
      anchor = item.dataset.id;
      kept = null;
      show();
    } else if (e.target.matches("#say [name=scope]")) {
      showEffect(e.target.form);
    }
  });

  document.addEventListener("mousedown", (e) => {
    if (e.shiftKey && e.target.closest("[data-picks]")) {
      e.preventDefault(); // no text is selected
    }
  });

  document.addEventListener("click", (e) => {
    const item = e.target.closest(".pick");
    if (item && e.shiftKey && box(item) && !e.target.closest(".open") && e.detail > 0) {
      e.preventDefault();
      kept = null;
      selectTo(item);
      handle(item).focus({ preventScroll: true });
    } else if (e.target.closest("[data-clear]")) {
      clear();
    } else if (e.target.closest("[data-news]")) {
      refresh(true);
    }
  });

  // Keys.

  // columns returns how many items are in a row of the grid.
  function columns(all) {
    const first = all[0].offsetTop;
    const next = all.findIndex((i) => i.offsetTop > first);
    return next < 0 ? all.length : next;
  }

  function step(key, shift) {
    const all = items();
    if (all.length === 0) {
      return false;
    }
    const from = current();
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(all), ArrowDown: columns(all) }[key];
    const at = from ? all.indexOf(from) : -1;
    const to = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
    if (!from && !key.endsWith("Right") && !key.endsWith("Down")) {
      return false;
    }
    handle(to).focus({ preventScroll: true });
    to.scrollIntoView({ block: "nearest" });
    if (shift && from) {
      extend(from, to);
    } else {
      kept = null;
    }
    return true;
  }

  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || isField(e.target, e.key) || e.altKey || e.repeat && !e.key.startsWith("Arrow") || document.querySelector("dialog[open]")) {
      return;
    }
    let done = false;
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "a" && items().some(box)) {
      items().forEach((i) => set(i, true));
      show();
      done = true;
    } else if (e.ctrlKey || e.metaKey) {
      return;
    } else if (e.key.startsWith("Arrow")) {
      done = step(e.key, e.shiftKey);
    } else if (e.key === " " && e.target.matches("[data-open]") && current()) {
      const item = current();
      set(item, !box(item)?.checked);
      anchor = item.dataset.id;
      kept = null;
      show();
      done = true;
    } else if (e.key === "Escape" && chosen.size > 0) {
      clear();
    }
    if (done) {
      e.preventDefault();
    }
  });

  // take selects the card that has the focus if nothing is selected. It reports whether
  // there is anything to say something about.
  function take() {
    if (!document.getElementById("chosen")) {
      return document.getElementById("say") !== null;
    }
    const item = current();
    if (chosen.size === 0 && item) {
      set(item, true);
      show();
    }
    return chosen.size > 0;
  }

  function press(key) {
    return () => {
      const button = take() && document.querySelector(`#bar [data-key="${key}"]`);
      button?.click?.();
      return Boolean(button);
    };
  }

  for (const key of ["y", "i", "f", "x"]) {
    keys.set(key, press(key));
  }
  keys.set("t", () => {
    if (!take()) {
      return false;
    }
    document.getElementById("who").focus();
    return true;
  });
  keys.set("u", () => (document.querySelector(".toast .button") ?? document.querySelector('#said [data-key="u"]'))?.click());
  for (const [key, by] of [["j", 1], ["k", -1]]) {
    const before = keys.get(key);
    keys.set(key, (e) => (document.querySelector(".faces-grid") ? step(by > 0 ? "ArrowRight" : "ArrowLeft", false) : before(e)));
  }

  // Keeping up to date. Groups have no events of their own: the job puts faces into groups
  // some seconds after their pictures have changed. So a change is followed by a few looks.

  const rare = 10000;     // milliseconds between two looks of somebody who only watches
  const often = 1200;     // after something was said, until its consequences are there
  const attention = 30000;
  let close = 0;          // until when to look often
  let last = 0;
  let timer = 0;
  let looks = 0;          // that are left

  function gap() {
    return Date.now() < close ? often : rare * (1 + Math.random() / 2);
  }

  function due(after) {
    clearTimeout(timer);
    timer = setTimeout(run, Math.max(after, last + gap() - Date.now()));
  }

  function busy() {
    const who = document.getElementById("who");
    return document.hidden || document.querySelector("#live[aria-busy]") !== null || (who && (who.value !== "" || document.activeElement === who)) || document.querySelector("dialog[open]") !== null;
  }

  async function run() {
    if (busy()) {
      due(2000);
      return;
    }
    last = Date.now();
    await refresh(false);
    if (--looks > 0 || Date.now() < close) {
      due(often);
    }
  }

  // order names what is shown, to see whether something would move.
  function order(page) {
    return [...page.querySelectorAll("[data-picks] .pick")].map((i) => i.id).join(" ");
  }

  function reading() {
    const list = document.querySelector("[data-picks]");
    return list !== null && (chosen.size > 0 || window.scrollY > 80 || list.matches(":hover") || list.contains(document.activeElement));
  }

  // address has a face that is not selected, by which the server finds the group if it has
  // another key by now.
  function address() {
    const to = new URL(location.href);
    const face = [...document.querySelectorAll(".member:not(.picked, .added)")].at(-1);
    if (face) {
      to.searchParams.set("with", face.dataset.id);
    }
    return to;
  }

  async function refresh(asked) {
    let fresh;
    try {
      fresh = await load(address());
    } catch {
      return; // the next change brings the next try
    }
    const moves = order(fresh) !== order(document) && fresh.querySelector("[data-picks]") !== null;
    const elsewhere = document.getElementById("live")?.dataset.look !== undefined;
    if (!asked && (elsewhere || moves && reading() && Date.now() >= close)) {
      document.getElementById("said").replaceWith(document.adoptNode(fresh.getElementById("said")));
      const news = document.querySelector("[data-news]");
      if (news && !elsewhere) {
        news.parentElement.hidden = false;
      }
      return;
    }
    swap(fresh);
  }

  document.addEventListener("rollcall:changed", () => {
    looks = 3;
    due(300 + Math.random() * 700);
  });
  document.addEventListener("submit", (e) => {
    if (e.target.matches('form[data-act="follow"]')) {
      close = Date.now() + attention;
      looks = 3;
      due(often);
    }
  });

  // What is new on the page.

  function renew() {
    const present = new Set(items().map((i) => i.dataset.id));
    [...chosen].filter((id) => !present.has(id)).forEach((id) => chosen.delete(id));
    items().forEach((i) => set(i, chosen.has(i.dataset.id)));
    show();
  }

  document.addEventListener("rollcall:swapped", renew);
  if (document.querySelector("#said [data-follows]")) {
    close = Date.now() + attention;
    due(often);
  }
  items().filter((i) => box(i)?.checked).forEach((i) => chosen.add(i.dataset.id)); // kept by the browser
  renew();
})();
