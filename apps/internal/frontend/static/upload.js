// Uploads pictures: a few at once, each with its progress, and then shows who is in them.
// The server stores each content once, so whatever broke off is sent again without harm.
"use strict";

(() => {
  const { base, fill, keys, files, label } = window.rollcall;
  const root = document.querySelector("[data-upload]");
  if (!root) {
    return;
  }
  const atOnce = 3; // browsers have six connections for a server, and the page needs some
  const pauses = [1000, 2000, 4000, 8000, 15000]; // as long as a dashboard takes to start again
  const mostAnswers = 50; // that the server gives at once
  const mostInAddress = 100;
  const w = root.dataset;
  const page = w.upload === "page";
  const list = root.querySelector("[data-list]");
  const pattern = root.querySelector("[data-file]").content.firstElementChild;
  const part = (name) => root.querySelector(`[data-${name}]`);
  const all = [];
  let begin = 0; // of the sending, for the time that is left
  let beginBytes = 0;
  let finished = true;

  // What a file is doing. waiting, sending, saving, later and stored are not the end.

  const unsent = new Set(["waiting", "sending", "saving", "later"]);

  function say(item, state, text) {
    item.state = state;
    item.row.dataset.state = state;
    item.row.querySelector(".say").textContent = text;
    item.row.querySelector("progress").hidden = !["sending", "saving"].includes(state);
    item.row.querySelector("[data-retry]").hidden = !(state === "failed" || state === "cancelled");
    const cancel = item.row.querySelector("[data-cancel]");
    const can = ["waiting", "sending", "later"].includes(state);
    cancel.hidden = state === "saving" || state === "stored"; // what has arrived is stored
    cancel.setAttribute("aria-label", label(can ? w.wCancel : w.wRemove, item.name));
    cancel.title = can ? w.wCancel : w.wRemove;
    draw();
  }

  function size(bytes) {
    const units = [w.wKb, w.wMb, w.wGb];
    let n = bytes / 1000;
    let unit = 0;
    while (n >= 999.5 && unit < units.length - 1) {
      n /= 1000;
      unit += 1;
    }
    return fill(units[unit], n.toLocaleString(undefined, { maximumFractionDigits: n < 10 ? 1 : 0 }));
  }

  function duration(seconds) {
    return seconds < 90 ? fill(w.wSeconds, Math.max(Math.ceil(seconds / 10) * 10, 10)) : fill(w.wMinutes, Math.round(seconds / 60));
  }

  // draw shows how far all is, once a frame.
  let drawing = false;

  function draw() {
    if (!drawing) {
      drawing = true;
      setTimeout(() => { drawing = false; drawNow(); }, 50);
    }
  }

  function drawNow() {
    const counts = { sent: 0, wrong: 0, answered: 0, active: 0, failed: 0, bytes: 0, sentBytes: 0 };
    let files = 0;
    for (const item of all) {
      if (item.state === "cancelled") {
        continue;
      }
      files += 1;
      counts.sent += item.state === "stored" || item.state === "answered" ? 1 : 0;
      counts.answered += item.state === "answered" ? 1 : 0;
      counts.wrong += item.state === "failed" || item.state === "refused" ? 1 : 0;
      counts.active += unsent.has(item.state) ? 1 : 0;
      counts.bytes += item.state === "refused" || item.state === "failed" ? 0 : item.file.size;
      counts.sentBytes += ["refused", "failed"].includes(item.state) ? 0 : item.sent;
    }
    counts.failed = all.filter((i) => i.state === "failed").length;
    part("total").hidden = all.length === 0;
    part("count").textContent = fill(w.wCount, counts.sent, files);
    const more = [];
    if (counts.active > 0) {
      more.push(fill(w.wSize, size(counts.sentBytes), size(counts.bytes)));
      const passed = (Date.now() - begin) / 1000;
      const rate = (counts.sentBytes - beginBytes) / passed;
      if (passed > 3 && rate > 0) {
        more.push(fill(w.wLeft, duration((counts.bytes - counts.sentBytes) / rate)));
      }
    } else if (counts.sent > 0) {
      more.push(fill(w.wDone, counts.answered));
    }
    if (counts.wrong > 0) {
      more.push(fill(w.wWrong, counts.wrong));
    }
    part("more").textContent = more.join(" · ");
    part("bar").value = counts.bytes > 0 ? 100 * counts.sentBytes / counts.bytes : 100;
    part("retry-all").hidden = counts.failed === 0;
    part("cancel-all").hidden = counts.active === 0;
    part("clear").hidden = counts.active > 0;
    if (!finished && counts.active === 0) {
      finished = true;
      part("tell").textContent = [w.wFinished, part("count").textContent, counts.wrong > 0 ? fill(w.wWrong, counts.wrong) : ""].join(" ");
    }
  }

  // Sending.

  function next() {
    while (all.filter((i) => i.state === "sending" || i.state === "saving").length < atOnce) {
      const item = all.find((i) => i.state === "waiting");
      if (!item) {
        return;
      }
      send(item);
    }
  }

  function send(item) {
    const form = new FormData();
    form.append("files", item.file, item.name.split("/").pop());
    const request = new XMLHttpRequest();
    item.request = request;
    item.sent = 0;
    const bar = item.row.querySelector("progress");
    bar.setAttribute("aria-label", item.name);
    request.upload.addEventListener("progress", (e) => {
      if (item.request !== request || item.state !== "sending") {
        return;
      }
      item.sent = Math.min(e.loaded, item.file.size);
      bar.value = 100 * e.loaded / e.total;
      item.row.querySelector(".say").textContent = fill(w.wSending, Math.floor(bar.value));
      draw();
    });
    request.upload.addEventListener("load", () => {
      if (item.request === request && item.state === "sending") {
        item.sent = item.file.size;
        say(item, "saving", w.wSaving);
      }
    });
    request.addEventListener("load", () => answered(item, request));
    request.addEventListener("error", () => broken(item));
    request.open("POST", `${base}/upload`);
    request.setRequestHeader("Accept", "application/json");
    say(item, "sending", fill(w.wSending, 0));
    request.send(form);
  }

  function read(request) {
    try {
      return JSON.parse(request.responseText);
    } catch {
      return {};
    }
  }

  function answered(item, request) {
    const body = read(request);
    const result = body.files?.[0];
    if (request.status === 200 && result?.id) {
      item.id = result.id;
      item.sent = item.file.size;
      say(item, "stored", w.wStored);
      remember(item.id);
      ask([item.id]);
    } else if (request.status === 200 && result?.refused) {
      refuse(item, result.refused);
    } else if (request.status === 401) {
      say(item, "failed", w.wSignedout);
    } else if (request.status === 403 && !body.why) {
      say(item, "failed", w.wRole);
    } else if (request.status === 413 && !body.why) { // of a proxy
      say(item, "refused", w.wLarge);
    } else if ([429, 502, 503, 504].includes(request.status) || !body.why && request.status !== 403) {
      again(item, w.wBusy, body.why ?? w.wLost, Number(request.getResponseHeader("Retry-After")) * 1000);
    } else {
      refuse(item, body);
    }
    next();
  }

  function refuse(item, { why, again: later }) {
    item.sent = 0;
    say(item, later ? "failed" : "refused", why);
  }

  // broken is called when the connection broke, or when the file cannot be read.
  async function broken(item) {
    item.sent = 0;
    try {
      await item.file.slice(0, 1).arrayBuffer();
      again(item, w.wLater, w.wLost, 0);
    } catch {
      say(item, "refused", w.wGone);
    }
    next();
  }

  // again sends a file once more after a pause, a few times. Then somebody has to say so.
  function again(item, meanwhile, atLast, least) {
    const pause = pauses[item.tries];
    item.tries += 1;
    item.sent = 0;
    if (pause === undefined) {
      say(item, "failed", atLast);
      return;
    }
    say(item, "later", meanwhile);
    item.timer = setTimeout(() => { say(item, "waiting", w.wWaiting); next(); }, Math.min(Math.max(pause * (0.75 + Math.random() / 2), least || 0), 60000));
  }

  function retry(item) {
    item.tries = 0;
    finished = false;
    begin = Date.now();
    beginBytes = all.reduce((n, i) => n + i.sent, 0);
    say(item, "waiting", w.wWaiting);
    next();
  }

  function cancel(item) {
    clearTimeout(item.timer);
    const request = item.request;
    item.request = null;
    request?.abort();
    item.sent = 0;
    say(item, "cancelled", w.wCancelled);
    next();
  }

  function remove(item) {
    all.splice(all.indexOf(item), 1);
    const after = item.row.nextElementSibling ?? item.row.previousElementSibling;
    item.row.remove();
    after?.querySelector("button:not([hidden]), a")?.focus();
    draw();
  }

  function add(found) {
    root.hidden = false;
    if (all.every((i) => !unsent.has(i.state))) {
      begin = Date.now();
      beginBytes = all.reduce((n, i) => n + i.sent, 0);
    }
    const leftOut = part("left-out");
    leftOut.hidden = found.leftOut === 0;
    leftOut.textContent = fill(w.wHidden, found.leftOut);
    const rows = document.createDocumentFragment();
    for (const { file, name } of found.files) {
      const item = { file, name, row: pattern.cloneNode(true), sent: 0, tries: 0, state: "waiting" };
      item.row.querySelector(".name").textContent = name;
      all.push(item);
      rows.append(item.row);
      if (files.looksOther(file)) {
        say(item, "refused", w.wKind);
      } else if (file.size === 0) {
        say(item, "refused", w.wEmpty);
      } else {
        finished = false;
        say(item, "waiting", w.wWaiting);
      }
    }
    list.prepend(rows);
    next();
  }

  // Answers. The rows of stored pictures are those of the server.

  function waiting() {
    return [...new Set([...all.filter((i) => i.state === "stored").map((i) => i.id), ...[...list.querySelectorAll("[data-waits]")].map((r) => Number(r.dataset.image))])];
  }

  let asking = new Set();
  let soon = 0;

  // ask shows pictures as they are now, many at once.
  function ask(ids) {
    ids.forEach((id) => asking.add(id));
    clearTimeout(soon);
    soon = setTimeout(answers, 150);
  }

  async function answers() {
    const ids = [...asking];
    asking = new Set();
    for (let i = 0; i < ids.length; i += mostAnswers) {
      const some = ids.slice(i, i + mostAnswers);
      try {
        const answer = await fetch(`${base}/upload/answers?images=${some.join(",")}`, { signal: AbortSignal.timeout(15000) });
        if (answer.ok) {
          show(some, await answer.text());
        }
      } catch {
        // The next look will tell.
      }
    }
  }

  function show(ids, html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    for (const id of ids) {
      const fresh = holder.content.getElementById(`upload-${id}`);
      const mine = all.filter((i) => i.id === id);
      const rows = new Set([...mine.map((i) => i.row), ...list.querySelectorAll(`[data-image="${id}"]`)]);
      for (const row of rows) {
        if (!fresh) {
          row.removeAttribute("data-waits");
          row.querySelector(".say").textContent = w.wDeleted;
        } else if (row.isConnected) {
          replace(row, fresh.cloneNode(true), mine.find((i) => i.row === row));
        }
      }
      for (const item of mine) {
        item.state = fresh?.dataset.waits === undefined ? "answered" : "stored";
      }
    }
    draw();
  }

  function replace(row, fresh, item) {
    if (item) {
      fresh.querySelector("a.name bdi").textContent = item.name; // as it is called here
      item.row = fresh;
    }
    const focused = row.contains(document.activeElement);
    row.replaceWith(fresh);
    if (focused) {
      fresh.querySelector("a").focus({ preventScroll: true });
    }
  }

  document.addEventListener("rollcall:changed", (e) => {
    const { reload, changed = [], gone = [] } = e.detail;
    ask(reload ? waiting() : waiting().filter((id) => changed.includes(id) || gone.includes(id)));
  });
  setInterval(() => {
    if (!document.hidden && waiting().length > 0) {
      ask(waiting());
    }
  }, 10000);

  // remember keeps the newest pictures in the address, so that a reload shows them again.
  function remember(id) {
    const here = new URL(page ? location.href : `${base}/upload`, location.href);
    const before = page ? here.searchParams.get("images") : part("page").href.split("images=")[1];
    const ids = [...new Set([String(id), ...(before ?? "").split(",").filter(Boolean)])].slice(0, mostInAddress);
    const address = `${here.pathname}?images=${ids.join(",")}`;
    if (page) {
      history.replaceState(history.state, "", address);
    } else {
      part("page").href = address;
    }
  }

  // What people do.

  function isFiles(e) {
    return e.dataTransfer?.types.includes("Files");
  }

  let inside = 0; // elements that the pointer is in

  function dropping(on) {
    document.body.dataset.release = w.wRelease;
    document.body.classList.toggle("dropping", on);
  }

  document.addEventListener("dragenter", (e) => { if (isFiles(e)) { inside += 1; dropping(true); } });
  document.addEventListener("dragleave", (e) => { if (isFiles(e) && --inside <= 0) { inside = 0; dropping(false); } });
  document.addEventListener("dragover", (e) => {
    if (isFiles(e)) {
      e.preventDefault();
      e.dataTransfer.dropEffect = "copy";
    }
  });
  document.addEventListener("drop", async (e) => {
    if (!isFiles(e)) {
      return;
    }
    e.preventDefault();
    inside = 0;
    dropping(false);
    add(await files.dropped(e.dataTransfer));
  });
  document.addEventListener("paste", (e) => {
    if (page && e.clipboardData.files.length > 0) {
      e.preventDefault();
      add(files.pasted(e.clipboardData));
    }
  });

  root.addEventListener("change", (e) => {
    if (e.target.matches("[data-source]")) {
      add(files.chosen(e.target));
      e.target.value = ""; // the same file can be chosen again
    }
  });
  root.addEventListener("click", (e) => {
    const item = all.find((i) => i.row === e.target.closest(".upload-row"));
    if (e.target.closest("[data-retry]")) {
      retry(item);
    } else if (e.target.closest("[data-cancel]")) {
      (["waiting", "sending", "later"].includes(item.state) ? cancel : remove)(item);
    } else if (e.target.closest("[data-retry-all]")) {
      retryAll();
    } else if (e.target.closest("[data-cancel-all]")) {
      all.filter((i) => ["waiting", "later", "sending"].includes(i.state)).reverse().forEach(cancel);
    } else if (e.target.closest("[data-clear]")) {
      all.splice(0);
      list.replaceChildren();
      part("left-out").hidden = true;
      if (page) {
        history.replaceState(history.state, "", location.pathname);
      }
      drawNow();
    } else if (e.target.closest("[data-hide]")) {
      root.hidden = true;
    }
  });

  function retryAll() {
    all.filter((i) => i.state === "failed").forEach(retry);
  }

  if (page) {
    keys.set("c", () => root.querySelector('[data-source="files"]').click());
    keys.set("r", retryAll);
  }
  window.addEventListener("online", () => {
    for (const item of all.filter((i) => i.state === "later")) {
      clearTimeout(item.timer);
      say(item, "waiting", w.wWaiting);
    }
    next();
  });
  window.addEventListener("beforeunload", (e) => {
    if (all.some((i) => unsent.has(i.state))) {
      e.preventDefault(); // the browser asks
    }
  });
})();
