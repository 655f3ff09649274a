// Completes names while somebody types: a combobox as WAI-ARIA describes it. Without it,
// the field is a plain one.
"use strict";

(() => {
  const { base } = window.rollcall;
  let number = 0;

  function enhance(input) {
    if (input.closest(".combo")) {
      return;
    }
    const combo = document.createElement("span");
    combo.className = "combo";
    const focused = document.activeElement === input;
    input.replaceWith(combo);
    const list = document.createElement("ul");
    list.id = `names-${++number}`;
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", input.placeholder || input.labels?.[0]?.textContent || "");
    combo.append(input, list);
    if (focused) {
      input.focus({ preventScroll: true });
    }
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", list.id);
    input.setAttribute("aria-expanded", "false");
    let asked = 0;
    let chosen = -1;

    function show(names) {
      chosen = -1;
      list.replaceChildren(...names.map((name, i) => {
        const option = document.createElement("li");
        option.id = `${list.id}-${i}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.textContent = name;
        option.addEventListener("mousedown", (e) => {
          e.preventDefault(); // the field keeps the focus
          take(name);
        });
        return option;
      }));
      list.hidden = names.length === 0;
      input.setAttribute("aria-expanded", String(names.length > 0));
      input.removeAttribute("aria-activedescendant");
    }

    function take(name) {
      input.value = name;
      show([]);
    }

    function choose(step) {
      const options = list.children;
      options[chosen]?.setAttribute("aria-selected", "false");
      chosen = (chosen + step + options.length) % options.length;
      options[chosen].setAttribute("aria-selected", "true");
      options[chosen].scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", options[chosen].id);
    }

    input.addEventListener("input", async () => {
      const mine = ++asked;
      const typed = input.value.trim();
      if (typed === "") {
        show([]);
        return;
      }
      try {
        const answer = await fetch(`${base}/names?q=${encodeURIComponent(typed)}`, { signal: AbortSignal.timeout(5000) });
        if (mine === asked && answer.ok && document.activeElement === input) {
          show(await answer.json());
        }
      } catch {
        // Typing the whole name works, too.
      }
    });
    input.addEventListener("keydown", (e) => {
      if (list.hidden) {
        return;
      }
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        e.preventDefault();
        choose(e.key === "ArrowDown" ? 1 : chosen < 0 ? 0 : -1);
      } else if (e.key === "Enter" && chosen >= 0) {
        e.preventDefault();
        take(list.children[chosen].textContent);
        input.form.requestSubmit();
      } else if (e.key === "Escape") {
        e.preventDefault();
        show([]);
      }
    });
    input.addEventListener("blur", () => show([]));
  }

  function all() {
    document.querySelectorAll("input[data-names]").forEach(enhance);
  }

  all();
  document.addEventListener("rollcall:swapped", all);
})();
