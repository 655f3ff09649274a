// The pages of settings: buttons that copy, a page that waits for a job, and a result that
// is read out. All else works without it.
"use strict";

(() => {
  const { toast, refresh } = window.rollcall;

  function select(element) {
    if (element.select) {
      element.focus();
      element.select();
      return;
    }
    document.getSelection().selectAllChildren(element);
  }

  // The clipboard is there by https and on this machine; elsewhere the text is chosen, and
  // copied as browsers did before.
  async function copy(button) {
    const from = document.querySelector(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(from.value ?? from.textContent);
    } catch {
      select(from);
      if (!document.execCommand("copy")) {
        return;
      }
    }
    toast(button.dataset.copied);
  }

  document.addEventListener("click", (e) => {
    const button = e.target.closest("[data-copy]");
    if (button) {
      copy(button);
    }
  });

  document.getElementById("secret")?.select();
  document.querySelector(".settings-tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // A job that runs: the page asks again until it has ended.
  function again() {
    if (document.querySelector("[data-again]")) {
      setTimeout(async () => {
        if (document.hidden || await refresh() === false) {
          again();
        }
      }, 1500);
    }
  }

  document.addEventListener("rollcall:swapped", again);
  again();
})();
