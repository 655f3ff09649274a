// Finds the files that somebody drops, pastes or chooses, also in folders. Other scripts
// get them by rollcall.files.
"use strict";

(() => {
  // What systems leave in folders, and nobody wants to upload.
  const hidden = /^(\.|thumbs\.db$|desktop\.ini$|icon\r$)/i;
  const other = /^(video|audio|text|font)\/|^application\//;

  // looksOther reports whether the browser knows that a file is no picture. The server
  // looks at the content.
  function looksOther(file) {
    return other.test(file.type);
  }

  function children(reader) {
    return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  }

  function fileOf(entry) {
    return new Promise((resolve, reject) => entry.file(resolve, reject));
  }

  // walk adds the files of a folder, and of those in it. Files that are no pictures are
  // counted: a folder has many.
  async function walk(entry, found) {
    if (entry.isFile) {
      const file = await fileOf(entry);
      if (hidden.test(file.name) || looksOther(file)) {
        found.leftOut += 1;
      } else {
        found.files.push({ file, name: entry.fullPath.replace(/^\//, "") });
      }
      return;
    }
    const reader = entry.createReader();
    for (let some = await children(reader); some.length > 0; some = await children(reader)) {
      for (const child of some) { // browsers give a hundred at a time
        await walk(child, found);
      }
    }
  }

  // dropped returns what was dropped. It must be called while the event is handled.
  async function dropped(transfer) {
    const found = { files: [], leftOut: 0 };
    const tops = [...transfer.items].filter((i) => i.kind === "file").map((i) => ({ entry: i.webkitGetAsEntry?.(), file: i.getAsFile() }));
    for (const { entry, file } of tops) {
      if (entry?.isDirectory) {
        await walk(entry, found);
      } else if (file) {
        found.files.push({ file, name: file.name });
      }
    }
    return found;
  }

  // chosen returns what was chosen in a field.
  function chosen(field) {
    const found = { files: [], leftOut: 0 };
    for (const file of field.files) {
      if (field.dataset.source === "folder" && (hidden.test(file.name) || looksOther(file))) {
        found.leftOut += 1;
      } else {
        found.files.push({ file, name: file.webkitRelativePath || file.name });
      }
    }
    return found;
  }

  // pasted returns the pictures of the clipboard. Those that were copied out of a program
  // are all called image.png.
  function pasted(transfer) {
    const now = new Date().toLocaleString("sv").replace(" ", "-").replaceAll(":", "");
    const files = [...transfer.files].map((file, i) => {
      const name = /^image\.\w+$/.test(file.name) ? `pasted-${now}${i > 0 ? `-${i + 1}` : ""}.${file.name.split(".").pop()}` : file.name;
      return { file, name };
    });
    return { files, leftOut: 0 };
  }

  window.rollcall.files = { dropped, chosen, pasted, looksOther };
})();
