/** The API key: requested once, stored as long as the tab is open. */

import { byId } from "./elements.js";
import { translate } from "./language.js";

const STORAGE_KEY = "zhenwei.key";
let inMemory = null; // if the browser has no storage
let opened = null; // the promise of the open dialog: several requests can wait for one key

/** Return the key, or null. */
export function currentKey() {
  try {
    return sessionStorage.getItem(STORAGE_KEY) ?? inMemory;
  } catch {
    return inMemory;
  }
}

/** Delete a key that was rejected. */
export function clearKey() {
  inMemory = null;
  try {
    sessionStorage.removeItem(STORAGE_KEY);
  } catch {
    // nothing was stored
  }
}

/**
 * Request a key from the user.
 *
 * @param {boolean} rejected - whether a key was just rejected.
 * @returns {Promise<boolean>} whether there is a key now.
 */
export function requestKey(rejected) {
  opened ??= openDialog(rejected).finally(() => {
    opened = null;
  });
  return opened;
}

function openDialog(rejected) {
  const [dialog, form, input, message] = ["key-dialog", "key-form", "key", "key-error"].map(byId);
  const showProblem = (name) => {
    message.textContent = name === null ? "" : translate(name);
    input.setAttribute("aria-invalid", name !== null);
  };
  showProblem(rejected ? "key.wrong" : null);
  input.value = "";
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    const done = new AbortController();
    const end = (hasKey) => {
      done.abort();
      dialog.close();
      resolve(hasKey);
    };
    const listen = (target, event, listener) => target.addEventListener(event, listener, { signal: done.signal });
    listen(form, "submit", (event) => {
      event.preventDefault();
      const key = input.value.trim();
      if (!/^[\x21-\x7e]+$/.test(key)) {
        showProblem("key.bad");
        return;
      }
      save(key);
      end(true);
    });
    listen(byId("key-cancel"), "click", () => end(false));
    listen(dialog, "cancel", (event) => {
      event.preventDefault();
      end(false);
    });
  });
}

function save(key) {
  inMemory = key;
  try {
    sessionStorage.setItem(STORAGE_KEY, key);
  } catch {
    // stored in memory only
  }
}
