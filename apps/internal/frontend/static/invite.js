// Takes the code of an invitation from behind the # of the link, which no server sees,
// and removes it from the address, which the browser remembers.
"use strict";

const code = document.getElementById("code");
if (location.hash.length > 1 && code.value === "") {
  code.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  document.getElementById("new-password").focus();
}
