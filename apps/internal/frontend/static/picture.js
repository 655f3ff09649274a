// The page of one picture: choosing a face, keys for its corrections, and drawing a face
// that was missed.
"use strict";

(() => {
  const { keys } = window.rollcall;
  let chosen = 0; // the number of a face; 0 for none

  function faces() {
    return [...document.querySelectorAll(".face[data-number]")];
  }

  function mark() {
    for (const one of document.querySelectorAll(".face.chosen, g.chosen")) {
      one.classList.remove("chosen");
    }
    const face = document.getElementById(`face-${chosen}`);
    if (!face) {
      chosen = 0;
      return null;
    }
    face.classList.add("chosen");
    document.querySelector(`.overlay g[data-face="${chosen}"]`)?.classList.add("chosen");
    return face;
  }

  function choose(number, focus = true) {
    chosen = number;
    const face = mark();
    if (face && focus) {
      face.focus({ preventScroll: true });
      face.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    }
  }

  function step(by) {
    const all = faces();
    if (all.length === 0 || drawing()) {
      return false;
    }
    const at = all.findIndex((f) => Number(f.dataset.number) === chosen);
    const to = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
    choose(Number(to.dataset.number));
    return true;
  }

  // control returns a button or field of the chosen face. A picture with one face needs
  // no choice.
  function control(key) {
    const all = faces();
    if (chosen === 0 && all.length === 1) {
      choose(Number(all[0].dataset.number), false);
    }
    return document.querySelector(`#face-${chosen} [data-key="${key}"]`);
  }

  // Keys of faces wait until the drawing is over.
  for (const key of ["y", "n", "i", "f"]) {
    keys.set(key, () => drawing() || control(key)?.click());
  }
  keys.set("t", () => drawing() || control("t")?.focus());
  keys.set("u", () => drawing() || (control("u") ?? document.querySelector(".history form button"))?.click());
  keys.set("ArrowDown", () => step(1));
  keys.set("ArrowUp", () => step(-1));
  keys.set("d", () => document.querySelector("#draw > summary")?.click());

  document.addEventListener("focusin", (e) => {
    const face = e.target.closest(".face[data-number]");
    if (face && Number(face.dataset.number) !== chosen) {
      choose(Number(face.dataset.number), false);
    }
  });

  document.addEventListener("click", (e) => {
    const box = e.target.closest(".overlay g[data-face]");
    if (box && !drawing()) {
      choose(Number(box.dataset.face));
    }
    const boxes = e.target.closest("[data-boxes]");
    if (boxes) {
      const plain = document.querySelector(".stage").classList.toggle("plain");
      boxes.setAttribute("aria-pressed", String(!plain));
    }
  });

  // Drawing. The form has the box in numbers; the draft shows it.

  function drawing() {
    return document.getElementById("draw")?.open ?? false;
  }

  function parts() {
    const stage = document.querySelector(".stage");
    const form = document.querySelector("#draw form");
    return { stage, form, overlay: stage.querySelector(".overlay"), draft: stage.querySelector(".draft"), width: Number(stage.dataset.width), height: Number(stage.dataset.height) };
  }

  function box(form) {
    return { x: Number(form.x.value), y: Number(form.y.value), width: Number(form.width.value), height: Number(form.height.value) };
  }

  function show(b) {
    const { form, draft, width, height } = parts();
    const x = Math.round(Math.min(Math.max(b.x, 0), width - 1));
    const y = Math.round(Math.min(Math.max(b.y, 0), height - 1));
    const w = Math.round(Math.min(Math.max(b.width, 1), width - x));
    const h = Math.round(Math.min(Math.max(b.height, 1), height - y));
    form.x.value = x;
    form.y.value = y;
    form.width.value = w;
    form.height.value = h;
    draft.removeAttribute("hidden");
    for (const [name, value] of [["x", x], ["y", y], ["width", w], ["height", h]]) {
      draft.setAttribute(name, value);
    }
  }

  function begin() {
    const { stage, form, overlay, width, height } = parts();
    stage.classList.add("drawing-now");
    overlay.setAttribute("tabindex", "0");
    overlay.setAttribute("role", "application");
    overlay.setAttribute("aria-describedby", "draw-how");
    if (form.width.value === "") {
      const side = Math.max(Math.round(Math.min(width, height) / 5), 1);
      show({ x: (width - side) / 2, y: (height - side) / 2, width: side, height: side });
    }
    overlay.focus();
  }

  function end() {
    const { stage, form, overlay, draft } = parts();
    stage.classList.remove("drawing-now");
    overlay.removeAttribute("tabindex");
    overlay.setAttribute("role", "img");
    overlay.removeAttribute("aria-describedby");
    draft.setAttribute("hidden", "");
    form.reset();
    window.rollcall.catchUp();
  }

  // point returns where a pointer is, in pixels of the picture.
  function point(e, overlay) {
    const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(overlay.getScreenCTM().inverse());
    return { x: p.x, y: p.y };
  }

  let from = null;

  document.addEventListener("pointerdown", (e) => {
    const overlay = e.target.closest(".drawing-now .overlay");
    if (!overlay || e.button !== 0) {
      return;
    }
    e.preventDefault();
    overlay.focus();
    overlay.setPointerCapture(e.pointerId);
    from = point(e, overlay);
  });
  document.addEventListener("pointermove", (e) => {
    const overlay = from && document.querySelector(".drawing-now .overlay");
    if (!overlay) {
      return;
    }
    const to = point(e, overlay);
    show({ x: Math.min(from.x, to.x), y: Math.min(from.y, to.y), width: Math.abs(to.x - from.x), height: Math.abs(to.y - from.y) });
  });
  document.addEventListener("pointerup", () => { from = null; });
  document.addEventListener("pointercancel", () => { from = null; });

  document.addEventListener("keydown", (e) => {
    if (!drawing() || e.ctrlKey || e.metaKey || e.altKey) {
      return;
    }
    if (e.key === "Escape") {
      document.getElementById("draw").open = false;
      document.querySelector("#draw > summary").focus();
      e.preventDefault();
      return;
    }
    if (!e.target.matches(".overlay")) {
      return;
    }
    const { form, width } = parts();
    const by = Math.max(Math.round(width / 100), 1);
    const direction = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[e.key];
    if (direction) {
      const b = box(form);
      const [dx, dy] = direction;
      show(e.shiftKey ? { ...b, width: b.width + dx, height: b.height + dy } : { ...b, x: b.x + dx, y: b.y + dy });
    } else if (e.key === "Enter" && !e.repeat) {
      form.requestSubmit();
    } else {
      return;
    }
    e.preventDefault();
  });

  document.addEventListener("input", (e) => {
    if (e.target.matches("#draw input[type=number]")) {
      const { form } = parts();
      show(box(form));
    }
  });

  function watch() {
    document.getElementById("draw")?.addEventListener("toggle", (e) => (e.target.open ? begin() : end()));
    mark();
  }

  watch();
  document.addEventListener("rollcall:swapped", watch);
  if (/^#face-\d+$/.test(location.hash)) {
    choose(Number(location.hash.slice(6)));
  }
})();
