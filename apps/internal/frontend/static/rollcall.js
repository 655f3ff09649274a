// Updates a page while pictures have no outcome: every three seconds it loads the
// page again and replaces the live parts. Without JavaScript the page reloads
// itself instead (see layout.html).
"use strict";

const pause = 3000;
const lost = document.getElementById("lost");

function waiting() {
  return document.querySelector("[data-waiting]") !== null;
}

// busy is true while replacing the page would disturb the user.
function busy() {
  return document.hidden || !document.getSelection().isCollapsed;
}

function swap(fresh) {
  const focused = document.activeElement;
  const href = focused && focused.closest("[data-live]") && focused.getAttribute("href");
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(old.id);
    if (now && now.outerHTML !== old.outerHTML) {
      old.replaceWith(document.adoptNode(now));
    }
  }
  if (href && !focused.isConnected) {
    document.querySelector(`[data-live] a[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
  }
}

async function refresh() {
  if (!busy()) {
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(15000) });
      if (answer.status === 401) {
        location.reload(); // the session has ended; the server leads to the sign-in page
        return;
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.getElementById("live")) {
        throw new Error(fresh.title);
      }
      swap(fresh);
      lost.textContent = "";
    } catch {
      lost.textContent = "This page could not be updated; trying again.";
    }
  }
  if (waiting()) {
    setTimeout(refresh, pause);
  }
}

setTimeout(refresh, pause);
