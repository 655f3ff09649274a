// The pages of people: keys for the faces of a person, questions as dialogs, and known
// pictures that are dropped. Without it, each of them is a page or a form.
"use strict";

(() => {
  const { keys, label, load, problemOf, swap, refresh, toast } = window.rollcall;

  // Faces. The chosen one is the one that has the focus.

  let place = -1; // of the face that something was said about, until the page shows it

  function crops() {
    return [...document.querySelectorAll(".crop")];
  }

  function chosen() {
    return document.activeElement.closest(".crop");
  }

  function say(key) {
    const crop = chosen();
    if (crop) {
      crop.querySelector(`[data-key="${key}"]`)?.click();
    } else {
      crops()[0]?.querySelector("[data-open]").focus(); // nobody answers what they do not look at
    }
    return crops().length > 0;
  }

  keys.set("y", () => say("y"));
  keys.set("n", () => say("n"));
  keys.set("u", () => (document.querySelector(".toast .button") ?? document.querySelector(".notice form button"))?.click());

  document.addEventListener("submit", (e) => {
    const crop = e.target.closest(".crop");
    if (crop) {
      place = crops().indexOf(crop);
    }
  }, true);

  document.addEventListener("rollcall:swapped", () => {
    if (place >= 0) {
      const all = crops();
      all[Math.min(place, all.length - 1)]?.querySelector("[data-open]").focus({ preventScroll: true });
      place = -1;
    }
  });

  // Questions. Their pages have a part that a dialog shows.

  const dialog = document.getElementById("ask");

  async function ask(address) {
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = fresh.querySelector("[data-dialog]");
      if (!part) {
        dialog.close();
        toast(problemOf(fresh, answer), "bad");
        return;
      }
      part.classList.remove("panel");
      dialog.replaceChildren(document.adoptNode(part));
      document.querySelectorAll("details.menu[open]").forEach((m) => { m.open = false; });
      if (!dialog.open) {
        dialog.showModal();
      }
      (dialog.querySelector("[autofocus]") ?? dialog.querySelector("a, button")).focus();
    } catch {
      toast(document.body.dataset.stale, "bad");
    }
  }

  if (dialog) {
    document.addEventListener("click", (e) => {
      const link = e.target.closest("a[data-ask], [data-cancel]");
      if (!link || e.ctrlKey || e.metaKey || e.shiftKey) {
        if (e.target === dialog) {
          dialog.close();
        }
        return;
      }
      if (link.matches("[data-cancel]")) {
        if (dialog.open) {
          e.preventDefault();
          dialog.close();
        }
        return;
      }
      e.preventDefault();
      ask(link.href);
    });
    document.addEventListener("submit", (e) => {
      if (e.target.matches("form[data-ask]")) {
        e.preventDefault();
        ask(`${e.target.action}?${new URLSearchParams(new FormData(e.target))}`);
      } else if (dialog.contains(e.target) && e.target.matches("[data-act]")) {
        dialog.close(); // what was done, or not, is said on the page
      }
    });
  }

  // Known pictures.

  const form = document.getElementById("known-form");

  function line(name) {
    const item = document.createElement("li");
    const strong = document.createElement("strong");
    strong.textContent = name;
    const words = document.createElement("span");
    item.append(strong, " ", words);
    document.getElementById("known-log").append(item);
    return { item, words };
  }

  async function send(file, accept, { item, words }) {
    item.className = "work";
    words.textContent = form.dataset.adding;
    const data = new FormData();
    if (accept) {
      data.set("accept", accept);
    }
    data.append("file", file, file.name);
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body: data, headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const result = fresh.querySelector("[data-result]");
      if (answer.ok && fresh.getElementById("live")) {
        fresh.querySelector(".notice")?.remove();
        swap(fresh);
        item.className = "good";
        words.textContent = form.dataset.taken;
        return;
      }
      item.className = "bad";
      words.textContent = result ? [...result.querySelectorAll("span")].map((s) => s.textContent).join(" ") : fresh.querySelector(".problem .text")?.textContent ?? answer.statusText;
      if (result?.dataset.accept) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "button small";
        button.textContent = form.dataset.anyway;
        button.setAttribute("aria-label", label(form.dataset.anyway, file.name));
        button.addEventListener("click", () => { button.remove(); send(file, result.dataset.accept, { item, words }); });
        item.append(" ", button);
      }
    } catch {
      item.className = "bad";
      words.textContent = form.dataset.failed;
    }
  }

  async function sendAll(files) {
    const lines = files.map((f) => line(f.name));
    for (const [i, file] of files.entries()) {
      await send(file, "", lines[i]); // one after another, as the recognizer looks at them
    }
  }

  if (form) {
    const input = form.querySelector("input[type=file]");
    const drop = document.getElementById("drop");
    const hasFiles = (e) => e.dataTransfer?.types.includes("Files");
    let depth = 0;
    form.addEventListener("submit", (e) => { e.preventDefault(); });
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      sendAll(files);
    });
    document.addEventListener("dragenter", (e) => {
      if (hasFiles(e)) {
        depth++;
        drop.classList.add("over");
      }
    });
    document.addEventListener("dragleave", () => {
      depth = Math.max(depth - 1, 0);
      drop.classList.toggle("over", depth > 0);
    });
    document.addEventListener("dragover", (e) => {
      if (hasFiles(e)) {
        e.preventDefault(); // or the browser would open the file
      }
    });
    document.addEventListener("drop", (e) => {
      if (hasFiles(e)) {
        e.preventDefault();
        depth = 0;
        drop.classList.remove("over");
        sendAll([...e.dataTransfer.files]);
      }
    });
  }

  // The receipt of an erasure, until it is whole.

  async function watch() {
    if (!document.querySelector("[data-poll]")) {
      return;
    }
    if (!document.hidden) {
      try {
        swap(await load(location.href));
      } catch {
        await refresh();
      }
    }
    setTimeout(watch, 3000);
  }

  setTimeout(watch, 3000);
})();
